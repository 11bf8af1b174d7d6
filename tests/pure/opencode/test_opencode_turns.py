"""What scripted turns do beyond the recordings at hand; orders as noted on OpenCode 1.18.33."""

import json

import pytest

from simulator.opencode.scheduler import Ending
from simulator.opencode.v1.failures import MOST_RETRIES

D = "/code/demo"
PAIR = ["idle", "session.idle"]
BASH = '{"op": "bash", "command": "echo x"}'


async def test_a_second_prompt_waits_and_one_idle_ends_both(scripted) -> None:
    session = scripted.session()
    turns = [scripted.prompt(session, '[{"op": "text", "n": 20}]')]
    await scripted.clock.advance(0.2)
    turns.append(scripted.prompt(session, '[{"op": "text", "n": 3}]'))
    users = [one for one in scripted.state.message_list(session["id"]) if one["info"]["role"] == "user"]
    assert len(users) == 2  # it appears at once
    await scripted.clock.advance(5)
    assert scripted.milestones(session) == ["busy", *PAIR]
    assert [turn.result().how for turn in turns] == ["done", "done"]
    said = [
        one["info"]
        for one in scripted.state.message_list(session["id"])
        if one["info"]["role"] == "assistant"
    ]
    assert [one["parentID"] for one in said] == [one["info"]["id"] for one in users]


async def test_an_untitled_session_gets_a_title(scripted) -> None:
    session = scripted.session(None)
    scripted.prompt(session)
    await scripted.clock.advance(1)
    assert scripted.state.sessions[session["id"]]["title"] == "Title0 Title1 Title2"


async def test_what_was_always_allowed_is_not_asked_again_in_that_directory(scripted) -> None:
    for directory, asks in (("/code/demo", True), ("/code/demo", False), ("/code/other", True)):
        session = scripted.session(directory=directory)
        scripted.prompt(session, '[{"op": "bash", "command": "git status", "reply": "always"}]')
        await scripted.clock.advance(5)
        assert ("asked bash" in scripted.milestones(session)) is asks


async def test_refusing_one_of_two_refuses_both_and_stops_the_turn(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, f'[{{"op": "tools", "tools": [{BASH}, {BASH}]}}]')
    _, second = await scripted.asked("permissions", 2)
    scripted.reply(second, word="reject")
    await scripted.clock.advance(5)
    expected = ["busy", "asked bash", "asked bash", "reject", "reject", *PAIR]
    assert [one for one in scripted.all_milestones(session) if one != "busy"] == expected[1:]
    assert turn.result().how == "stopped"
    assert [tool["state"]["status"] for tool in tools_of(scripted, session)] == ["error", "error"]


async def test_the_status_says_when_the_next_try_is(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, '[{"op": "fail", "status": 429, "times": 1, "retry_after": 30}]')
    await scripted.clock.advance(10)
    status = scripted.state.session_status(D)[session["id"]]
    assert status["message"] == "Rate limit reached for requests"
    begun = status["next"] - 30_000
    assert 0 < scripted.process.now_ms() - begun <= 10_000
    await scripted.clock.advance(21)
    assert scripted.state.statuses == {}


async def test_a_provider_that_fails_in_the_middle_has_said_something(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, '[{"op": "in_stream", "n": 3, "word": "half"}, {"op": "text", "n": 2}]')
    await scripted.clock.advance(30)
    assert scripted.milestones(session) == ["busy", "retry", "busy", *PAIR]
    (answer,) = [
        one for one in scripted.state.message_list(session["id"]) if one["info"]["role"] == "assistant"
    ]
    texts = [part["text"] for part in answer["parts"] if part["type"] == "text"]
    assert texts == ["half0 half1 half2 ", "word0 word1 "]
    assert turn.result() == Ending("done", "word0 word1 ")


async def test_events_that_nobody_knows(scripted) -> None:
    session = scripted.session()
    strange = '{"op": "event", "type": "moon.risen", "properties": {"phase": "full"}}'
    scripted.prompt(
        session, f'[{strange}, {{"op": "fail", "status": 503, "times": 1}}, {strange}, {{"op": "text"}}]'
    )
    await scripted.clock.advance(30)
    sent = [one["properties"] for one in scripted.sent if one["type"] == "moon.risen"]
    assert sent == [{"sessionID": session["id"], "phase": "full"}] * 2
    assert scripted.milestones(session) == ["busy", "retry", "busy", *PAIR]


async def test_a_childs_error_is_not_its_parents(scripted) -> None:
    session = scripted.session()
    script = json.dumps([{"op": "task", "prompt": '@@[{"op": "fail", "status": 401}]'}])
    scripted.prompt(session, script)
    await scripted.clock.advance(5)
    (child,) = scripted.state.children(session["id"])
    assert scripted.milestones(child) == ["busy", "APIError", *PAIR, *PAIR]
    assert scripted.milestones(session) == ["busy", *PAIR]
    (tool,) = tools_of(scripted, session)
    assert tool["state"]["error"] == f"Subagent failed (task_id: {child['id']}): Incorrect API key provided"


def tools_of(scripted, session: dict) -> list[dict]:
    parts = [part for one in scripted.state.message_list(session["id"]) for part in one["parts"]]
    return [part for part in parts if part["type"] == "tool"]


ALONE = {
    "nothing": ("", "done", ["busy", *PAIR]),
    "a tool that asks nothing": ('{"op": "tool", "name": "read", "args": {}}', "done", ["busy", *PAIR]),
    "no such model": ('{"op": "no_model"}', "failed", ["busy", "UnknownError", *PAIR, "UnknownError"]),
    "five retries": (
        '{"op": "fail", "status": 500}',
        "failed",
        ["busy", *["retry", "busy"] * MOST_RETRIES, "APIError", *PAIR, *PAIR],
    ),
}


@pytest.mark.parametrize("name", ALONE)
async def test_a_turn_that_nobody_disturbs(scripted, name: str) -> None:
    script, how, milestones = ALONE[name]
    session = scripted.session()
    turn = scripted.prompt(session, f"[{script}]")
    await scripted.clock.advance(120)
    assert (turn.result().how, scripted.milestones(session)) == (how, milestones)
    statuses = [
        one["properties"]["status"] for one in scripted.of(session) if one["type"] == "session.status"
    ]
    attempts = [one["attempt"] for one in statuses if one["type"] == "retry"]
    assert attempts == list(range(1, len(attempts) + 1))
    assert all(tool["state"]["status"] == "completed" for tool in tools_of(scripted, session))


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ('{"op": "bash", "command": "echo x", "reply": "once", "after": 2}', "once"),
        ('{"op": "bash", "command": "echo x", "reply": "reject", "after": 2}', "reject"),
        ('{"op": "question", "answers": [["Red"]], "after": 2}', "[['Red']]"),
        ('{"op": "question", "reply": "reject", "after": 2}', "dismissed"),
    ],
)
@pytest.mark.parametrize("faster", [False, True])
async def test_the_script_answers_after_its_patience_if_no_person_is_faster(
    scripted, operation: str, said: str, faster: bool
) -> None:
    session = scripted.session()
    scripted.prompt(session, f"[{operation}]")
    await scripted.clock.advance(1.9)
    assert said not in scripted.milestones(session)
    if faster:
        (request_id,) = {**scripted.state.permissions, **scripted.state.questions}
        assert scripted.reply("per_other") is False
        assert scripted.reply(request_id, word="always", answers=[["Green"]]) is True
        assert scripted.reply(request_id) is False
    await scripted.clock.advance(60)
    assert (said in scripted.milestones(session)) is not faster
    assert scripted.state.statuses == {}


async def test_what_is_said_before_a_tool(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, '[{"op": "bash", "command": "ls", "reply": "once", "say": "I will look. "}]')
    await scripted.clock.advance(5)
    parts = [
        one["properties"]["part"] for one in scripted.of(session) if one["type"] == "message.part.updated"
    ]
    (said,) = [one["text"] for one in parts if one["type"] == "text" and "end" in one.get("time", {})][:1]
    kinds = list(dict.fromkeys(one["type"] for one in parts if one["messageID"] != parts[0]["messageID"]))
    assert said == "I will look. "
    assert kinds[:3] == ["step-start", "text", "tool"]


async def test_a_tool_that_usually_asks_nothing_may_be_made_to_ask(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, '[{"op": "tool", "name": "read", "args": {"path": "a.py"}, "ask": true}]')
    (request_id,) = await scripted.asked("permissions")
    request = scripted.state.permissions[request_id].request
    assert (request["permission"], request["patterns"], request["always"]) == ("read", ["*"], ["*"])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_tools_of_one_call_are_answered_in_any_order(scripted, order: tuple[int, int]) -> None:
    session = scripted.session()
    scripted.prompt(session, f'[{{"op": "tools", "tools": [{BASH}, {BASH}]}}]')
    asked = await scripted.asked("permissions", 2)
    assert all(scripted.reply(asked[number]) for number in order)
    await scripted.clock.advance(5)
    assert [tool["state"]["status"] for tool in tools_of(scripted, session)] == ["completed", "completed"]
