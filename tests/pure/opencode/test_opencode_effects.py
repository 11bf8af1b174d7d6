"""What follows from a person's request, against what followed in the recordings."""

import random

import pytest

from simulator.clock import VirtualClock
from simulator.opencode.ids import Ids
from simulator.opencode.v1.effects import (
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


def only(table: dict) -> str:
    (key,) = table
    return key


FOLLOWS = {
    # What a person does at the first event of this kind: what followed, without `cut` events of later, and who stops.
    "b_permission_once": ("permission.replied", lambda s: permission_reply(s, only(s.permissions), "once"), 1, False),
    "b_permission_always": ("permission.replied", lambda s: permission_reply(s, only(s.permissions), "always"), 1, False),
    "b_permission_reject": ("permission.replied", lambda s: permission_reply(s, only(s.permissions), "reject"), None, True),
    "h_question": ("question.replied", lambda s: question_reply(s, only(s.questions), [["Blue"]]), 1, False),
    "h_question_reject": ("question.rejected", lambda s: question_reject(s, only(s.questions)), None, True),
    "e_abort": ("session.error", lambda s: abort(s, only(s.sessions)), -2, True),  # aborted once more at the end
    "b_permission_then_abort": ("session.error", lambda s: abort(s, only(s.sessions)), None, True),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWS)
def test_what_follows_is_what_was_recorded(name: str) -> None:
    kind, act, until, stops = FOLLOWS[name]
    state, sent = state_before(name, kind)
    effect = act(state)
    assert list(effect.events) == turns(sent)[:until]
    assert effect.stopped == (set(state.sessions) if stops else set())


def test_refusing_one_of_several_refuses_all_of_the_session() -> None:
    state = State()
    for request_id, session_id in (("per_1", "ses_1"), ("per_2", "ses_1"), ("per_3", "ses_2")):
        state.statuses[session_id] = {"type": "busy"}
        state.fold(D, {"type": "permission.asked", "properties": {"id": request_id, "sessionID": session_id}})
    effect = permission_reply(state, "per_2", "reject")
    replied = [properties["requestID"] for kind, properties in effect.events if kind == "permission.replied"]
    assert replied == ["per_1", "per_2"]
    assert effect.stopped == {"ses_1"}


def test_an_abort_while_a_retry_waits_is_no_error() -> None:
    state, sent = state_before("d_retry_connection_refused", "session.status")
    state = State()
    for line in load("d_retry_connection_refused").recording.events:
        state.fold(D, line.event["payload"])
        if state.statuses and next(iter(state.statuses.values()))["type"] == "retry":
            break
    effect = abort(state, only(state.sessions))
    assert list(effect.events) == turns(sent)[-2:]


def test_an_abort_of_an_unknown_session_is_one_more_end() -> None:
    effect = abort(State(), "ses_nope")
    assert [kind for kind, _ in effect.events] == ["session.status", "session.idle"]
    assert effect.stopped == {"ses_nope"}


def test_an_abort_takes_the_children_first() -> None:
    state, _ = state_before("g_child_session", "permission.replied")
    child_id, parent_id = next(
        (one["id"], one["parentID"]) for one in state.sessions.values() if "parentID" in one
    )
    effect = abort(state, parent_id)
    sessions = [properties["sessionID"] for _, properties in effect.events]
    assert sessions == [child_id] * 5 + [parent_id] * 5
    assert effect.stopped == {child_id, parent_id}


def ids() -> Ids:
    return Ids(VirtualClock(), random.Random(0))


def test_a_new_session_is_like_a_recorded_one() -> None:
    created = next(
        line.event["payload"]["properties"]["info"]
        for line in load("a_text").recording.events
        if line.event["payload"]["type"] == "session.created"
    )
    info, effect = new_session(ids(), D, created["projectID"], {}, created["time"]["created"])
    unlike = {"id", "slug"}
    assert list(info) == list(created)
    assert {key: info[key] for key in info if key not in unlike} == {
        key: created[key] for key in created if key not in unlike
    }
    assert effect.events == (("session.created", {"sessionID": info["id"], "info": info}),)


def test_a_new_session_takes_what_the_request_names() -> None:
    body = {"title": "mine", "parentID": "ses_1", "agent": "plan", "unknown": 1}
    info, _ = new_session(ids(), D, "p", body, 1)
    assert (info["title"], info["parentID"], info["agent"]) == ("mine", "ses_1", "plan")
    assert "unknown" not in info


def test_a_prompt_puts_the_users_message_into_the_session() -> None:
    session = {"id": "ses_1", "directory": D, "time": {"created": 1, "updated": 1}}
    effect = prompt(ids(), session, {"parts": [{"type": "text", "text": "hi"}]}, 77)
    state = State()
    for kind, properties in effect.events:
        state.fold(D, {"type": kind, "properties": properties})
    (message,) = state.message_list("ses_1")
    assert (message["info"]["role"], message["info"]["time"]) == ("user", {"created": 77})
    (part,) = message["parts"]
    assert (part["text"], part["messageID"]) == ("hi", message["info"]["id"])
    assert state.sessions["ses_1"]["time"] == {"created": 1, "updated": 77}
    assert effect.resumed == {"ses_1"}


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
