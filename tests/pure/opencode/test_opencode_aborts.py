"""How a turn ends before its time: aborted, alone or with its parent, or with its session deleted."""

import json

import pytest

D = "/code/demo"
PAIR = ["idle", "session.idle"]
BASH = '{"op": "bash", "command": "echo x"}'
CHILD = json.dumps([{"op": "task", "prompt": '@@[{"op": "text", "n": 500}]'}])


async def test_aborting_the_parent_ends_the_child_first(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, CHILD)
    await scripted.clock.advance(1)
    scripted.api.abort(session["id"], D)
    await scripted.clock.advance(5)
    (child,) = scripted.state.children(session["id"])
    for one in (child, session):
        assert scripted.milestones(one) == ["busy", "MessageAbortedError", *PAIR, *PAIR]
    errors = [one["properties"]["sessionID"] for one in scripted.sent if one["type"] == "session.error"]
    assert errors == [child["id"], session["id"]]
    assert turn.result().how == "aborted"


async def test_aborting_the_child_lets_the_parent_go_on(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, CHILD)
    await scripted.clock.advance(1)
    (child,) = scripted.state.children(session["id"])
    scripted.api.abort(child["id"], D)
    await scripted.clock.advance(5)
    assert scripted.milestones(child) == ["busy", "MessageAbortedError", *PAIR, *PAIR]
    assert scripted.milestones(session) == ["busy", *PAIR]
    assert turn.result().how == "done"


async def test_an_idle_child_is_not_aborted_with_its_parent_at_work(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, '[{"op": "task", "prompt": "x"}, {"op": "text", "n": 500}]')
    await scripted.clock.advance(2)
    (child,) = scripted.state.children(session["id"])
    assert scripted.agent.abort(child["id"]) is False
    assert session["id"] in scripted.state.statuses


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.08, 0.1, 0.12, 0.5])
async def test_an_abort_at_any_moment_ends_the_turn_with_two_pairs(scripted, seconds: float) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, '[{"op": "text", "n": 50}]')
    await scripted.clock.advance(seconds)
    scripted.api.abort(session["id"], D)
    await scripted.clock.advance(5)
    assert scripted.all_milestones(session)[-5:] == ["MessageAbortedError", *PAIR, *PAIR]
    assert turn.result().how == "aborted"
    assert scripted.state.statuses == {}


@pytest.mark.parametrize(
    ("script", "table", "answer"),
    [
        (f"[{BASH}]", "permissions", lambda api, asked: api.permission(asked, "reject", None)),
        ('[{"op": "question"}]', "questions", lambda api, asked: api.question(asked, None)),
    ],
)
async def test_the_request_of_an_aborted_turn_is_a_ghost_until_somebody_answers(
    scripted, script: str, table: str, answer
) -> None:
    session = scripted.session()
    scripted.prompt(session, script)
    (request_id,) = await scripted.asked(table)
    scripted.api.abort(session["id"], D)
    await scripted.clock.advance(60)
    waiting = getattr(scripted.state, table)
    assert list(waiting) == [request_id]
    before = len(scripted.of(session))
    answer(scripted.api, waiting[request_id])
    assert not waiting
    assert [one["type"].rpartition(".")[0] for one in scripted.of(session)[before:]] == [table[:-1]]


async def test_a_ghost_does_not_disturb_the_next_turn(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, f"[{BASH}]")
    (ghost,) = await scripted.asked("permissions")
    scripted.api.abort(session["id"], D)
    await scripted.clock.advance(1)
    turn = scripted.prompt(session, '[{"op": "text", "n": 100}]')
    await scripted.clock.advance(1)
    assert scripted.reply(ghost) is False
    scripted.api.permission(scripted.state.permissions[ghost], "once", None)
    await scripted.clock.advance(5)
    assert turn.result().how == "done"


async def test_a_deleted_session_goes_on_streaming_and_fails_late(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, '[{"op": "text", "n": 100}]')
    await scripted.clock.advance(1)
    scripted.api.delete(scripted.state.sessions[session["id"]])
    before = len(scripted.sent)
    await scripted.clock.advance(0.5)
    assert {one["type"] for one in scripted.sent[before:]} == {"message.part.delta"}
    assert scripted.state.session_status(D) == {session["id"]: {"type": "busy"}}
    await scripted.clock.advance(10)
    assert scripted.milestones(session) == [
        "busy", "deleted", "retry", "busy", "UnknownError", *PAIR, *PAIR,
    ]  # fmt: skip
    assert turn.result().how == "failed"
    assert scripted.state.session_status(D) == {}
    assert session["id"] not in scripted.state.sessions


async def test_nothing_of_a_deleted_session_is_stored_again(scripted) -> None:
    """The summary that runs beside the turn comes after the deletion."""
    session = scripted.session()
    scripted.prompt(session)
    await scripted.clock.advance(0.03)
    scripted.api.delete(scripted.state.sessions[session["id"]])
    await scripted.clock.advance(10)
    assert scripted.state.sessions == {}
    after = [one["type"] for one in scripted.of(session)]
    assert "session.updated" not in after[after.index("session.deleted") :]


async def test_an_idle_session_is_deleted_without_further_ado(scripted) -> None:
    session = scripted.session()
    scripted.api.delete(session)
    await scripted.clock.advance(10)
    assert [one["type"] for one in scripted.of(session)] == ["session.created", "session.deleted"]


async def test_who_no_longer_waits_for_the_end_is_left_out(scripted) -> None:
    session = scripted.session()
    gone, waits = scripted.prompt(session), scripted.prompt(session)
    gone.cancel()
    await scripted.clock.advance(10)
    assert gone.cancelled()
    assert waits.result().how == "done"


async def test_a_deleted_parent_takes_its_working_child_along(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, CHILD)
    await scripted.clock.advance(1)
    (child,) = scripted.state.children(session["id"])
    scripted.api.delete(scripted.state.sessions[session["id"]])
    deleted = [one["properties"]["sessionID"] for one in scripted.sent if one["type"] == "session.deleted"]
    assert deleted == [child["id"], session["id"]]
    await scripted.clock.advance(60)
    assert scripted.state.statuses == {}
    assert not scripted.agent.abort(session["id"])


async def test_the_script_may_abort_its_own_turn_but_no_later_one(scripted) -> None:
    session = scripted.session()
    turn = scripted.prompt(session, '[{"op": "text", "n": 500}, {"op": "abort", "after": 1.5}]')
    await scripted.clock.advance(1.4)
    assert not turn.done()
    await scripted.clock.advance(1)
    assert turn.result().how == "aborted"
    scripted.prompt(session, '[{"op": "text", "n": 1}, {"op": "abort", "after": 5}]')
    await scripted.clock.advance(2)
    other = scripted.prompt(session, '[{"op": "text", "n": 500}]')
    await scripted.clock.advance(5)
    assert not other.done()
