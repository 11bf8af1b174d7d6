"""Every folding, one by one, on made-up events."""

import pytest

from simulator.opencode.v1.state import State, pending_in

D = "/code/demo"
OTHER = "/code/other"


def session(session_id: str, directory: str = D, updated: int = 1, **more) -> dict:
    return {
        "sessionID": session_id,
        "info": {"id": session_id, "directory": directory, "time": {"updated": updated}, **more},
    }


def busy(session_id: str) -> dict:
    return {"sessionID": session_id, "status": {"type": "busy"}}


def event(kind: str, properties: dict) -> dict:
    return {"id": "evt_1", "type": kind, "properties": properties}


def state_of(*events: tuple[str, dict], directory: str = D) -> State:
    state = State()
    for kind, properties in events:
        state.fold(directory, event(kind, properties))
    return state


def message(message_id: str, session_id: str = "ses_1", **more) -> dict:
    return {"sessionID": session_id, "info": {"id": message_id, **more}}


def part(part_id: str, message_id: str, session_id: str = "ses_1", **more) -> dict:
    return {"sessionID": session_id, "part": {"id": part_id, "messageID": message_id, **more}}


@pytest.mark.parametrize(
    "kind",
    ["message.part.delta", "session.idle", "session.diff", "plugin.added", "session.error", "never.heard.of"],
)
def test_events_that_change_nothing(kind: str) -> None:
    assert state_of((kind, {"sessionID": "ses_1"})) == State()


def test_a_deleted_session_is_gone_with_all_that_is_stored() -> None:
    state = state_of(
        ("session.created", session("ses_1")),
        ("message.updated", message("msg_1")),
        ("todo.updated", {"sessionID": "ses_1", "todos": []}),
        ("session.deleted", {"sessionID": "ses_1", "info": {}}),
    )
    assert (state.sessions, state.messages, state.todos) == ({}, {}, {})


def test_statuses_are_those_of_one_directory() -> None:
    state = state_of(
        ("session.created", session("ses_1")),
        ("session.created", session("ses_2", OTHER)),
        ("session.status", busy("ses_1")),
        ("session.status", busy("ses_2")),
    )
    assert set(state.session_status(D)) == {"ses_1"}
    assert set(state.session_status(OTHER)) == {"ses_2"}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, ["msg_1", "msg_2", "msg_3"]), (2, ["msg_2", "msg_3"]), (9, ["msg_1", "msg_2", "msg_3"]), (0, [])],
)
def test_a_limit_keeps_the_newest_messages(limit: int | None, expected: list[str]) -> None:
    state = state_of(*(("message.updated", message(f"msg_{n}")) for n in (1, 2, 3)))
    assert [one["info"]["id"] for one in state.message_list("ses_1", limit)] == expected


def test_parts_and_messages_can_be_removed() -> None:
    state = state_of(
        ("message.updated", message("msg_1")),
        ("message.part.updated", part("prt_1", "msg_1")),
        ("message.part.updated", part("prt_2", "msg_1")),
        ("message.part.removed", {"sessionID": "ses_1", "messageID": "msg_1", "partID": "prt_1"}),
    )
    assert [one["id"] for one in state.message_list("ses_1")[0]["parts"]] == ["prt_2"]
    state.fold(D, event("message.removed", {"sessionID": "ses_1", "messageID": "msg_1"}))
    assert state.message_list("ses_1") == []


def test_what_belongs_to_an_unknown_message_is_ignored() -> None:
    """After session.deleted the real server goes on telling of parts for a while."""
    state = state_of(
        ("message.part.updated", part("prt_1", "msg_1")),
        ("message.part.removed", {"sessionID": "ses_1", "messageID": "msg_1", "partID": "prt_1"}),
        ("message.removed", {"sessionID": "ses_1", "messageID": "msg_1"}),
    )
    assert state.message_list("ses_1") == []


ANSWERS = [
    ("permission.asked", "permissions", "permission.replied"),
    ("question.asked", "questions", "question.replied"),
    ("question.asked", "questions", "question.rejected"),
]


@pytest.mark.parametrize(("asked", "table", "answered"), ANSWERS)
def test_a_request_waits_until_it_is_answered(asked: str, table: str, answered: str) -> None:
    request = {"id": "req_1", "sessionID": "ses_1"}
    state = state_of((asked, request))
    assert pending_in(D, getattr(state, table)) == [request]
    assert pending_in(OTHER, getattr(state, table)) == []
    state.fold(D, event(answered, {"sessionID": "ses_1", "requestID": "req_1"}))
    state.fold(D, event(answered, {"sessionID": "ses_1", "requestID": "req_1"}))
    assert pending_in(D, getattr(state, table)) == []


def test_disposing_an_instance_ends_what_runs_in_it() -> None:
    state = state_of(
        ("session.created", session("ses_1")),
        ("session.created", session("ses_2", OTHER)),
        ("session.status", busy("ses_1")),
        ("session.status", busy("ses_2")),
        ("permission.asked", {"id": "per_1", "sessionID": "ses_1"}),
        ("question.asked", {"id": "que_1", "sessionID": "ses_1"}),
    )
    state.fold(OTHER, event("permission.asked", {"id": "per_2", "sessionID": "ses_2"}))
    state.fold(D, event("server.instance.disposed", {"directory": D}))
    assert set(state.statuses) == {"ses_2"}
    assert set(state.permissions) == {"per_2"}
    assert state.questions == {}


def test_a_sync_twin_changes_only_the_sequence() -> None:
    state = State()
    sync = {
        "id": "evt_1",
        "type": "session.created.1",
        "seq": 4,
        "aggregateID": "ses_1",
        "data": session("ses_1"),
    }
    state.fold(D, {"type": "sync", "syncEvent": sync, "id": "evt_1"})
    assert state == State(sequences={"ses_1": 4})
