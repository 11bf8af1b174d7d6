"""Orders of generation 2 that no recording of the folder shows, as its contract and its source have them."""

import pytest

from opencode2_scripted import ENDS, D, Scripted2
from simulator.opencode.v2.agent import MOST_RESUMES

BASH = '{"op": "bash", "command": "echo one"}'
TEXT = '{"op": "text", "n": 3, "ms": 20}'
LONG = '{"op": "text", "n": 100, "ms": 50}'
STEP = ["step.started", "text.started", "text.ended", "step.streamed", "step.ended", "usage.updated"]
BEGIN = ["execution.started", "instructions.updated", "inbox.delivered"]


@pytest.fixture
def server() -> Scripted2:
    return Scripted2()


def ends(server: Scripted2, session_id: str) -> list[str]:
    return [one.removeprefix("execution.") for one in server.types(session_id) if f"session.{one}" in ENDS]


def after(types: list[str], first: str) -> list[str]:
    return types[types.index(first) + 1 :]


async def test_always_answers_what_other_sessions_wait_for(server) -> None:
    one, other = server.session("one"), server.session("other")
    server.prompt(one, f"[{BASH}, {TEXT}]")
    server.prompt(other, f'[{{"op": "bash", "command": "echo two"}}, {TEXT}]')
    await server.asked(2)
    await server.answer("always")
    await server.idle(one)
    await server.idle(other)
    replied = server.data("permission.replied")
    assert [(data["sessionID"], data["reply"]) for data in replied] == [(one, "always"), (other, "always")]
    assert ends(server, one) == ends(server, other) == ["succeeded"]


async def test_a_no_is_the_answer_to_all_that_a_session_asks(server) -> None:
    session = server.session()
    server.prompt(
        session, f'[{{"op": "tools", "calls": [{BASH}, {{"op": "bash", "command": "ls"}}]}}, {TEXT}]'
    )
    first, second = await server.asked(2)
    server.api.reply_permission(second, "reject")
    assert not server.state.permissions
    await server.idle(session)
    assert after(server.types(session), "permission.asked")[1:] == [
        "permission.replied", "permission.replied", "step.streamed", "tool.failed", "tool.failed",
        "step.failed", "usage.updated", "execution.interrupted",
    ]  # fmt: skip
    assert server.data("session.execution.interrupted")[0]["reason"] == "shutdown"
    assert {data["error"]["message"] for data in server.data("session.tool.failed")} == {
        "The user declined this tool call"
    }
    assert "outcome" not in server.state.sessions[session]
    assert first.session_id == session


async def test_a_no_ends_what_else_the_step_runs(server) -> None:
    session = server.session()
    slow = '{"op": "bash", "command": "sleep 20", "reply": "once", "after": 0.1}'
    child = f'{{"op": "task", "prompt": "@@[{LONG}]"}}'.replace(LONG, LONG.replace('"', '\\"'))
    server.prompt(session, f'[{{"op": "tools", "calls": [{slow}, {child}, {BASH}]}}, {TEXT}]')
    await server.until(lambda: bool(server.data("shell.created")))
    await server.until(lambda: len(server.state.active) == 2)
    asked = next(one for one in server.state.permissions.values() if one.request["resources"] == ["echo one"])
    server.api.reply_permission(asked, "reject")
    await server.idle(session)
    assert not server.state.active
    assert server.data("shell.deleted")
    assert sorted(data["error"]["message"] for data in server.data("session.tool.failed")) == [
        "The user declined this tool call", "Tool execution interrupted", "Tool execution interrupted",
    ]  # fmt: skip


async def test_a_no_with_a_word_is_for_the_model(server) -> None:
    session = server.session()
    server.prompt(session, f"[{BASH}, {TEXT}]")
    await server.answer("reject", "Use printf")
    await server.idle(session)
    error = server.data("session.tool.failed")[0]["error"]
    assert error == {"type": "permission.rejected", "message": "Use printf"}
    assert ends(server, session) == ["succeeded"]


async def test_a_prompt_waits_with_a_permission(server) -> None:
    """The request stays; the next step answers the new prompt, in the same execution."""
    session = server.session()
    server.prompt(session, f"[{BASH}, {TEXT}]")
    await server.asked()
    server.prompt(session, '[{"op": "text", "n": 2, "word": "new"}]')
    await server.clock.advance(1.0)
    assert server.types(session)[-1] == "inbox.enqueued"
    assert len(server.state.permissions) == 1
    await server.answer("once")
    await server.idle(session)
    types = server.types(session)
    assert after(types, "tool.success")[:4] == [
        "step.ended",
        "usage.updated",
        "inbox.delivered",
        "step.started",
    ]
    assert ends(server, session) == ["succeeded"]
    assert server.data("session.text.ended")[-1]["text"] == "new0 new1 "


async def test_a_question_that_is_dismissed_with_a_word_does_not_end_the_turn(server) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "question"}}, {TEXT}]')
    server.api.cancel_form(await server.form(), "Ask me later")
    await server.idle(session)
    assert server.data("session.tool.failed")[0]["error"]["message"] == "Ask me later"
    assert ends(server, session) == ["succeeded"]


async def test_an_interrupt_cancels_a_form_and_says_so(server) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "question"}}, {TEXT}]')
    await server.form()
    assert server.api.interrupt(session)
    assert after(server.types(session), "form.created") == [
        "form.cancelled", "step.streamed", "tool.failed", "step.failed", "usage.updated", "execution.interrupted",
    ]  # fmt: skip
    assert server.data("session.execution.interrupted")[0]["reason"] == "user"
    assert not server.state.pending_forms()
    assert not server.api.interrupt(session)


SCRIPTS = {
    "an error in the middle of an answer": (
        '{"op": "in_stream", "n": 3}',
        [*STEP[:4], "step.failed", "execution.failed"],
        "provider.unknown",
    ),
    "no quota": (
        '{"op": "fail", "status": 402}',
        ["step.started", "step.failed", "execution.failed"],
        "provider.quota",
    ),
    "too long a history that cannot be summarized": (
        '{"op": "fail", "status": 400, "code": "context_length_exceeded", "times": 2}',
        ["compaction.started", "compaction.failed", "execution.failed"],
        "compaction.failed",
    ),
}


@pytest.mark.parametrize("what", SCRIPTS)
async def test_a_turn_that_fails(server, what: str) -> None:
    script, order, error = SCRIPTS[what]
    session = server.session()
    server.prompt(session, f"[{script}]")
    await server.idle(session)
    assert after(server.types(session), "inbox.delivered") == order
    assert server.data("session.execution.failed")[0]["error"]["type"] == error
    assert server.state.sessions[session]["outcome"] == "failed"
    idle = server.state.newest_messages(session)[0]
    assert (idle["type"], idle["outcome"], idle["error"]["type"]) == ("idle", "failed", error)


@pytest.mark.parametrize(("flavour", "tries", "seconds"), [("beta", 4, (30, 31)), ("2.1", 10, (84, 100))])
async def test_a_provider_that_never_recovers(flavour: str, tries: int, seconds: tuple[int, int]) -> None:
    server = Scripted2(flavour)
    session = server.session()
    began = server.clock.now()
    server.prompt(session, '[{"op": "fail", "status": 503}]')
    await server.idle(session)
    retries = server.data("session.retry.scheduled")
    assert [data["attempt"] for data in retries] == list(range(2, tries + 2))
    assert len({data["assistantMessageID"] for data in server.data("session.step.started")}) == 1
    assert seconds[0] <= server.clock.now() - began <= seconds[1]
    assert server.types(session)[-3:] == ["step.started", "step.failed", "execution.failed"]


async def test_a_retry_waits_as_long_as_the_provider_asks_for_but_not_for_hours(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "fail", "status": 429, "retry_after": 7200}]')
    await server.until(lambda: bool(server.data("session.retry.scheduled")))
    event = next(one for one in server.sent if one["type"] == "session.retry.scheduled")
    assert event["data"]["at"] - event["created"] == 900_000
    assert server.state.transcripts[session][event["data"]["assistantMessageID"]]["retry"]["attempt"] == 2


async def test_an_interrupt_while_a_retry_waits_says_nothing_of_the_step(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "fail", "status": 503}]')
    await server.until(lambda: bool(server.data("session.retry.scheduled")))
    server.api.interrupt(session)
    await server.clock.advance(60)
    assert server.types(session)[-2:] == ["retry.scheduled", "execution.interrupted"]


async def test_an_interrupt_before_the_first_output_says_nothing_of_a_step(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "slow", "s": 20}]')
    await server.clock.advance(5)
    server.api.interrupt(session)
    assert after(server.types(session), "inbox.delivered") == ["execution.interrupted"]


async def test_what_queues_waits_in_the_inbox_after_an_interrupt(server) -> None:
    session = server.session()
    server.prompt(session, f"[{LONG}]")
    server.prompt(session, "[]", delivery="queue")
    await server.clock.advance(1)
    server.api.interrupt(session)
    await server.clock.advance(60)
    assert len(server.state.inbox(session)) == 1
    assert session not in server.state.active
    server.prompt(session, f"[{LONG}]")
    await server.clock.advance(1)
    server.api.interrupt(session, resume=True)
    await server.idle(session)
    assert not server.state.inbox(session)
    assert ends(server, session) == ["interrupted", "interrupted", "succeeded"]


async def test_what_is_said_while_a_turn_ends_is_answered_by_another(server) -> None:
    session = server.session()
    server.prompt(session, f"[{BASH}]")
    await server.answer("reject")
    server.prompt(session, f"[{TEXT}]")
    await server.idle(session)
    await server.idle(session)
    assert ends(server, session) == ["interrupted", "succeeded"]


async def test_a_person_of_the_script_interrupts_for_a_reason_that_nobody_knows(server) -> None:
    session = server.session()
    server.prompt(session, f'[{LONG}, {{"op": "abort", "after": 1, "reason": "eclipse"}}]')
    await server.idle(session)
    assert server.data("session.execution.interrupted")[0]["reason"] == "eclipse"
    assert server.state.sessions[session]["outcome"] == "interrupted"


async def test_an_event_of_a_type_that_nobody_knows(server) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "event", "type": "rpc.demo", "properties": {{"x": 1}}}}, {TEXT}]')
    await server.idle(session)
    assert server.data("rpc.demo") == [{"sessionID": session, "x": 1}]


async def test_a_title_comes_late_and_only_to_a_session_without_one(server) -> None:
    untitled, titled = server.session(None), server.session("mine")
    for session in (untitled, titled):
        server.prompt(session, f"[{LONG}]")
    await server.idle(untitled)
    assert [data["title"] for data in server.data("session.renamed")] == ["Title0 Title1 Title2"]
    assert server.types(untitled).index("renamed") < server.types(untitled).index("text.ended")
    assert server.state.sessions[titled]["title"] == "mine"


async def test_thoughts_may_end_after_the_text_has_begun(server) -> None:
    server.agent.conduct = type(server.agent.conduct)(late_reasoning=True)
    session = server.session()
    server.prompt(session, '[{"op": "reason"}]')
    await server.idle(session)
    parts = [one for one in server.types(session) if one.startswith(("reasoning", "text"))]
    assert parts == ["reasoning.started", "text.started", "reasoning.ended", "text.ended"]


async def test_a_session_that_is_deleted_at_work(server) -> None:
    session = server.session()
    server.prompt(
        session, f'[{{"op": "task", "prompt": "@@[{BASH}]"}}]'.replace(BASH, BASH.replace('"', '\\"'))
    )
    (asked,) = await server.asked()
    child = asked.session_id
    server.api.delete(session)
    count = len(server.sent)
    await server.clock.advance(60)
    assert len(server.sent) == count
    assert server.types(child)[-2:] == ["execution.interrupted", "deleted"]
    assert server.types(session)[-5:] == [
        "tool.failed", "step.failed", "usage.updated", "execution.interrupted", "deleted",
    ]  # fmt: skip
    assert "permission.replied" not in server.types(child)
    assert not server.state.permissions


async def test_a_summary_that_a_person_asks_for_is_an_execution_without_a_step(server) -> None:
    session = server.session()
    item = {"type": "compaction", "payload": {}, "delivery": "steer"}
    server.api.enqueue(session, "msg_compaction", item)
    server.agent.wake(session)
    await server.idle(session)
    assert server.types(session)[1:] == [
        "inbox.enqueued", "execution.started", "compaction.started", "usage.updated", "compaction.ended",
        "execution.succeeded",
    ]  # fmt: skip
    assert not server.state.inbox(session)


async def test_the_beta_has_a_word_of_its_own_for_a_summary_that_is_asked_for() -> None:
    server = Scripted2("beta")
    session = server.session()
    server.api.say(session, {}, {"type": "compaction", "payload": {}, "delivery": "steer"})
    (data,) = server.data("session.compaction.admitted")
    assert data["sessionID"] == session
    await server.until(lambda: bool(server.data("session.compaction.started")))
    assert server.data("session.compaction.started")[0]["inputID"] == data["inputID"]


async def test_a_summary_that_is_interrupted(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "fail", "status": 400, "code": "context_length_exceeded", "times": 1}]')
    await server.until(lambda: bool(server.data("session.compaction.started")))
    server.api.interrupt(session)
    assert server.types(session)[-2:] == ["compaction.failed", "execution.interrupted"]


async def test_tools_may_go_on_in_the_background(server) -> None:
    session = server.session()
    server.prompt(
        session,
        f'[{{"op": "bash", "command": "sleep 30; echo done", "background": true, "reply": "once"}}, {TEXT}]',
    )
    await server.idle(session)
    assert server.data("session.tool.success")[0]["metadata"]["status"] == "running"
    await server.until(lambda: len(ends(server, session)) == 2)
    item = server.data("session.inbox.enqueued")[-1]["item"]
    assert (item["type"], item["payload"]["metadata"]["source"]) == ("synthetic", "shell")
    assert item["payload"]["text"] == "done\n"


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("read", '{"path": "/code/demo/.env"}', ("read", [".env"])),
        ("websearch", '{"query": "opencode"}', ("websearch", ["opencode"])),
        ("grep", '{"pattern": "TODO"}', ("grep", ["TODO"])),
        ("skill", '{"id": "release"}', ("skill", ["release"])),
        ("patch", '{"patchText": "*** Begin Patch"}', ("edit", ["."])),
        ("github_create_issue", '{"title": "x"}', ("github_create_issue", ["*"])),
    ],
)
async def test_what_other_tools_ask(server, name: str, given: str, asked: tuple) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "tool", "name": "{name}", "args": {given}, "ask": true}}]')
    (waiting,) = await server.asked()
    assert (waiting.request["action"], waiting.request["resources"]) == asked
    await server.answer("once")
    await server.idle(session)
    assert server.data("session.tool.success")[0]["content"]


async def test_a_reason_may_stand_in_a_request(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "bash", "command": "ls", "why": "the hook is careful"}]')
    (waiting,) = await server.asked()
    assert waiting.request["message"] == "the hook is careful"


async def test_a_session_that_moves_between_two_steps(server) -> None:
    session = server.session()
    server.prompt(session, f"[{BASH}, {TEXT}]")
    await server.asked()
    location = {"directory": "/code/other"}
    server.api.say(session, {}, {"type": "move", "payload": {"location": location}, "delivery": "steer"})
    await server.answer("once")
    await server.idle(session)
    types = server.types(session)
    assert after(types, "tool.success")[:5] == [
        "step.ended", "usage.updated", "inbox.delivered", "moved", "step.started",
    ]  # fmt: skip
    assert server.data("session.moved")[0]["location"] == location
    assert server.state.directory_of(session) == "/code/other"
    last = [one for one in server.of(session) if one["type"].startswith("session.text")]
    assert {one["location"]["directory"] for one in last} == {"/code/other"}
    assert server.state.locations == [D, "/code/other"]


async def test_an_idle_session_that_moves(server) -> None:
    session = server.session()
    item = {"type": "move", "payload": {"location": {"directory": "/code/other"}}, "delivery": "steer"}
    server.api.say(session, {}, item)
    await server.idle(session)
    assert server.types(session)[1:] == [
        "inbox.enqueued", "execution.started", "inbox.delivered", "moved", "execution.succeeded",
    ]  # fmt: skip


async def test_a_tool_for_which_always_has_nothing_to_store(server) -> None:
    session = server.session()
    server.prompt(
        session, '[{"op": "tool", "name": "deploy_run", "ask": "once", "reply": "always", "after": 0.1}]'
    )
    (waiting,) = await server.asked()
    assert "save" not in waiting.request
    await server.idle(session)
    assert not server.state.saved


@pytest.mark.parametrize(
    ("answer", "how"),
    [('"answers": [["Blue"]]', "form.replied"), ('"reply": "reject"', "form.cancelled")],
)
async def test_a_question_that_the_script_answers(server, answer: str, how: str) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "question", {answer}, "after": 0.5}}]')
    form = await server.form()
    await server.idle(session)
    assert server.data(how)[0]["id"] == form.info["id"]


async def test_a_person_may_be_faster_than_the_script(server) -> None:
    session = server.session()
    server.prompt(session, f'[{{"op": "bash", "command": "ls", "reply": "reject", "after": 5}}, {TEXT}]')
    await server.answer("once")
    await server.idle(session)
    await server.clock.advance(10)
    assert ends(server, session) == ["succeeded"]


async def test_thoughts_without_a_word(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "reason", "n": 3, "n2": 0}]')
    await server.idle(session)
    assert after(server.types(session), "step.started")[:3] == [
        "reasoning.started",
        "reasoning.ended",
        "step.streamed",
    ]


async def test_an_hour_without_an_event_ends_what_waits(server) -> None:
    session = server.session()
    server.prompt(session, f"[{BASH}]")
    await server.asked()
    server.api.expire(D)
    assert server.data("session.execution.interrupted")[0]["reason"] == "inactivity"
    assert server.types(session)[-2:] == ["execution.interrupted", "permission.replied"]
    assert server.sent[-1]["type"] == "location.shutdown"
    assert not server.state.permissions


async def test_a_path_outside_is_asked_for_first(server) -> None:
    session = server.session()
    server.prompt(session, '[{"op": "bash", "command": "cat /etc/hosts"}]')
    await server.answer("always")
    await server.answer("once")
    await server.idle(session)
    assert [data["action"] for data in server.data("permission.asked")] == ["external_directory", "shell"]


async def test_a_prompt_that_holds_no_script_is_refused(server) -> None:
    from simulator.opencode.v2.requests import Refused

    session = server.session()
    with pytest.raises(Refused, match="400"):
        server.prompt(session, '[{"op": "dance"}]')
    assert server.types(session) == ["created"]


async def test_most_resumes_is_what_the_source_says() -> None:
    assert MOST_RESUMES == 10
