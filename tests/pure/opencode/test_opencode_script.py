"""The language in which prompts say what the model does."""

import json

import pytest

from simulator.opencode.prompt_language import BadScript, parse
from simulator.opencode.script import OVERFLOW, EmitEvent, Fail, Say, Script, Tool, Use, words
from simulator.scenario import load, scenarios


def call(**operation):
    script = parse("@@" + json.dumps([operation]))
    assert script is not None
    (one,) = script.calls
    return one


def test_words_before_the_script_are_no_part_of_it() -> None:
    assert parse('Say something. @@[{"op": "text", "n": 2, "ms": 50}]') == Script(
        (Say(("word0 ", "word1 "), 0.05),)
    )


def test_every_recorded_prompt_is_a_script_or_plain() -> None:
    prompts = [
        part["text"]
        for name in scenarios()
        for action in load(name).recording.actions
        if "prompt_async" in action.target
        for part in action.body["parts"]
    ]
    assert len(prompts) > 20
    assert {parse(prompt) is None for prompt in prompts} == {True, False}


SPOKEN = {
    "text": ({"n": 1, "word": "w"}, Say(("w0 ",), 0.02)),
    "length": ({"op": "text", "n": 1, "finish": "length"}, Say(("word0 ",), 0.02, finish="length")),
    "filter": (
        {"op": "text", "n": 1, "finish": "content_filter"},
        Say(("word0 ",), 0.02, finish="content-filter"),
    ),
    "reason": ({"n": 2, "n2": 1, "ms": 30}, Say(("word0 ",), 0.03, thoughts=words("word", 2))),
    "slow": ({"s": 12, "n": 1}, Say(("word0 ",), 0.02, delay=12)),
    "cut": ({"n": 1}, Say(("word0 ",), 0.02, finish="unknown")),
}


@pytest.mark.parametrize("name", SPOKEN)
def test_text(name: str) -> None:
    operation, expected = SPOKEN[name]
    assert call(**{"op": name, **operation}) == expected


def test_a_command() -> None:
    (tool,) = call(op="bash", command="ls").tools
    assert tool == Tool("bash", {"command": "ls", "description": "Runs a demo command"})
    assert tool.patience is None


def test_who_answers_and_when() -> None:
    (tool,) = call(op="tool", name="write", args={"filePath": "/a"}, reply="always", after=3).tools
    assert (tool.name, tool.reply, tool.patience) == ("write", "always", 3)
    (question,) = call(op="question", answers=[["Blue"]]).tools
    assert (question.answers, question.patience) == ((("Blue",),), 0.0)


def test_a_subagent_has_a_script_of_its_own() -> None:
    (tool,) = call(op="task", prompt='@@[{"op": "text", "n": 1}]').tools
    assert tool.script == Script((Say(("word0 ",), 0.02),))
    (tool,) = call(op="task", prompt="just do it").tools
    assert tool.script == Script()


def test_several_tools_in_one_call() -> None:
    use = call(op="tools", tools=[{"op": "bash", "command": "a"}, {"op": "question"}])
    assert isinstance(use, Use)
    assert [tool.name for tool in use.tools] == ["bash", "question"]


def test_refusals() -> None:
    refused = call(op="fail", status=429, times=2, retry_after=3, msg="slow down")
    assert isinstance(refused, Fail)
    assert (refused.fault.kind, refused.fault.message, refused.times, refused.retry_after) == (
        429,
        "slow down",
        2,
        3,
    )
    assert call(op="fail", status=400, code=OVERFLOW).fault.kind == OVERFLOW
    assert call(op="fail", status=401).times == -1
    assert call(op="refuse").fault.kind == "refused"
    assert call(op="no_model").fault.kind == "no_model"
    failing = call(op="in_stream", n=2, times=3)
    assert (failing.fault.kind, failing.times, failing.said) == ("in_stream", 3, Say(words("word", 2)))


def test_any_event() -> None:
    assert call(op="event", type="x.y", properties={"a": 1}) == EmitEvent("x.y", {"a": 1})
    assert call(op="event", type="x.y") == EmitEvent("x.y", {})


def test_an_abort_belongs_to_the_whole_script() -> None:
    script = parse('@@[{"op": "text", "n": 1}, {"op": "abort", "after": 1.5}]')
    assert script == Script((Say(("word0 ",), 0.02),), abort_after=1.5)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("@@[", "no JSON"),
        ('@@{"op": "text"}', "must be a list"),
        ('@@[{"op": "dance"}]', "'dance' is none of abort, bash, cut"),
        ("@@[{}]", "'' is none of"),
        ("@@[1]", "must be an object"),
        ('@@[{"op": "bash"}]', "'bash' lacks 'command'"),
        ('@@[{"op": "fail"}]', "'fail' lacks 'status'"),
        ('@@[{"op": "tool", "args": {}}]', "'tool' lacks 'name'"),
        ('@@[{"op": "tool", "name": "write", "args": {}}]', "'tool' lacks 'filePath'"),
        ('@@[{"op": "tools", "tools": [{"op": "text"}]}]', "'tools' lacks 'text'"),
        ('@@[{"op": "task", "prompt": "@@[0]"}]', "must be an object"),
    ],
)
def test_what_is_no_script_says_why(prompt: str, why: str) -> None:
    with pytest.raises(BadScript, match=why):
        parse(prompt)
