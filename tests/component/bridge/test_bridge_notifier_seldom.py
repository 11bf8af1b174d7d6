"""What rings seldom: a model that keeps a session waiting for hours, and runs of a few seconds."""

from typing import Any

import pytest

from component.bridge.notifying import FakeSource, Make, Sent, work
from component.bridge.timers import Timers
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.source import Change, Retry


class TestRetries:
    """A model that keeps a session waiting for hours: anomalyco/opencode#8170, #15988."""

    LONG = Retry(1, 100_000.0 + 7_200_000, "Rate limit reached")

    def wait(self, notifier: Notifier, source: FakeSource, retry: Retry) -> None:
        source.doing["ses_a"], source.retry = "Starting...", retry
        notifier.notify(Change("progress", "ses_a", "evt_9", retry=retry))

    async def test_a_long_one_rings_once_and_the_card_goes_on(
        self, running: Notifier, source: FakeSource, sent: Sent
    ) -> None:
        self.wait(running, source, self.LONG)
        self.wait(running, source, Retry(2, 100_000.0 + 14_400_000, "Rate limit reached"))
        assert sent.types() == ["start", "error"]
        alert = sent.events[1]
        assert (alert.title, alert.body) == ("Waiting: Fix it", "Rate limit reached. Next try in 2 h.")
        assert alert.content_state
        assert alert.content_state.status == "retry"

    async def test_a_short_one_moves_the_card_only(
        self, running: Notifier, source: FakeSource, sent: Sent
    ) -> None:
        self.wait(running, source, Retry(1, 108_000.0, "Overloaded"))
        assert [event.event_type for event in sent.events] == ["start", "progress"]

    @pytest.mark.parametrize("options", [{"retry_alert": 0.0}, {"alerts": frozenset({"complete"})}])
    async def test_it_can_be_left_out(
        self, make: Make, source: FakeSource, sent: Sent, options: dict[str, Any]
    ) -> None:
        notifier = make(**options)
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("started", "ses_a", "evt_1"))
        self.wait(notifier, source, self.LONG)
        assert [event.event_type for event in sent.events] == ["start", "progress"]

    async def test_a_session_that_does_not_run_does_not_wait(self, notifier: Notifier, sent: Sent) -> None:
        notifier.notify(Change("progress", "ses_a", "evt_9", retry=self.LONG))
        assert sent.events == []


class TestShortRuns:
    def turn(self, notifier: Notifier, source: FakeSource, number: int) -> None:
        source.texts["ses_a", f"msg_{number}"] = f"Done {number}."
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("started", "ses_a", f"evt_{number}"))

    def done(self, notifier: Notifier, source: FakeSource, number: int) -> None:
        source.doing.pop("ses_a")
        notifier.notify(Change("complete", "ses_a", f"msg_{number}"))

    async def test_eight_turns_of_a_second_ring_seldom_and_have_no_card(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(card_after=3.0, bundle=5.0)
        for number in range(8):
            self.turn(notifier, source, number)
            timers.turn_to(timers.now + 1.0)
            self.done(notifier, source, number)
        timers.turn_to(timers.now + 60.0)
        await notifier.close(1)
        assert sent.types() == ["complete"] * 3
        assert [event.body for event in sent.events] == ["Done 0.", "Done 5.", "Done 7."]

    def test_a_card_comes_after_a_while_with_what_goes_on_then(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(card_after=3.0)
        self.turn(notifier, source, 1)
        work(notifier, source, "bash: ls")
        timers.turn_to(102.9)
        assert sent.events == []
        timers.turn_to(103.0)
        assert (sent.types(), sent.shown()) == (["start"], [("working", "bash: ls")])

    def test_a_request_does_not_wait_for_the_card_and_brings_it(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(card_after=3.0, permission_delay=0.0)
        self.turn(notifier, source, 1)
        notifier.notify(Change("asked", "ses_a", "per_1", "bash: ls"))
        notifier.notify(Change("answered", "ses_a", "per_1"))
        timers.turn_to(200.0)
        assert sent.types() == ["permission", "progress"]

    async def test_a_short_run_ends_its_card_and_does_not_ring(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(min_duration=10.0)
        for number, seconds in ((1, 9.9), (2, 10.0)):
            self.turn(notifier, source, number)
            timers.turn_to(timers.now + seconds)
            self.done(notifier, source, number)
        notifier.notify(Change("complete", "ses_b", "msg_1"))  # its beginning was not seen
        await notifier.close(1)
        assert sent.types() == ["start", "progress", "start", "complete", "complete"]
        assert sent.shown()[1] == ("complete", "Done")

    def test_a_short_run_that_fails_rings(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(min_duration=10.0, card_after=3.0, bundle=5.0)
        for number in range(2):
            self.turn(notifier, source, number)
            notifier.notify(Change("error", "ses_a", f"msg_{number}", "Bad key"))
        timers.turn_to(200.0)
        assert sent.types() == ["error", "error"]
