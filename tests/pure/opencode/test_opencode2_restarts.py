"""Restarts of a server of generation 2: what is resumed, by which server, and how often."""

import pytest

from opencode2_scripted import Scripted2

BASH = '{"op": "bash", "command": "echo x"}'
TEXT = '{"op": "text", "n": 3, "ms": 20}'
LONG = '{"op": "text", "n": 100, "ms": 50}'


def working(server: Scripted2, script: str) -> str:
    session = server.session()
    server.prompt(session, f"[{script}]")
    return session


async def after_a_stop(server: Scripted2, session: str, *, killed: bool = False) -> list[str]:
    """What is seen of the session after a restart."""
    await server.clock.advance(1)
    count = len(server.types(session))
    server.restart(killed=killed)
    return server.types(session)[count:]


@pytest.mark.parametrize("killed", [False, True])
async def test_the_service_resumes_a_turn_before_anybody_listens(killed: bool) -> None:
    server = Scripted2()
    session = working(server, LONG)
    assert await after_a_stop(server, session, killed=killed) == []
    assert session in server.state.active
    notices = [one for one in server.state.newest_messages(session) if one["type"] == "synthetic"]
    assert [one["description"] for one in notices] == ["Continuing after restart"]
    assert notices[0]["metadata"] == {"notice": "restart"}
    await server.idle(session)
    seen = [one for one in server.sent if one["data"].get("sessionID") == session]
    numbers = [one["durable"]["seq"] for one in seen if "durable" in one]
    assert numbers == sorted(set(numbers))
    assert server.types(session).count("execution.started") == 1
    assert server.types(session)[-1] == "execution.succeeded"
    assert server.state.sessions[session]["outcome"] == "succeeded"


@pytest.mark.parametrize("killed", [False, True])
async def test_a_foreground_server_never_resumes(killed: bool) -> None:
    server = Scripted2(managed=False)
    session = working(server, LONG)
    await after_a_stop(server, session, killed=killed)
    await server.clock.advance(60)
    assert session not in server.state.active
    assert "outcome" not in server.state.sessions[session]
    await after_a_stop(server, session)
    assert session not in server.state.active


async def test_a_foreground_server_forgets_what_the_service_would_have_resumed() -> None:
    server = Scripted2(managed=False)
    session = working(server, LONG)
    await after_a_stop(server, session)
    server.process.managed = True
    await after_a_stop(server, session)
    assert session not in server.state.active


async def test_the_beta_does_not_resume_a_turn_that_was_killed() -> None:
    server = Scripted2("beta")
    session = working(server, f"{BASH}, {TEXT}")
    await server.asked()
    await after_a_stop(server, session, killed=True)
    assert session not in server.state.active
    assert not server.state.permissions
    server.prompt(session, f"[{TEXT}]")
    await server.idle(session)
    failed = server.data("session.tool.failed")
    assert [data["error"]["message"] for data in failed] == ["Tool execution interrupted: shell"]
    types = server.types(session)
    again = types.index("execution.started", types.index("tool.called"))
    assert types[again : again + 3] == ["execution.started", "tool.failed", "input.promoted"]


@pytest.mark.parametrize(("flavour", "again"), [("beta", False), ("2.1", True)])
async def test_what_was_asked_is_lost_and_may_be_asked_again(flavour: str, again: bool) -> None:
    server = Scripted2(flavour)
    session = working(server, f"{BASH}, {TEXT}")
    (before,) = await server.asked()
    await after_a_stop(server, session)
    assert not server.state.permissions
    if again:
        (after,) = await server.asked()
        assert after.request["id"] != before.request["id"]
        await server.answer("once")
    await server.idle(session)
    assert server.types(session)[-1] == "execution.succeeded"


async def test_a_turn_that_was_refused_is_resumed_by_the_next_start() -> None:
    server = Scripted2()
    session = working(server, f"{BASH}, {TEXT}")
    await server.answer("reject")
    await server.idle(session)
    await after_a_stop(server, session)
    assert session in server.state.active
    await server.answer("once")
    await server.idle(session)
    await after_a_stop(server, session)
    assert session not in server.state.active


async def test_a_turn_is_resumed_ten_times_and_then_fails() -> None:
    server = Scripted2()
    session = working(server, f"{BASH}, {TEXT}")
    for _ in range(10):
        await server.asked()
        await after_a_stop(server, session, killed=True)
        assert session in server.state.active
    await server.asked()
    await after_a_stop(server, session)
    assert session not in server.state.active
    assert server.state.sessions[session]["outcome"] == "failed"
    idle = server.state.newest_messages(session)[0]
    assert idle["error"]["type"] == "aborted"
    assert "interrupted repeatedly" in idle["error"]["message"]
    await after_a_stop(server, session)
    assert session not in server.state.active


async def test_a_child_is_resumed_only_through_its_parent() -> None:
    server = Scripted2()
    session = server.session()
    script = BASH.replace('"', '\\"')
    server.prompt(session, f'[{{"op": "task", "prompt": "@@[{script}]"}}, {TEXT}]')
    (asked,) = await server.asked()
    await after_a_stop(server, session)
    assert set(server.state.active) == {session}
    (again,) = await server.asked()
    assert again.session_id != asked.session_id
    await server.answer("once")
    await server.idle(session)
    assert not server.state.active


async def test_what_waits_in_the_inbox_survives() -> None:
    server = Scripted2()
    session = working(server, LONG)
    server.prompt(session, '[{"op": "text", "n": 2, "word": "queued"}]', delivery="queue")
    await after_a_stop(server, session, killed=True)
    await server.idle(session)
    assert server.data("session.text.ended")[-1]["text"] == "queued0 queued1 "
    assert not server.state.inbox(session)


async def test_who_waits_for_the_end_is_told_of_a_stop_and_cancelled_by_a_kill() -> None:
    server = Scripted2()
    session = working(server, LONG)
    stopped = server.agent.ended(session)
    await after_a_stop(server, session)
    assert (await stopped).how == "aborted"
    killed = server.agent.ended(session)
    await after_a_stop(server, session, killed=True)
    assert killed.cancelled()
    await server.idle(session)
    assert (await server.agent.ended(session)).how == "done"


async def test_background_work_of_a_stopped_server_is_forgotten() -> None:
    server = Scripted2()
    session = server.session()
    server.prompt(
        session,
        f'[{{"op": "task", "prompt": "@@[{LONG}]", "background": true}}, {TEXT}]'.replace(
            LONG, LONG.replace('"', '\\"')
        ),
    )
    await server.idle(session)
    await after_a_stop(server, session)
    await server.clock.advance(60)
    assert not server.state.active
    assert server.types(session).count("execution.started") == 1


async def test_a_claim_of_which_nothing_more_is_known_is_an_execution_without_a_step() -> None:
    server = Scripted2()
    session = server.session()
    server.state.claims.add(session)
    server.restart()
    assert session in server.state.active
    await server.idle(session)
    assert server.types(session)[-1] == "execution.succeeded"


async def test_a_session_that_is_gone_is_not_resumed() -> None:
    server = Scripted2()
    server.state.claims.add("ses_gone")
    server.restart()
    assert not server.state.active
    assert not server.state.claims
