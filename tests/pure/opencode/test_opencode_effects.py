"""What follows from a person's request, against what followed in the recordings."""

import random

import pytest

from simulator.clock import VirtualClock
from simulator.opencode.ids import Ids
from simulator.opencode.v1.effects import (
    Effect,
    abort,
    new_session,
    permission_reply,
    prompt,
    question_reject,
    question_reply,
)
from simulator.opencode.v1.state import State
from simulator.scenario import load

D = "/code/demo"


def state_before(name: str, kind: str) -> tuple[State, list[tuple[str, dict]]]:
    """The state when the first event of a kind happened in a recording, and what was sent of its session since."""
    state, events = State(), [line.event["payload"] for line in load(name).recording.events]
    position = next(index for index, event in enumerate(events) if event["type"] == kind)
    for event in events[:position]:
        state.fold(D, event)
    session_id = events[position]["properties"]["sessionID"]
    sent = [
        (event["type"], event["properties"])
        for event in events[position:]
        if event["type"] != "sync" and event["properties"].get("sessionID") == session_id
    ]
    return state, sent


OF_TURNS = {
    "permission.replied",
    "question.replied",
    "question.rejected",
    "session.error",
    "session.status",
    "session.idle",
}


def turns(events) -> list[tuple[str, dict]]:
    return [event for event in events if event[0] in OF_TURNS]


def only_session(state: State) -> str:
    (session_id,) = state.sessions
    return session_id


@pytest.mark.parametrize(
    ("name", "reply"), [("b_permission_once", "once"), ("b_permission_always", "always")]
)
def test_a_permission_is_answered_and_the_turn_goes_on(name: str, reply: str) -> None:
    state, sent = state_before(name, "permission.replied")
    (request_id,) = state.permissions
    answer = permission_reply(state, request_id, reply)
    assert answer == Effect((sent[0],))


def test_refusing_permission_ends_the_turn_without_error() -> None:
    state, sent = state_before("b_permission_reject", "permission.replied")
    (request_id,) = state.permissions
    answer = permission_reply(state, request_id, "reject")
    assert list(answer.events) == turns(sent)
    assert answer.stopped == {only_session(state)}


def test_refusing_one_of_several_refuses_all_of_the_session() -> None:
    state = State()
    for request_id, session_id in (("per_1", "ses_1"), ("per_2", "ses_1"), ("per_3", "ses_2")):
        state.statuses[session_id] = {"type": "busy"}
        state.fold(D, {"type": "permission.asked", "properties": {"id": request_id, "sessionID": session_id}})
    answer = permission_reply(state, "per_2", "reject")
    replied = [properties["requestID"] for kind, properties in answer.events if kind == "permission.replied"]
    assert replied == ["per_1", "per_2"]
    assert answer.stopped == {"ses_1"}


def test_a_question_is_answered_and_the_turn_goes_on() -> None:
    state, sent = state_before("h_question", "question.replied")
    (request_id,) = state.questions
    assert question_reply(state, request_id, [["Blue"]]) == Effect((sent[0],))


def test_dismissing_a_question_ends_the_turn_without_error() -> None:
    state, sent = state_before("h_question_reject", "question.rejected")
    (request_id,) = state.questions
    answer = question_reject(state, request_id)
    assert list(answer.events) == turns(sent)
    assert answer.stopped == {only_session(state)}


def test_an_abort_while_streaming_is_an_error_and_two_ends() -> None:
    state, sent = state_before("e_abort", "session.error")
    answer = abort(state, only_session(state))
    extra_abort_at_the_end = 2
    assert list(answer.events) == turns(sent)[:-extra_abort_at_the_end]


def test_an_abort_while_a_retry_waits_is_no_error() -> None:
    state, sent = state_before("d_retry_connection_refused", "session.status")
    state = State()
    for line in load("d_retry_connection_refused").recording.events:
        state.fold(D, line.event["payload"])
        if state.statuses and next(iter(state.statuses.values()))["type"] == "retry":
            break
    answer = abort(state, only_session(state))
    assert list(answer.events) == turns(sent)[-2:]


def test_an_abort_leaves_requests_pending() -> None:
    state, sent = state_before("b_permission_then_abort", "session.error")
    answer = abort(state, only_session(state))
    assert list(answer.events) == turns(sent)
    assert "permission.replied" not in dict(answer.events)


@pytest.mark.parametrize("session_id", ["ses_nope"])
def test_an_abort_of_an_unknown_session_is_one_more_end(session_id: str) -> None:
    answer = abort(State(), session_id)
    assert [kind for kind, _ in answer.events] == ["session.status", "session.idle"]
    assert answer.stopped == {session_id}


def test_an_abort_takes_the_children_first() -> None:
    state, _ = state_before("g_child_session", "permission.replied")
    child_id, parent_id = next(
        (one["id"], one["parentID"]) for one in state.sessions.values() if "parentID" in one
    )
    answer = abort(state, parent_id)
    sessions = [properties["sessionID"] for _, properties in answer.events]
    assert sessions == [child_id] * 5 + [parent_id] * 5
    assert answer.stopped == {child_id, parent_id}


def ids() -> Ids:
    return Ids(VirtualClock(), random.Random(0))


def test_a_new_session_is_like_a_recorded_one() -> None:
    created = next(
        line.event["payload"]["properties"]["info"]
        for line in load("a_text").recording.events
        if line.event["payload"]["type"] == "session.created"
    )
    info, answer = new_session(ids(), D, created["projectID"], {}, created["time"]["created"])
    unlike = {"id", "slug"}
    assert list(info) == list(created)
    assert {key: info[key] for key in info if key not in unlike} == {
        key: created[key] for key in created if key not in unlike
    }
    assert answer.events == (("session.created", {"sessionID": info["id"], "info": info}),)


def test_a_new_session_takes_what_the_request_names() -> None:
    body = {"title": "mine", "parentID": "ses_1", "agent": "plan", "unknown": 1}
    info, _ = new_session(ids(), D, "p", body, 1)
    assert (info["title"], info["parentID"], info["agent"]) == ("mine", "ses_1", "plan")
    assert "unknown" not in info


def test_a_prompt_puts_the_users_message_into_the_session() -> None:
    session = {"id": "ses_1", "directory": D, "time": {"created": 1, "updated": 1}}
    answer = prompt(ids(), session, {"parts": [{"type": "text", "text": "hi"}]}, 77)
    state = State()
    for kind, properties in answer.events:
        state.fold(D, {"type": kind, "properties": properties})
    (message,) = state.message_list("ses_1")
    assert (message["info"]["role"], message["info"]["time"]) == ("user", {"created": 77})
    (part,) = message["parts"]
    assert (part["text"], part["messageID"]) == ("hi", message["info"]["id"])
    assert state.sessions["ses_1"]["time"] == {"created": 1, "updated": 77}
    assert answer.resumed == {"ses_1"}


def test_a_prompt_keeps_the_ids_of_the_request() -> None:
    """With the same ids, sending it again changes nothing: one user message, one part."""
    session = {"id": "ses_1", "directory": D, "time": {"created": 1, "updated": 1}}
    body = {"messageID": "msg_1", "parts": [{"type": "text", "text": "hi", "id": "prt_1"}]}
    state = State()
    for _ in range(2):
        for kind, properties in prompt(ids(), session, body, 77).events:
            state.fold(D, {"type": kind, "properties": properties})
    (message,) = state.message_list("ses_1")
    assert message["info"]["id"] == "msg_1"
    assert [part["id"] for part in message["parts"]] == ["prt_1"]
