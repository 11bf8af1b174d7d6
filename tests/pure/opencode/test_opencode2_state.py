"""The fold of OpenCode 2: what no recording shows, and that no order of events breaks it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencode2_recorded import NAMES, events
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v2.messages import until
from simulator.opencode.v2.process import DEFAULT_PROJECT, Process, overtaken
from simulator.opencode.v2.state import State
from simulator.opencode.v2.wire import delta_of, durable, located, session_of

RECORDED = {name: events(name) for name in NAMES}
ALL = [event for recorded in RECORDED.values() for event in recorded]
DEMO = "/code/demo"
SESSION = "ses_1"


def event(kind: str, /, created: int = 1, **data) -> dict:
    return {
        "id": f"evt_{created:012x}",
        "created": created,
        "type": kind,
        "data": {"sessionID": SESSION, **data},
    }


def state_of(*events: dict) -> State:
    state = State()
    state.seed(
        {
            "id": SESSION,
            "projectID": "p",
            "location": {"directory": DEMO},
            "time": {"created": 0, "updated": 0},
        }
    )
    for one in events:
        state.fold(DEMO, one)
    return state


@given(st.lists(st.sampled_from(ALL), max_size=60))
def test_no_order_of_events_breaks_the_fold(events: list[dict]) -> None:
    """Recordings begin in the middle, and a person's request may overtake what they tell."""
    state = State()
    for one in events:
        state.fold(DEMO, json.loads(json.dumps(one)))
    assert set(state.transcripts) == set(state.sessions)
    assert all(form.pending == (form.state == {"status": "pending"}) for form in state.forms.values())


@pytest.mark.parametrize("name", RECORDED)
def test_a_session_that_is_not_known_stays_unknown(name: str) -> None:
    state = State()
    for one in RECORDED[name]:
        if one["type"] not in ("session.created", "session.forked"):
            state.fold(DEMO, one)
    assert not state.sessions


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_whose_beginning_was_not_seen_leaves_no_trace(name: str) -> None:
    state = State()
    for one in RECORDED[name]:
        if one["type"] != "session.step.started":
            state.fold(DEMO, one)
    messages = [message for transcript in state.transcripts.values() for message in transcript.values()]
    assert all(message["type"] != "assistant" for message in messages)


@pytest.mark.parametrize(("name", "events"), RECORDED.items(), ids=list(RECORDED))
def test_the_rules_of_the_envelope_are_those_of_the_recordings(name: str, events: list[dict]) -> None:
    """Which events are numbered, from which version of their schema, and which name their directory."""
    clock = VirtualClock()
    process = Process(clock, Journal(clock), directory=DEMO)
    for one in events:
        if one["type"] == "server.connected":
            continue
        sent = process.publish(one["type"], json.loads(json.dumps(one["data"])))
        assert set(sent) == set(one) - {"metadata"}
        assert sent.get("durable", {}).get("version") == one.get("durable", {}).get("version")
        assert ("durable" in one, "location" in one) == (durable(one["type"]), located(one["type"]))


def test_tools_and_parts_of_nothing() -> None:
    """A tool that was never named, a part that never began."""
    step = event("session.step.started", assistantMessageID="msg_1")
    call = {"assistantMessageID": "msg_1", "id": "call_1"}
    lost = [
        event("session.tool.called", **call, input={}),
        event("session.tool.success", **call, content=[]),
        event("session.text.ended", assistantMessageID="msg_1", ordinal=0, text="late"),
    ]
    (message,) = state_of(step, *lost).newest_messages(SESSION)
    assert message["content"] == []


def test_what_is_done_to_an_unknown_session_is_done_to_nobody() -> None:
    owner = {"sessionID": "ses_other"}
    item = {"type": "user", "payload": {}, "delivery": "steer"}
    for kind, data in [
        ("session.forked", {"parentID": "ses_none", "boundary": {}}),
        ("session.viewed", {"idle": 1}),
        ("session.archived", {}),
        ("session.unarchived", {}),
        ("session.model.selected", {"model": {}}),
        ("session.renamed", {"title": "x"}),
        ("session.revert.cleared", {}),
        ("session.usage.updated", {"cost": 0, "tokens": {}}),
        ("session.inbox.enqueued", {"inboxID": "msg_1", "item": item}),
        ("session.inbox.delivery.changed", {"inboxID": "msg_2", "delivery": "queue"}),
        ("form.replied", {"id": "frm_1"}),
        ("location.shutdown", {}),
    ]:
        state = state_of(event(kind, **owner | data))
        assert list(state.sessions) == [SESSION]
        assert state.sessions[SESSION]["time"] == {"created": 0, "updated": 0}


def test_a_session_moves() -> None:
    state = state_of(
        event("session.moved", location={"directory": "/code/other"}, projectID="q", subpath="a")
    )
    assert state.directory_of(SESSION) == "/code/other"
    assert (state.sessions[SESSION]["projectID"], state.sessions[SESSION]["subpath"]) == ("q", "a")


def test_a_compaction_that_fails() -> None:
    error = {"type": "compaction.failed", "message": "too long"}
    state = state_of(
        event("session.compaction.started", reason="auto"),
        event("session.compaction.failed", reason="auto", error=error),
    )
    (message,) = state.newest_messages(SESSION)
    assert (message["status"], message["error"]) == ("failed", error)
    state.fold(DEMO, event("session.compaction.ended", reason="auto", text="summary"))
    assert message["status"] == "failed"


def test_items_that_are_no_messages_leave_no_message() -> None:
    item = {"type": "compaction", "payload": {}, "delivery": "steer"}
    state = state_of(
        event("session.inbox.enqueued", inboxID="msg_1", item=item),
        event("session.inbox.delivered", inboxID="msg_1"),
    )
    assert state.newest_messages(SESSION) == []
    assert state.inbox(SESSION) == []


def test_the_root_of_a_chain() -> None:
    state = state_of()
    for number in (2, 3):
        state.seed({"id": f"ses_{number}", "parentID": f"ses_{number - 1}"})
    assert state.root_of("ses_3") == SESSION
    assert [child["id"] for child in state.children(SESSION)] == ["ses_2"]
    state.sessions[SESSION]["parentID"] = "ses_3"
    assert state.root_of("ses_3") == SESSION


def test_messages_up_to_a_boundary() -> None:
    transcript = {name: {"id": name} for name in ("a", "b", "c")}
    for kind, message, expected in [
        ("before", "b", ["a"]),
        ("through", "b", ["a", "b"]),
        ("through", "x", ["a", "b", "c"]),
    ]:
        boundary = {"type": kind, "messageID": message}
        assert [one["id"] for one in until(transcript, boundary)] == expected


def test_whose_event_it_is() -> None:
    assert session_of(event("session.renamed")) == SESSION
    assert session_of({"type": "form.created", "data": {"form": {"sessionID": SESSION}}}) == SESSION
    assert session_of({"type": "catalog.updated", "data": {}}) is None
    assert session_of({"type": "catalog.updated"}) is None


@pytest.fixture
def process() -> Process:
    clock = VirtualClock()
    return Process(clock, Journal(clock), directory=DEMO)


def test_a_recording_is_taken_as_it_is(process: Process) -> None:
    frames = [frame for one in RECORDED["b_permission_once"] for frame in process.frame(one)]
    assert process.take(frames) == len(frames)
    (session,) = process.state.sessions.values()
    assert session["outcome"] == "succeeded"
    assert process.state.sequences[session["id"]] == max(
        one["durable"]["seq"] for one in RECORDED["b_permission_once"] if "durable" in one
    )


def test_what_a_person_did_before_the_recording_says_so_is_left_out(process: Process) -> None:
    asked = event("permission.asked", id="per_1", action="shell", resources=["ls"])
    form = {
        "id": "evt_2",
        "type": "form.created",
        "created": 2,
        "data": {"form": {"id": "frm_1", "sessionID": SESSION}},
    }
    answers = [
        event("permission.replied", requestID="per_1", reply="once"),
        event("form.replied", id="frm_1", answer={}),
    ]
    assert all(overtaken(process.state, set(), one) for one in answers)
    process.take([frame for one in (asked, form) for frame in process.frame(one)])
    assert not any(overtaken(process.state, set(), one) for one in answers)
    frames = [frame for one in answers for frame in process.frame(one)]
    assert (process.take(frames), process.take(frames)) == (2, 0)
    process.stopped.add(SESSION)
    assert process.take(process.frame(event("session.execution.started"))) == 0


def test_words_are_sent_one_by_one_in_the_beta() -> None:
    clock = VirtualClock()
    process = Process(clock, Journal(clock), directory=DEMO, flavour="beta")
    word = delta_of("session.text.delta", DEMO, {"sessionID": SESSION})
    assert len(process.apply(DEMO, [word("a"), word("b")])) == 2


def test_a_missing_directory_has_no_project(process: Process) -> None:
    process.missing.add("/code/gone")
    assert (process.project_of("/code/gone"), process.project_of(DEMO)) == ("global", DEFAULT_PROJECT)
