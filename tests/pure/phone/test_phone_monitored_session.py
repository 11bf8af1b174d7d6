"""What the app makes of OpenCode's events (recorded turns: tests/world/test_world_replays.py)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.phone.app.content_state import ContentState
from simulator.phone.app.monitored_session import (
    DECISION,
    DONE,
    FAILED,
    INTERRUPTED,
    STARTING,
    STOPPED,
)
from simulator.phone.app.opencode1 import Session1

NOW = 1000.0
CHILD = "ses_child"


def event(kind: str, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return {"type": kind, "properties": {"sessionID": session_id, **more}}


def status(kind: str, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return event("session.status", session_id, status={"type": kind, **more})


def retry(attempt: int = 2, seconds: float = 8.0) -> dict[str, Any]:
    return status("retry", attempt=attempt, message="Rate limit", next=round((NOW + seconds) * 1000))


def answer(message_id: str = "msg_1") -> dict[str, Any]:
    return event("message.updated", info={"id": message_id, "role": "assistant"})


def text(words: str, message_id: str = "msg_1", **more: Any) -> dict[str, Any]:
    part = {"type": "text", "messageID": message_id, "text": words, **more}
    return event("message.part.updated", part=part)


def error(name: str = "APIError", **data: Any) -> dict[str, Any]:
    return event("session.error", error={"name": name, "data": data})


def info(session_id: str, **more: Any) -> dict[str, Any]:
    return event("session.updated", session_id, info={"id": session_id, **more})


def asked(request_id: str = "per_1", session_id: str = "ses_1", kind: str = "permission") -> dict[str, Any]:
    return event(f"{kind}.asked", session_id, id=request_id)


def replied(
    reply: str | None = "once", request_id: str = "per_1", kind: str = "permission.replied", **more: Any
) -> dict[str, Any]:
    said = {"requestID": request_id, **more}
    return event(kind, **(said if reply is None else {**said, "reply": reply}))


def after(*events: dict[str, Any]) -> Session1:
    session = Session1("ses_1", "Fix it")
    for one in events:
        session.fold(one, NOW)
    return session


BUSY, IDLE = status("busy"), status("idle")
ABORT = error("MessageAbortedError", message="Aborted")
WORKING = ContentState("working", "Fix it", STARTING)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], WORKING),
        ([BUSY, BUSY], WORKING),
        ([BUSY, answer(), text("")], WORKING),
        ([BUSY, answer(), text("Reading\nfiles")], ContentState("working", "Fix it", "Reading files")),
        ([BUSY, answer(), text("So far"), text("")], ContentState("working", "Fix it", "So far")),
        ([BUSY, answer(), text("Hidden", synthetic=True)], WORKING),
        ([BUSY, answer(), text("My prompt", "msg_of_the_user")], WORKING),
        ([BUSY, answer(), event("message.part.updated", part={"type": "tool", "messageID": "msg_1"})], WORKING),
        ([retry()], ContentState("retry", "Fix it", STARTING, "Retry 2 in 8s")),
        ([retry(1, -5)], ContentState("retry", "Fix it", STARTING, "Retry 1 in 0s")),
        ([retry(), BUSY], WORKING),
        ([BUSY, asked()], ContentState("permission", "Fix it", DECISION)),
        ([BUSY, asked(kind="question")], ContentState("permission", "Fix it", DECISION)),
        ([BUSY, asked(), replied()], WORKING),
        ([BUSY, asked(), replied(None, kind="question.replied", answers=[])], WORKING),
        ([BUSY, asked(), asked("per_2"), replied()], ContentState("permission", "Fix it", DECISION)),
        ([BUSY, info("ses_1", title="Better")], ContentState("working", "Better", STARTING)),
        ([BUSY, info("ses_1", title=None)], WORKING),
        ([BUSY, info("ses_2", title="Other")], WORKING),
        ([BUSY, error("ContextOverflowError"), BUSY], WORKING),
        ([BUSY, event("todo.updated", todos=[])], WORKING),
        ([BUSY, asked("per_1", "ses_9")], WORKING),
        ([BUSY, event("session.deleted", "ses_2", info={"id": "ses_2"})], WORKING),
        ([IDLE, event("session.idle")], WORKING),  # the end of the turn before
        ([BUSY, status("busy", "ses_2"), status("idle", "ses_2"), error("APIError") | {"type": "x"}], WORKING),
    ],
)  # fmt: skip
def test_while_it_runs(events, state) -> None:
    session = after(*events)
    assert session.content_state == state
    assert not session.over


@pytest.mark.parametrize(
    ("events", "status", "message"),
    [
        ([BUSY, IDLE], "complete", DONE),
        ([BUSY, event("session.idle")], "complete", DONE),
        ([BUSY, answer(), text("All good."), IDLE], "complete", "All good."),
        ([BUSY, error(message="Incorrect\nkey")], "error", "Incorrect key"),
        ([BUSY, error()], "error", FAILED),
        ([BUSY, event("session.error")], "error", FAILED),
        ([BUSY, ABORT, IDLE], "complete", STOPPED),
        ([BUSY, asked(), ABORT, IDLE], "complete", STOPPED),
        ([retry(), IDLE], "complete", STOPPED),
        ([BUSY, asked(), replied("reject"), IDLE], "complete", STOPPED),
        ([BUSY, asked(), replied(None, kind="question.rejected"), IDLE], "complete", STOPPED),
        ([BUSY, answer(), asked(), replied("reject"), answer("msg_2"), IDLE], "complete", DONE),
        ([BUSY, event("session.deleted", info={"id": "ses_1"})], "complete", STOPPED),
    ],
)
def test_how_it_ends(events, status, message) -> None:
    session = after(*events)
    assert session.over
    assert (session.content_state.status, session.content_state.last_message) == (status, message)
    assert session.content_state.ends


def test_after_the_end_nothing_changes_it() -> None:
    session = after(BUSY, IDLE)
    before = session.content_state
    for late in (error(), BUSY, asked(), answer(), IDLE):
        session.fold(late, NOW)
    assert session.content_state == before


def test_a_subagent_asks_under_its_parent_and_ends_for_itself() -> None:
    child = info(CHILD, parentID="ses_1", title="child job")
    session = after(BUSY, child, status("busy", CHILD), asked("per_1", CHILD))
    assert session.content_state == ContentState("permission", "Fix it", DECISION)
    session.fold(event("session.error", CHILD, error={"name": "APIError"}), NOW)
    session.fold(status("idle", CHILD), NOW)
    assert session.content_state == WORKING
    assert not session.over


def test_a_no_to_a_subagent_does_not_stop_the_parent() -> None:
    session = after(BUSY)
    session.knows({"id": CHILD, "parentID": "ses_1"}, {"id": "ses_other", "title": "Other"})
    for one in (asked("per_1", CHILD), replied("reject", sessionID=CHILD), IDLE):
        session.fold(one, NOW)
    assert session.content_state.last_message == DONE


def message(role: str = "assistant", words: str = "Done it.", **more: Any) -> dict[str, Any]:
    return {
        "info": {"id": "msg_9", "role": role, "time": {"created": 1}, **more},
        "parts": [{"type": "text", "text": words}],
    }


COMPLETED = {"created": 1, "completed": 2}


@pytest.mark.parametrize(
    ("last", "status", "words"),
    [
        (message(time=COMPLETED, finish="stop"), "complete", "Done it."),
        (message(time=COMPLETED, finish="tool-calls"), "complete", STOPPED),
        (message(time=COMPLETED), "complete", STOPPED),
        (message(), "error", INTERRUPTED),
        (message("user", time=COMPLETED), "error", INTERRUPTED),
        (None, "error", INTERRUPTED),
        (message(time=COMPLETED, error={"name": "APIError", "data": {"message": "No"}}), "error", "No"),
        (message(time=COMPLETED, error={"name": "MessageAbortedError"}), "complete", STOPPED),
    ],
)
def test_a_turn_that_ended_in_a_gap(last, status, words) -> None:
    session = after(BUSY)
    session.sync(None, [], last, NOW)
    assert session.over
    assert (session.content_state.status, session.content_state.last_message) == (status, words)


def test_a_turn_that_goes_on_after_a_gap() -> None:
    session = after(BUSY, asked("per_old"))
    pending = [{"id": "per_2", "sessionID": "ses_1"}, {"id": "per_3", "sessionID": "ses_other"}]
    session.sync({"type": "busy"}, pending, message(words="So far"), NOW)
    assert session.content_state.status == "permission"
    session.fold(replied(request_id="per_2"), NOW)
    assert session.content_state == ContentState("working", "Fix it", "So far")


def test_a_turn_that_has_not_begun_is_not_over_in_a_gap() -> None:
    session = after()
    session.sync(None, [], None, NOW)
    assert not session.over


def test_a_part_without_a_text_leaves_what_was_said() -> None:
    session = after(BUSY, answer(), text("So far"), text(None))
    assert session.content_state.last_message == "So far"


def test_the_person_stops_following() -> None:
    session = after(BUSY, answer(), text("So far"))
    session.stop()
    assert (session.over, session.content_state.last_message) == (True, STOPPED)


EVENTS = st.sampled_from(
    [
        BUSY, IDLE, retry(), asked(), replied(), replied("reject"), ABORT, error(), answer(), answer("msg_2"),
        text("a"), info("ses_1", title="T"), info(CHILD, parentID="ses_1"), asked("per_2", CHILD),
        status("idle", CHILD), error("ContextOverflowError"), event("session.idle"),
    ]
)  # fmt: skip


@given(st.lists(EVENTS, max_size=30))
def test_whatever_comes_the_state_is_sound(events) -> None:
    session = Session1("ses_1", "Fix it")
    for one in events:
        session.fold(one, NOW)
        state = session.content_state
        assert state.last_message
        assert (state.retry_info is not None) == (state.status == "retry")
        assert not session.over or state.ends
