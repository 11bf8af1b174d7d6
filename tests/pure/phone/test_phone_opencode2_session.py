"""What the app makes of OpenCode 2's events (recorded turns: tests/world/test_world_replays2.py)."""

from typing import Any

import pytest

from simulator.phone.app.content_state import ContentState
from simulator.phone.app.http import Place
from simulator.phone.app.monitored_session import DECISION, DONE, FAILED, INTERRUPTED, STARTING, STOPPED
from simulator.phone.app.opencode2 import OpenCode2, Session2

NOW = 1000.0
CHILD = "ses_child"


def event(kind: str, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return {"type": kind, "data": {"sessionID": session_id, **more}}


def step(session_id: str = "ses_1", message_id: str = "msg_2") -> dict[str, Any]:
    return event("session.step.started", session_id, assistantMessageID=message_id)


def text(words: str, session_id: str = "ses_1") -> dict[str, Any]:
    return event("session.text.ended", session_id, text=words)


def retry(attempt: int = 2, seconds: float = 4.0) -> dict[str, Any]:
    return event(
        "session.retry.scheduled", attempt=attempt, at=(NOW + seconds) * 1000, assistantMessageID="msg_2"
    )


def ended(how: str = "succeeded", session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return event(f"session.execution.{how}", session_id, **more)


def asked(session_id: str = "ses_1", request_id: str = "per_1") -> dict[str, Any]:
    return event("permission.asked", session_id, id=request_id)


def form(session_id: str = "ses_1") -> dict[str, Any]:
    return {"type": "form.created", "data": {"form": {"id": "frm_1", "sessionID": session_id}}}


STARTED = event("session.execution.started")
SHUTDOWN = ended("interrupted", reason="shutdown")
BORN = event("session.created", CHILD, parentID="ses_1", title="Search")
WORKING = ("working", STARTING)


def after(*events: dict[str, Any]) -> Session2:
    session = Session2("ses_1", "Fix it")
    for one in (STARTED, *events):
        session.fold(one, NOW)
    return session


def said(session: Session2) -> tuple[str, str]:
    return session.content_state.status, session.content_state.last_message


@pytest.mark.parametrize(
    ("events", "status", "message"),
    [
        ((), *WORKING),
        ((step(), text("Half an")), "working", "Half an"),
        ((text("Of a child", CHILD),), *WORKING),
        ((step(), text("Done."), ended()), "complete", "Done."),
        ((step(), ended()), "complete", DONE),
        ((ended("failed", error={"message": 'Refused (401): {"error": 1}'}),), "error", "Refused (401)"),
        ((ended("failed"),), "error", FAILED),
        ((ended("interrupted", reason="user"),), "complete", STOPPED),
        ((ended("interrupted", reason="a new word"),), "complete", STOPPED),
        ((event("session.deleted"),), "complete", STOPPED),
        ((asked(),), "permission", DECISION),
        ((form(),), "permission", DECISION),
        ((form("global"),), *WORKING),
        ((BORN, asked(CHILD)), "permission", DECISION),
        ((asked("ses_other"),), *WORKING),
        ((asked(), event("permission.replied", requestID="per_1", reply="once")), *WORKING),
        ((asked(), asked(request_id="per_2"), event("permission.replied", requestID="per_1", reply="once")), "permission", DECISION),
        ((form(), event("form.replied", id="frm_1")), *WORKING),
        ((BORN, asked(CHILD), ended("interrupted", CHILD, reason="user")), *WORKING),
        ((BORN, ended("failed", CHILD, error={"message": "No"})), *WORKING),
        ((event("a.new.type"), step()), *WORKING),
    ],
)  # fmt: skip
def test_what_the_card_says(events: tuple[dict[str, Any], ...], status: str, message: str) -> None:
    assert said(after(*events)) == (status, message)


def test_a_retry_says_when_and_is_over_with_the_next_step() -> None:
    """The first attempt that is made again is called 2."""
    session = after(step(), retry())
    assert session.content_state == ContentState("retry", "Fix it", STARTING, "Retry 1 in 4s")
    session.fold(step(), NOW)
    assert said(session) == WORKING


@pytest.mark.parametrize(
    ("no", "ends"),
    [
        (event("permission.replied", requestID="per_1", reply="reject"), True),
        (event("form.cancelled", id="frm_1"), True),
        (event("permission.replied", requestID="per_1", reply="once"), False),
    ],
)
def test_a_declined_request_ends_by_the_word_that_a_stopping_server_has(
    no: dict[str, Any], ends: bool
) -> None:
    session = after(step(), asked(), form(), no, SHUTDOWN)
    assert session.over == ends
    assert said(session) == (("complete", STOPPED) if ends else WORKING)


def test_a_run_that_goes_on_after_the_shutdown_is_the_same() -> None:
    session = after(step(), SHUTDOWN, step(message_id="msg_3"), text("Done."), ended())
    assert said(session) == ("complete", "Done.")


def test_a_subagent_in_the_background_keeps_it_open() -> None:
    """Its end wakes the session, whose second end counts."""
    session = after(BORN, event("session.execution.started", CHILD), step(), text("Later."), ended())
    assert (session.over, said(session)) == (False, ("working", "Later."))
    for one in (ended("succeeded", CHILD), STARTED, step(), text("Found it."), ended()):
        session.fold(one, NOW)
    assert said(session) == ("complete", "Found it.")


def test_an_end_that_belongs_to_a_turn_before_changes_nothing() -> None:
    session = Session2("ses_1", "Fix it")
    for one in (ended(), ended("interrupted", reason="user")):
        session.fold(one, NOW)
    assert not session.over


def test_a_new_title_is_shown() -> None:
    assert after(event("session.renamed", title="Fixed")).content_state.session_title == "Fixed"


def test_a_stopped_one_folds_no_more() -> None:
    session = after(step())
    session.stop()
    session.fold(asked(), NOW)
    assert said(session) == ("complete", STOPPED)


def message(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"msg_{number}", "type": kind, "time": {"created": 1}, **more}


def answer(number: int = 2, words: str = "So far", *, completed: bool = True, **more: Any) -> dict[str, Any]:
    time = {"created": 1, "completed": 2} if completed else {"created": 1}
    return message("assistant", number, content=[{"type": "text", "text": words}], **more) | {"time": time}


PROMPT = message("user", 1)
IDLE = message("idle", 3, outcome="succeeded")


@pytest.mark.parametrize(
    ("messages", "status", "words"),
    [
        ([IDLE, answer(), PROMPT], "complete", "So far"),
        ([message("idle", 3, outcome="interrupted"), answer(), PROMPT], "complete", STOPPED),
        ([message("idle", 3, outcome="failed", error={"message": "No key"}), answer(), PROMPT], "error", "No key"),
        ([message("idle", 3, outcome="failed"), answer(error={"message": "Too much"}), PROMPT], "error", "Too much"),
        ([answer(error={"type": "provider.auth", "message": "No key"}), PROMPT], "error", "No key"),
        ([answer(error={"type": "aborted"}), PROMPT], "complete", STOPPED),
        ([answer(finish="tool-calls"), PROMPT], "complete", STOPPED),
        ([answer(finish="stop"), PROMPT], "complete", "So far"),
        ([answer(completed=False), PROMPT], "error", INTERRUPTED),
        ([PROMPT, IDLE, answer()], "complete", STOPPED),
        ([], "complete", STOPPED),
    ],
)  # fmt: skip
def test_how_a_turn_ended_in_a_gap_its_messages_tell(
    messages: list[dict[str, Any]], status: str, words: str
) -> None:
    session = after(step())
    session.sync([], [], messages, NOW)
    assert (session.over, said(session)) == (True, (status, words))
    assert session.newest_id == max([one["id"] for one in messages], default="")


def test_what_goes_on_after_a_gap() -> None:
    session = after(BORN, step(), asked())
    waits = answer(retry={"attempt": 3, "at": (NOW + 2) * 1000}, completed=False)
    session.sync(["ses_1"], [], [waits, PROMPT], NOW)
    assert session.content_state == ContentState("retry", "Fix it", "So far", "Retry 2 in 2s")
    session.sync(["ses_1"], [{"id": "per_9", "sessionID": CHILD}], [waits], NOW)
    assert said(session) == ("permission", DECISION)
    session.sync([CHILD], [], [IDLE, answer()], NOW)
    assert not session.over
    never = Session2("ses_1")
    never.sync([], [], [IDLE, answer()], NOW)
    assert not never.over


DELIVERED = event("session.inbox.delivered", inboxID="msg_1")


@pytest.mark.parametrize(
    ("kind", "works"), [("user", True), ("synthetic", True), ("compaction", False), (None, True)]
)
def test_who_is_at_work(kind: str | None, works: bool) -> None:
    """The user's own command and a compaction by hand are executions, too, and have no card."""
    server = OpenCode2(Place(""))
    if kind is not None:
        item = {"type": kind, "payload": {}}
        assert server.at_work(event("session.inbox.enqueued", inboxID="msg_1", item=item)) is None
    assert server.at_work(STARTED) is None
    assert server.at_work(DELIVERED) == (("ses_1", "msg_1") if works else None)
    assert server.at_work(step()) == server.at_work(retry()) == ("ses_1", "msg_2")


def test_what_an_event_says_of_a_session() -> None:
    server = OpenCode2(Place(""))
    assert server.described(BORN) == {"id": CHILD, "parentID": "ses_1", "title": "Search"}
    assert server.described(event("session.forked", parentID="ses_0")) == {"id": "ses_1"}
    assert server.described(event("session.renamed", title="Fixed")) == {"id": "ses_1", "title": "Fixed"}
    assert server.described(STARTED) is None
