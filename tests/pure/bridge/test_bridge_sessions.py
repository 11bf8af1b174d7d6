"""The fold over sessions: one change for one fact, whatever OpenCode repeats, doubles or forgets."""

import msgspec
import pytest

from pure.bridge.folding import alerting, fold, told
from pure.bridge.wire import asked, assistant, created, error, event, replied, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import HANDLERS, WHOLE_HANDLERS, Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event


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
