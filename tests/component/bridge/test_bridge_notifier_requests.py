"""Requests on their way to events: the delay, the answer that withdraws or replaces the alert, and the card meanwhile."""

import pytest

from component.bridge.notifying import FakeSource, Make, Sent, work
from component.bridge.timers import Timers
from relay.bridge.notify.mapping import is_progress
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.source import Change


class TestRequests:
    def test_a_request_rings_after_the_delay(self, make: Make, sent: Sent, timers: Timers) -> None:
        make(permission_delay=7.5).notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        timers.turn_to(107.4)
        assert sent.events == []
        timers.turn_to(107.5)
        (event,) = sent.events
        assert (event.title, event.body) == ("Action Needed: Fix it", "bash: ls")

    def test_a_run_of_which_the_request_was_known_first_begins_its_card_with_it(
        self, make: Make, source: FakeSource, sent: Sent
    ) -> None:
        """After a gap a subagent's request may come before the answer that says that its session runs."""
        notifier = make(permission_delay=0.0)
        notifier.notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("started", "ses_a", "evt_1"))
        assert sent.types() == ["permission", "start"]
        assert sent.shown() == [("permission", "bash: ls")] * 2
        notifier.notify(Change("answered", "ses_a", "per_1"))
        assert sent.shown()[-1] == ("working", "Starting...")

    async def test_only_the_answered_request_is_withdrawn(self, notifier: Notifier, sent: Sent) -> None:
        for request in ("per_1", "per_2", "per_3"):
            notifier.notify(Change("asked", "ses_a", request, request))
        notifier.notify(Change("answered", "ses_a", "per_2"))
        notifier.notify(Change("answered", "ses_a", "per_unknown"))
        await notifier.close(1)
        assert [event.body for event in sent.events] == ["per_1", "per_3"]
        assert len(set(sent.withdrawn)) == 2
        assert not {event.event_id for event in sent.events} & set(sent.withdrawn)

    def test_a_request_shows_until_it_is_answered_and_then_the_work_again(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        running.notify(Change("asked", "ses_a", "per_1", "bash: rm -r build"))
        timers.turn_to(102.0)
        work(running, source, "something else")
        running.notify(Change("answered", "ses_a", "per_1"))
        assert sent.types() == ["start", "permission", "progress"]
        assert sent.shown() == [
            ("working", "Starting..."),
            ("permission", "bash: rm -r build"),
            ("working", "something else"),
        ]

    def test_a_card_says_how_many_requests_wait(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(permission_delay=0.0)
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("started", "ses_a", "evt_1"))
        for request in ("per_1", "per_2", "per_3"):
            notifier.notify(Change("asked", "ses_a", request, f"bash: {request}"))
        notifier.notify(Change("answered", "ses_a", "per_2"))
        timers.turn_to(200.0)
        notifier.notify(Change("answered", "ses_a", "per_3"))
        timers.turn_to(300.0)
        assert [words for _, words in sent.shown()[1:]] == [
            "bash: per_1", "bash: per_2 (+1)", "bash: per_3 (+2)", "bash: per_3 (+1)", "bash: per_1",
        ]  # fmt: skip
        assert sent.events[2].body == "bash: per_2"

    @pytest.mark.parametrize("runs", [True, False])
    def test_a_card_with_a_request_gets_the_sessions_new_title(
        self, notifier: Notifier, source: FakeSource, sent: Sent, timers: Timers, runs: bool
    ) -> None:
        if runs:
            source.doing["ses_a"] = "Starting..."
            notifier.notify(Change("started", "ses_a", "evt_1"))
        notifier.notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        timers.turn_to(102.0)
        source.named = "Parser"
        notifier.notify(Change("progress", "ses_a", "evt_2"))
        timers.turn_to(200.0)
        state = sent.events[-1].content_state
        assert state is not None
        assert (state.status, state.session_title, state.last_message) == ("permission", "Parser", "bash: ls")

    def test_the_card_of_a_root_that_does_not_run_ends_with_the_last_answer(
        self, make: Make, sent: Sent
    ) -> None:
        notifier = make(permission_delay=0.0)
        notifier.notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        notifier.notify(Change("asked", "ses_a", "per_2", "bash: pwd"))
        for request in ("per_2", "per_1", "per_1"):
            notifier.notify(Change("answered", "ses_a", request))
        assert sent.types()[:2] == ["permission", "permission"]
        assert sent.shown()[2:] == [("complete", "Answered")]


class TestAnsweredRequests:
    def asked(self, notifier: Notifier, source: FakeSource) -> None:
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("started", "ses_a", "evt_1"))
        for request in ("per_1", "per_2"):
            notifier.notify(Change("asked", "ses_a", request, f"bash: {request}"))

    def test_the_alert_of_an_answered_request_is_replaced_in_its_place(
        self, make: Make, source: FakeSource, sent: Sent
    ) -> None:
        notifier = make(permission_delay=0.0, keep_answered=False)
        self.asked(notifier, source)
        for request, how in (("per_1", ""), ("per_2", "Not needed any more"), ("per_2", "")):
            notifier.notify(Change("answered", "ses_a", request, how))
        first, second = sent.events[3:5]
        assert sent.types() == ["start", "permission", "permission", "progress", "progress"]
        assert (first.replaces, first.title, first.body) == (
            sent.events[1].event_id, "Fix it", "Answered: bash: per_1",
        )  # fmt: skip
        assert (second.replaces, second.body) == (sent.events[2].event_id, "Not needed any more: bash: per_2")
        assert [state for state, _ in sent.shown()[3:]] == ["permission", "working"]
        assert not is_progress(first)  # nothing that comes later makes it worthless

    def test_one_that_never_rang_is_not(self, make: Make, source: FakeSource, sent: Sent) -> None:
        notifier = make(permission_delay=2.0, keep_answered=False)
        self.asked(notifier, source)
        notifier.notify(Change("answered", "ses_a", "per_1"))
        quiet = make(permission_delay=0.0, keep_answered=False, alerts=frozenset({"error"}))
        quiet.notify(Change("asked", "ses_a", "per_3", "bash: ls"))
        quiet.notify(Change("answered", "ses_a", "per_3"))
        assert [event.replaces for event in sent.events] == [None] * len(sent.events)

    def test_of_a_root_that_does_not_run_with_the_end_of_its_card(
        self, make: Make, source: FakeSource, sent: Sent
    ) -> None:
        notifier = make(permission_delay=0.0, keep_answered=False)
        notifier.notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        notifier.notify(Change("answered", "ses_a", "per_1"))
        asked, over = sent.events
        assert (over.event_type, over.replaces, over.body) == (
            "progress",
            asked.event_id,
            "Answered: bash: ls",
        )
        assert sent.shown()[1] == ("complete", "Answered")

    def test_of_a_run_that_is_over_before_its_end(self, make: Make, source: FakeSource, sent: Sent) -> None:
        notifier = make(permission_delay=0.0, keep_answered=False)
        self.asked(notifier, source)
        source.doing.clear()
        for request in ("per_1", "per_2"):
            notifier.notify(Change("answered", "ses_a", request, "Not needed any more"))
        notifier.notify(Change("error", "ses_a", "msg_1", "Bad key"))
        assert sent.types()[3:] == ["progress", "progress", "error"]
