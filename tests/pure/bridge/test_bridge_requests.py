"""What a session asks: told once, answered once, withdrawn with its turn."""

import pytest

from pure.bridge.folding import fold, told
from pure.bridge.wire import asked, assistant, error, event, replied, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Event


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
