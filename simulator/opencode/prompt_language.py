"""The small language in which prompts hold a script of model calls. No I/O.

A prompt may end with `@@[...]`, a JSON list of operations, one a model call:

    {"op": "text", "n": 40, "ms": 50, "word": "word", "finish": "length"}    n words, one every ms milliseconds
    {"op": "reason", "n": 5, "n2": 5, "ms": 30}                              n words of thought, then n2 of text
    {"op": "slow", "s": 12, "n": 5, "ms": 20}                                the first token after s seconds
    {"op": "cut", "n": 5, "ms": 30}                                          the provider hangs up in the middle
    {"op": "bash", "command": "echo x"}                                      a command; it asks for permission
    {"op": "tool", "name": "write", "args": {...}}                           any other tool
    {"op": "tools", "tools": [{"op": "bash", ...}, ...]}                     several in one call
    {"op": "task", "prompt": "@@[...]"}                                      a subagent, in a session of its own
    {"op": "question"}                                                       asks the person
    {"op": "fail", "status": 429, "times": 1, "retry_after": 3, "msg": ""}   the provider refuses; times -1 for ever
    {"op": "in_stream", "n": 3, "times": 1}                                  the provider fails after n words
    {"op": "refuse"}                                                         nobody listens where the provider should be
    {"op": "no_model"}                                                       the model does not exist
    {"op": "event", "type": "x.y", "properties": {}}                         any event, of the session, between two calls
    {"op": "abort", "after": 1.5, "reason": "user"}                          a person aborts so many seconds later

Tools and questions may say who answers: `"reply": "once" | "always" | "reject"` (with a `"message"`, or `"answers":
[["Blue"]]`) with `"after"` seconds; without, they wait for a person, and with `"why"` they give a reason (generation 2). A tool that usually asks for nothing does with `"ask": true` (or
`"once"`, where "always" has nothing to store). `"say": "..."` is
said before the call, and with `"background": true` commands and subagents go on beside the agent (generation 2). Names of tools and fields may be those of
either generation: `bash` and `shell`, `task` and `subagent`, `filePath` and `path`. The prompts of the recordings are in
this language: it is that of the provider against which both generations of OpenCode were recorded.
"""

import json
from collections.abc import Callable
from typing import Any

from simulator.opencode.script import (
    FOR_EVER,
    OVERFLOW,
    Call,
    EmitEvent,
    Fail,
    Json,
    Say,
    Script,
    Tool,
    Use,
    fault,
    words,
)

_MARK = "@@"
_QUESTION: Json = {
    "question": "Which colour do you want?",
    "header": "Colour",
    "options": [
        {"label": "Red", "description": "a warm one"},
        {"label": "Blue", "description": "a cold one"},
    ],
    "multiple": False,
}


class BadScript(ValueError):
    """A prompt holds operations that are none; the text says which."""


def parse(prompt: str) -> Script | None:
    """The script that a prompt holds; None if it holds none. Raises BadScript."""
    _, mark, text = prompt.partition(_MARK)
    if not mark:
        return None
    try:
        operations = json.loads(text)
    except ValueError as error:
        raise BadScript(f"what follows {_MARK} in the prompt is no JSON: {error}") from None
    if not isinstance(operations, list):
        raise BadScript(f"what follows {_MARK} in the prompt must be a list of operations")
    if not all(isinstance(one, dict) for one in operations):
        raise BadScript(f"every operation after {_MARK} must be an object")
    aborts = [one for one in operations if one.get("op") == "abort"]
    calls = tuple(_call(one) for one in operations if one.get("op") != "abort")
    if not aborts:
        return Script(calls)
    return Script(calls, aborts[0].get("after", 0.0), aborts[0].get("reason", "user"))


def _call(operation: Json) -> Call:
    name = operation.get("op", "")
    if name not in {**_CALLS, **_TOOLS}:
        known = ", ".join(sorted({*_CALLS, *_TOOLS, "abort"}))
        raise BadScript(f"the operation {name!r} is none of {known}")
    try:
        return _use(operation, operation) if name in _TOOLS else _CALLS[name](operation)
    except KeyError as missing:
        raise BadScript(f"the operation {name!r} lacks {missing.args[0]!r}") from None


def _say(operation: Json, **given: Any) -> Say:
    finish = operation.get("finish", "stop").replace("_", "-")
    return Say(
        words=words(operation.get("word", "word"), operation.get("n", 5)),
        gap=operation.get("ms", 20) / 1000,
        **{"finish": finish, **given},
    )


def _reason(operation: Json) -> Say:
    word = operation.get("word", "word")
    said = _say({**operation, "n": operation.get("n2", 5)})
    return Say(said.words, said.gap, thoughts=words(word, operation.get("n", 5)))


def _fail(operation: Json) -> Fail:
    kind = OVERFLOW if operation.get("code") == OVERFLOW else operation["status"]
    return Fail(
        fault(kind, operation.get("msg")), operation.get("times", FOR_EVER), operation.get("retry_after")
    )


def _use(operation: Json, *tools: Json) -> Use:
    said = operation.get("say", "")
    return Use(tuple(_TOOLS[one.get("op", "tool")](one) for one in tools), (said,) if said else ())


def _tool(name: str, operation: Json, given: Json, script: Script | None = None) -> Tool:
    lacking = [field for field in _INPUT.get(name, ()) if field not in given]
    if lacking:
        raise KeyError(*lacking)
    answers = operation.get("answers")
    return Tool(
        name,
        given,
        operation.get("reply"),
        None if answers is None else tuple(tuple(answer) for answer in answers),
        operation.get("after", 0.0),
        script,
        operation.get("message"),
        operation.get("why"),
        operation.get("ask", False),
        operation.get("background", False),
    )


def _bash(operation: Json) -> Tool:
    return _tool("bash", operation, {"command": operation["command"], "description": "Runs a demo command"})


def _task(operation: Json) -> Tool:
    given = {
        "description": operation.get("description", "child job"),
        "prompt": operation["prompt"],
        "subagent_type": "general",
    }
    return _tool("task", operation, given, parse(operation["prompt"]) or Script())


def _ask(operation: Json) -> Tool:
    return _tool("question", operation, {"questions": operation.get("questions", [_QUESTION])})


def _any(operation: Json) -> Tool:
    name, given = operation["name"], operation.get("args", {})
    name = _OLDER_NAMES.get(name, name)
    if name in _OF_FILES:
        given = {_OLDER_FIELDS.get(field, field): value for field, value in given.items()}
    return _tool(name, operation, given)


def _several(operation: Json) -> Use:
    return _use(operation, *(operation["tools"] if "tools" in operation else operation["calls"]))


_INPUT = {
    "bash": ("command",),
    "edit": ("filePath",),
    "webfetch": ("url",),
    "write": ("filePath",),
}
"""What a tool's input must hold."""
_OF_FILES = frozenset({"edit", "read", "write"})
_OLDER_NAMES = {"shell": "bash", "subagent": "task"}
_OLDER_FIELDS = {"path": "filePath"}
"""Generation 2's words, and those that scripts are kept in."""

_TOOLS: dict[str, Callable[[Json], Tool]] = {
    "bash": _bash,
    "task": _task,
    "question": _ask,
    "tool": _any,
}

_CALLS: dict[str, Callable[[Json], Call]] = {
    "text": _say,
    "reason": _reason,
    "slow": lambda operation: _say(operation, delay=operation["s"]),
    "cut": lambda operation: _say(operation, finish="unknown"),
    "fail": _fail,
    "in_stream": lambda operation: Fail(fault("in_stream"), operation.get("times", 1), said=_say(operation)),
    "event": lambda operation: EmitEvent(operation["type"], operation.get("properties", {})),
    "refuse": lambda _: Fail(fault("refused")),
    "no_model": lambda _: Fail(fault("no_model")),
    "tools": _several,
}
