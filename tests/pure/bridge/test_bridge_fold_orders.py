"""The fold over sessions in any order of events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pure.bridge.folding import learn
from pure.bridge.wire import asked, assistant, created, error, event, replied, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event

session_ids = st.sampled_from(["ses_a", "ses_b", "ses_c", "ses_d"])


any_event = st.one_of(
    st.builds(created, session_ids, st.none() | session_ids),
    st.builds(status, session_ids, st.sampled_from(["busy", "retry", "idle"])),
    st.builds(
        error, session_ids, st.sampled_from(["APIError", "MessageAbortedError", "ContextOverflowError"])
    ),
    st.builds(asked, session_ids, st.sampled_from(["req_1", "req_2", "req_3"])),
    st.builds(replied, session_ids, st.sampled_from(["req_1", "req_2"]), st.sampled_from(["once", "reject"])),
    st.builds(assistant, session_ids, st.sampled_from(["msg_1", "msg_2"])),
    st.builds(lambda session: event("session.deleted", info={"id": session}), session_ids),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(any_event, max_size=60))
def test_no_fact_is_told_twice_and_no_request_is_answered_before_it_is_asked(events: list[Event]) -> None:
    sessions = Sessions()
    changes: list[Change] = []
    for one in events:
        for change in sessions.fold(one):
            changes.append(change)
            if change.kind == "unknown":
                changes += learn(sessions, change.session_id, None)
    facts = [
        (change.kind, change.subject_id)
        for change in changes
        if change.kind in ("asked", "complete", "error")
    ]
    assert len(facts) == len(set(facts))
    asked_so_far: set[str] = set()
    for change in changes:
        if change.kind == "asked":
            asked_so_far.add(change.subject_id)
        assert change.kind != "answered" or change.subject_id in asked_so_far


@settings(deadline=None, max_examples=60)
@given(st.lists(any_event, max_size=40), st.integers(1, 3))
def test_a_small_memory_never_breaks_the_fold(events: list[Event], bound: int) -> None:
    sessions = Sessions(Runs(max_sessions=bound))
    for one in events:
        for change in sessions.fold(one):
            assert change.session_id.startswith("ses_")
