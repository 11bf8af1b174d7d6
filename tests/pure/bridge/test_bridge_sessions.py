"""The fold over sessions: one change for one fact, whatever OpenCode repeats, doubles or forgets."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.changes import Change
from relay.bridge.events import Event, Info
from relay.bridge.runs import Runs
from relay.bridge.sessions import HANDLERS, WHOLE_HANDLERS, Sessions

ids = itertools.count()


def event(kind: str, /, **fields: Any) -> Event:
    return Event(type=kind, id=f"evt_{next(ids)}", properties=msgspec.Raw(json.dumps(fields).encode()))


def created(session: str, parent: str | None = None, title: str = "Fix it") -> Event:
    return event(
        "session.created", sessionID=session, info={"id": session, "title": title, "parentID": parent}
    )


def status(session: str, kind: str) -> Event:
    return event("session.status", sessionID=session, status={"type": kind})


def error(session: str | None, name: str = "APIError") -> Event:
    return event("session.error", sessionID=session, error={"name": name, "data": {"message": "no"}})


def asked(session: str, request: str, kind: str = "permission") -> Event:
    return event(f"{kind}.asked", id=request, sessionID=session)


def replied(session: str, request: str, reply: str | None = "once") -> Event:
    return event("permission.replied", sessionID=session, requestID=request, reply=reply)


def assistant(session: str, message: str, **info: Any) -> Event:
    return event("message.updated", sessionID=session, info={"id": message, "role": "assistant", **info})


CARD_KINDS = ("started", "progress", "stopped")
"""What only the card shows; test_bridge_runs looks at it."""


def fold(sessions: Sessions, *events: Event) -> list[Change]:
    return alerting([change for one in events for change in sessions.fold(one)])


def alerting(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.kind not in CARD_KINDS]


def learn(sessions: Sessions, session: str, info: Info | None) -> list[Change]:
    return alerting(sessions.learn(session, info))


def told(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.session_id) for change in changes]


@pytest.fixture
def sessions() -> Sessions:
    fresh = Sessions()
    assert fold(fresh, created("ses_a")) == []
    return fresh


class TestTurns:
    def test_the_first_idle_after_busy_completes(self, sessions: Sessions) -> None:
        busy, idle = status("ses_a", "busy"), status("ses_a", "idle")
        assert fold(sessions, busy, busy) == []
        assert fold(sessions, idle) == [Change("complete", "ses_a", idle.id or "")]
        assert fold(sessions, idle, event("session.idle", sessionID="ses_a")) == []

    def test_every_turn_completes_once(self, sessions: Sessions) -> None:
        turn = [status("ses_a", "busy"), status("ses_a", "idle"), event("session.idle", sessionID="ses_a")]
        assert told(fold(sessions, *turn, *turn)) == [("complete", "ses_a")] * 2

    def test_old_servers_send_only_session_idle(self, sessions: Sessions) -> None:
        idle = event("session.idle", sessionID="ses_a")
        assert fold(sessions, status("ses_a", "busy"), idle, idle) == [
            Change("complete", "ses_a", idle.id or "")
        ]

    def test_an_error_is_told_at_once_and_once(self, sessions: Sessions) -> None:
        first = error("ses_a")
        assert fold(sessions, status("ses_a", "busy"), first) == [Change("error", "ses_a", first.id or "")]
        late = [status("ses_a", "idle"), status("ses_a", "idle"), error("ses_a"), status("ses_a", "idle")]
        assert fold(sessions, error("ses_a"), *late) == []

    def test_an_error_after_which_the_model_is_called_again_may_still_complete(
        self, sessions: Sessions
    ) -> None:
        fold(sessions, status("ses_a", "busy"), assistant("ses_a", "msg_1"), error("ses_a"))
        assert told(fold(sessions, assistant("ses_a", "msg_2"), error("ses_a"))) == []
        assert told(fold(sessions, assistant("ses_a", "msg_3"), status("ses_a", "idle"))) == [
            ("complete", "ses_a")
        ]

    @pytest.mark.parametrize("name", ["MessageAbortedError", "ContextOverflowError"])
    def test_these_are_no_errors_for_a_person(self, sessions: Sessions, name: str) -> None:
        assert fold(sessions, status("ses_a", "busy"), error("ses_a", name)) == []

    def test_an_overflow_goes_on_and_completes(self, sessions: Sessions) -> None:
        turn = [status("ses_a", "busy"), error("ses_a", "ContextOverflowError"), status("ses_a", "busy")]
        assert told(fold(sessions, *turn, status("ses_a", "idle"))) == [("complete", "ses_a")]

    def test_an_abort_is_silent_through_both_idles(self, sessions: Sessions) -> None:
        turn = [status("ses_a", "busy"), assistant("ses_a", "msg_1"), error("ses_a", "MessageAbortedError")]
        end = [status("ses_a", "idle"), event("session.idle", sessionID="ses_a")]
        assert fold(sessions, *turn, *end, assistant("ses_a", "msg_1", time={"completed": 5}), *end) == []

    def test_an_abort_before_the_model_is_called_is_told_by_the_message_alone(
        self, sessions: Sessions
    ) -> None:
        aborted = assistant(
            "ses_a", "msg_1", time={"completed": 2}, error={"name": "MessageAbortedError", "data": {}}
        )
        fold(sessions, status("ses_a", "busy"), assistant("ses_a", "msg_1"), aborted)
        assert alerting(fold(sessions, status("ses_a", "idle"))) == []

    def test_an_abort_during_a_retry_is_silent(self, sessions: Sessions) -> None:
        assert (
            fold(sessions, status("ses_a", "busy"), status("ses_a", "retry"), status("ses_a", "idle")) == []
        )

    def test_an_error_without_session_or_name(self, sessions: Sessions) -> None:
        assert fold(sessions, error(None)) == []
        nameless = event("session.error", sessionID="ses_a")
        assert told(fold(sessions, status("ses_a", "busy"), nameless)) == [("error", "ses_a")]

    def test_unknown_status_changes_nothing(self, sessions: Sessions) -> None:
        odd = [status("ses_a", "dreaming"), event("session.status", sessionID="ses_a")]
        assert told(fold(sessions, status("ses_a", "busy"), *odd, status("ses_a", "idle"))) == [
            ("complete", "ses_a")
        ]

    def test_an_event_without_an_id_gets_a_fresh_one(self) -> None:
        sessions = Sessions(Runs(fresh_id=iter(["one", "two"]).__next__))
        fold(sessions, created("ses_a"))
        busy = Event(type="session.status", properties=status("ses_a", "busy").properties)
        idle = Event(type="session.status", properties=status("ses_a", "idle").properties)
        assert fold(sessions, busy, idle) == [Change("complete", "ses_a", "two")]


class TestRequests:
    @pytest.mark.parametrize("kind", ["permission", "question"])
    def test_a_request_is_told_once(self, sessions: Sessions, kind: str) -> None:
        ask = asked("ses_a", "req_1", kind)
        assert fold(sessions, status("ses_a", "busy"), ask, ask) == [Change("asked", "ses_a", "req_1")]

    @pytest.mark.parametrize("kind", ["permission.replied", "question.replied", "question.rejected"])
    def test_an_answer_is_told_once(self, sessions: Sessions, kind: str) -> None:
        answer = event(kind, sessionID="ses_a", requestID="req_1", reply="once")
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"))
        assert fold(sessions, answer, answer) == [Change("answered", "ses_a", "req_1")]

    def test_an_answer_to_nothing_known_is_silent(self, sessions: Sessions) -> None:
        assert fold(sessions, replied("ses_a", "req_0"), event("permission.replied", sessionID="ses_a")) == []

    @pytest.mark.parametrize(
        ("answer", "end"),
        [
            (replied("ses_a", "req_1", "once"), ["complete"]),
            (replied("ses_a", "req_1", "always"), ["complete"]),
            (replied("ses_a", "req_1", None), ["complete"]),
            (replied("ses_a", "req_1", "a new word"), ["complete"]),
            (replied("ses_a", "req_1", "reject"), []),
            (
                event("question.replied", sessionID="ses_a", requestID="req_1", answers=[["Blue"]]),
                ["complete"],
            ),
            (event("question.rejected", sessionID="ses_a", requestID="req_1"), []),
        ],
    )
    def test_a_no_stops_the_turn_silently(self, sessions: Sessions, answer: Event, end: list[str]) -> None:
        fold(sessions, status("ses_a", "busy"), assistant("ses_a", "msg_1"), asked("ses_a", "req_1"), answer)
        finished = assistant("ses_a", "msg_1", finish="tool-calls")
        assert [change.kind for change in fold(sessions, finished, status("ses_a", "idle"))] == end

    def test_a_no_with_feedback_goes_on(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"), replied("ses_a", "req_1", "reject"))
        goes_on = [assistant("ses_a", "msg_2"), status("ses_a", "idle")]
        assert told(fold(sessions, *goes_on)) == [("complete", "ses_a")]

    def test_a_yes_after_a_no_goes_on(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"), asked("ses_a", "req_2"))
        fold(sessions, replied("ses_a", "req_1", "reject"), replied("ses_a", "req_2", "once"))
        assert told(fold(sessions, status("ses_a", "idle"))) == [("complete", "ses_a")]

    def test_the_end_of_a_turn_withdraws_what_is_open(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"), asked("ses_a", "req_2"))
        abort = [error("ses_a", "MessageAbortedError"), status("ses_a", "idle"), status("ses_a", "idle")]
        assert fold(sessions, *abort) == [
            Change("answered", "ses_a", "req_1"),
            Change("answered", "ses_a", "req_2"),
        ]

    def test_withdrawing_comes_before_completing(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"))
        assert [change.kind for change in fold(sessions, status("ses_a", "idle"))] == ["answered", "complete"]

    def test_requests_without_id_or_session_are_ignored(self, sessions: Sessions) -> None:
        odd = [event("permission.asked", sessionID="ses_a"), event("permission.asked", id="req_1")]
        assert fold(sessions, *odd) == []


class TestChildren:
    @pytest.fixture
    def family(self, sessions: Sessions) -> Sessions:
        grown = [created("ses_b", "ses_a"), created("ses_c", "ses_b")]
        assert fold(sessions, status("ses_a", "busy"), *grown) == []
        return sessions

    @pytest.mark.parametrize("child", ["ses_b", "ses_c"])
    def test_a_child_neither_completes_nor_fails(self, family: Sessions, child: str) -> None:
        ends = [status(child, "busy"), status(child, "idle"), status(child, "busy"), error(child)]
        assert fold(family, *ends, status(child, "idle")) == []
        assert told(fold(family, status("ses_a", "idle"))) == [("complete", "ses_a")]

    @pytest.mark.parametrize("child", ["ses_b", "ses_c"])
    def test_a_childs_requests_are_the_roots(self, family: Sessions, child: str) -> None:
        changes = fold(family, status(child, "busy"), asked(child, "req_1"), replied(child, "req_1"))
        assert changes == [Change("asked", "ses_a", "req_1"), Change("answered", "ses_a", "req_1")]

    def test_a_childs_no_does_not_stop_its_parent(self, family: Sessions) -> None:
        refused = [status("ses_b", "busy"), asked("ses_b", "req_1"), replied("ses_b", "req_1", "reject")]
        fold(family, *refused, status("ses_b", "idle"))
        assert told(fold(family, status("ses_a", "idle"))) == [("complete", "ses_a")]

    def test_parents_that_point_at_each_other_do_no_harm(self) -> None:
        sessions = Sessions()
        fold(sessions, created("ses_x", "ses_y"), created("ses_y", "ses_x"), created("ses_z", "ses_z"))
        assert told(fold(sessions, asked("ses_x", "req_1"))) == [("asked", "ses_y")]
        assert told(fold(sessions, asked("ses_z", "req_2"))) == [("asked", "ses_z")]


class TestUnknownSessions:
    def test_a_session_is_asked_for_once_and_as_soon_as_it_stirs(self) -> None:
        sessions = Sessions()
        stirring = [status("ses_a", "busy"), status("ses_a", "busy"), asked("ses_a", "req_1")]
        assert fold(sessions, *stirring) == [Change("unknown", "ses_a")]

    def test_changes_wait_in_order_until_it_is_learnt(self) -> None:
        sessions = Sessions()
        idle = status("ses_a", "idle")
        waiting = [status("ses_a", "busy"), asked("ses_a", "req_1"), replied("ses_a", "req_1"), idle]
        assert told(fold(sessions, *waiting)) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a", title="Fix it")) == [
            Change("asked", "ses_a", "req_1"),
            Change("answered", "ses_a", "req_1"),
            Change("complete", "ses_a", idle.id or ""),
        ]
        assert sessions.title("ses_a") == "Fix it"
        assert learn(sessions, "ses_a", None) == []

    def test_what_cannot_be_learnt_counts_as_a_root(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))
        assert told(learn(sessions, "ses_a", None)) == [("complete", "ses_a")]
        assert sessions.title("ses_a") is None

    def test_a_chain_of_unknown_parents_is_learnt_upwards(self) -> None:
        sessions = Sessions()
        assert told(fold(sessions, asked("ses_c", "req_1"))) == [("unknown", "ses_c")]
        assert told(learn(sessions, "ses_c", Info(id="ses_c", parent_id="ses_b"))) == [("unknown", "ses_b")]
        assert told(learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a")) == [Change("asked", "ses_a", "req_1")]

    def test_an_unknown_child_that_ends_stays_silent(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_b", "busy"), status("ses_b", "idle"))
        assert told(learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a")) == []

    def test_an_update_teaches_as_well_as_an_answer(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))
        update = event("session.updated", sessionID="ses_a", info={"id": "ses_a", "title": "Fix it"})
        assert told(fold(sessions, update)) == [("complete", "ses_a")]

    def test_others_do_not_wait_for_an_unknown_one(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_x", "busy"), status("ses_x", "idle"))
        assert told(fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))) == [
            ("complete", "ses_a")
        ]

    def test_an_update_without_a_title_keeps_the_old_one(self, sessions: Sessions) -> None:
        fold(sessions, event("session.updated", info={"id": "ses_a"}), event("session.updated"))
        assert sessions.title("ses_a") == "Fix it"


class TestDeleted:
    def deleted(self, session: str) -> Event:
        return event("session.deleted", sessionID=session, info={"id": session})

    def test_the_tail_of_a_deleted_session_is_dropped(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), self.deleted("ses_a"))
        tail = [
            status("ses_a", "retry"),
            error("ses_a"),
            asked("ses_a", "req_1"),
            assistant("ses_a", "msg_1"),
        ]
        assert fold(sessions, *tail, status("ses_a", "busy"), status("ses_a", "idle")) == []
        assert fold(sessions, created("ses_a"), replied("ses_a", "req_1")) == []
        assert len(sessions) == 0

    def test_its_open_requests_are_withdrawn(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), asked("ses_a", "req_1"))
        assert fold(sessions, self.deleted("ses_a")) == [Change("answered", "ses_a", "req_1")]

    def test_a_deleted_childs_requests_are_withdrawn_under_the_root(self, sessions: Sessions) -> None:
        fold(sessions, created("ses_b", "ses_a"), asked("ses_b", "req_1"))
        assert fold(sessions, self.deleted("ses_b")) == [Change("answered", "ses_a", "req_1")]

    def test_a_child_of_a_deleted_parent_is_no_root(self, sessions: Sessions) -> None:
        fold(sessions, created("ses_b", "ses_a"), status("ses_b", "busy"), self.deleted("ses_a"))
        assert fold(sessions, status("ses_b", "idle"), asked("ses_b", "req_1")) == []

    def test_what_waits_for_a_deleted_parent_is_dropped(self) -> None:
        sessions = Sessions()
        fold(sessions, asked("ses_b", "req_1"))
        learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))
        assert fold(sessions, self.deleted("ses_a")) == []
        assert learn(sessions, "ses_a", Info(id="ses_a")) == []

    def test_a_session_deleted_before_it_was_learnt_is_not_told(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))
        assert fold(sessions, event("session.deleted", sessionID="ses_a")) == []
        assert learn(sessions, "ses_a", None) == []

    def test_a_deletion_of_nothing(self, sessions: Sessions) -> None:
        assert fold(sessions, event("session.deleted")) == []


class TestMemory:
    def test_idle_sessions_beyond_the_bound_are_forgotten_oldest_first(self) -> None:
        sessions = Sessions(Runs(max_sessions=3))
        fold(sessions, *(created(f"ses_{number}") for number in range(5)))
        assert len(sessions) == 3
        assert [sessions.title(f"ses_{number}") is not None for number in range(5)] == [False] * 2 + [
            True
        ] * 3

    def test_sessions_in_which_something_goes_on_stay(self) -> None:
        sessions = Sessions(Runs(max_sessions=2))
        fold(sessions, created("ses_busy"), status("ses_busy", "busy"))
        fold(sessions, created("ses_asks"), asked("ses_asks", "req_1"))
        fold(sessions, asked("ses_held", "req_2"))
        fold(sessions, *(created(f"ses_{number}") for number in range(5)))
        assert told(fold(sessions, status("ses_busy", "idle"))) == [("complete", "ses_busy")]
        assert told(fold(sessions, replied("ses_asks", "req_1"))) == [("answered", "ses_asks")]
        assert told(learn(sessions, "ses_held", None)) == [("asked", "ses_held")]

    def test_a_forgotten_session_is_simply_asked_for_again(self) -> None:
        sessions = Sessions(Runs(max_sessions=1))
        fold(sessions, created("ses_a"), created("ses_b"))
        assert fold(sessions, status("ses_a", "busy")) == [Change("unknown", "ses_a")]

    def test_deleted_and_request_ids_are_bounded_too(self) -> None:
        sessions = Sessions(Runs(max_sessions=2))
        fold(sessions, created("ses_a"), *(asked("ses_a", f"req_{number}") for number in range(5)))
        assert told(fold(sessions, asked("ses_a", "req_0"))) == [("asked", "ses_a")]
        fold(sessions, *(event("session.deleted", info={"id": f"ses_{number}"}) for number in range(5)))
        assert learn(sessions, "ses_0", Info(id="ses_0", title="back")) == []
        assert sessions.title("ses_0") == "back"


@pytest.mark.parametrize(
    "kind",
    [
        "server.heartbeat",
        "server.instance.disposed",
        "global.disposed",
        "todo.updated",
        "",
        "x",
    ],
)
def test_other_events_change_nothing(sessions: Sessions, kind: str) -> None:
    fold(sessions, status("ses_a", "busy"))
    assert fold(sessions, event(kind, sessionID="ses_a", directory="/code/demo")) == []
    assert told(fold(sessions, status("ses_a", "idle"))) == [("complete", "ses_a")]


@pytest.mark.parametrize("kind", [*HANDLERS, *WHOLE_HANDLERS])
def test_events_of_a_known_type_with_odd_properties_change_nothing(sessions: Sessions, kind: str) -> None:
    for odd in (
        b"[]",
        b"7",
        b"{}",
        b'{"sessionID":7}',
        b'{"info":7}',
        b"\xff",
        b'{"info":null,"sessionID":null}',
    ):
        assert sessions.fold(Event(type=kind, id="evt_x", properties=msgspec.Raw(odd))) == []


@pytest.mark.parametrize(
    "odd",
    [
        event("message.updated", sessionID="ses_a"),
        event("message.updated", sessionID="ses_a", info={"id": "msg_9", "role": "user"}),
        event("message.updated", info={"id": "msg_9", "role": "assistant"}),
        event("message.updated", sessionID="ses_other", info={"id": "msg_9", "role": "assistant"}),
        assistant("ses_a", "msg_1"),
        assistant("ses_a", "msg_9", finish="stop"),
        assistant("ses_a", "msg_9", time={"created": 1, "completed": 2}),
    ],
)
def test_only_a_new_assistant_message_is_a_step(sessions: Sessions, odd: Event) -> None:
    fold(sessions, status("ses_a", "busy"), assistant("ses_a", "msg_1"), asked("ses_a", "req_1"))
    fold(sessions, replied("ses_a", "req_1", "reject"))
    assert fold(sessions, odd, status("ses_a", "idle")) == []


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


def test_what_a_child_of_a_deleted_session_asks_is_neither_told_nor_withdrawn() -> None:
    sessions = Sessions()
    for one in (
        event("session.deleted", info={"id": "ses_a"}),
        created("ses_b", "ses_a"),
        asked("ses_b", "req_1"),
    ):
        assert sessions.fold(one) == []
    assert sessions.fold(event("session.deleted", info={"id": "ses_b"})) == []


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
        (change.kind, change.fact) for change in changes if change.kind in ("asked", "complete", "error")
    ]
    assert len(facts) == len(set(facts))
    asked_so_far: set[str] = set()
    for change in changes:
        if change.kind == "asked":
            asked_so_far.add(change.fact)
        assert change.kind != "answered" or change.fact in asked_so_far


@settings(deadline=None, max_examples=60)
@given(st.lists(any_event, max_size=40), st.integers(1, 3))
def test_a_small_memory_never_breaks_the_fold(events: list[Event], bound: int) -> None:
    sessions = Sessions(Runs(max_sessions=bound))
    for one in events:
        for change in sessions.fold(one):
            assert change.session_id.startswith("ses_")
