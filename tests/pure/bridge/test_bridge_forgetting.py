"""Sessions that are deleted, and those that there are too many of."""

from pure.bridge.folding import fold, learn, told
from pure.bridge.wire import asked, assistant, created, deleted, error, event, replied, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Info


class TestDeleted:
    def test_the_tail_of_a_deleted_session_is_dropped(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_a", "busy"), deleted("ses_a"))
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
        assert fold(sessions, deleted("ses_a")) == [Change("answered", "ses_a", "req_1")]

    def test_a_deleted_childs_requests_are_withdrawn_under_the_root(self, sessions: Sessions) -> None:
        fold(sessions, created("ses_b", "ses_a"), asked("ses_b", "req_1"))
        assert fold(sessions, deleted("ses_b")) == [Change("answered", "ses_a", "req_1")]

    def test_a_child_of_a_deleted_parent_is_no_root(self, sessions: Sessions) -> None:
        fold(sessions, created("ses_b", "ses_a"), status("ses_b", "busy"), deleted("ses_a"))
        assert fold(sessions, status("ses_b", "idle"), asked("ses_b", "req_1")) == []

    def test_what_waits_for_a_deleted_parent_is_dropped(self) -> None:
        sessions = Sessions()
        fold(sessions, asked("ses_b", "req_1"))
        learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))
        assert fold(sessions, deleted("ses_a")) == []
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


def test_what_a_child_of_a_deleted_session_asks_is_neither_told_nor_withdrawn() -> None:
    sessions = Sessions()
    for one in (
        event("session.deleted", info={"id": "ses_a"}),
        created("ses_b", "ses_a"),
        asked("ses_b", "req_1"),
    ):
        assert sessions.fold(one) == []
    assert sessions.fold(event("session.deleted", info={"id": "ses_b"})) == []
