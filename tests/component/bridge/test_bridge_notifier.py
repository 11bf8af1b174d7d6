"""From changes to events: the delay of requests, the pauses of a card, and the order of a session's events.

The source is a stand-in without OpenCode, so nothing here depends on a generation of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

import relay.bridge.notify.notifier as notifier_module
from component.bridge.timers import Timers
from relay import contract
from relay.bridge.errors import Unreachable
from relay.bridge.notify.mapping import Sender, is_progress
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.source import Change, Known, Retry, SourceHealth
from waiting import eventually


class FakeSource:
    """Sessions as a test sets them: `doing` of those that run, and the texts of those that end."""

    known = Known()

    def __init__(self) -> None:
        self.doing: dict[str, str] = {}
        self.retry: Retry | None = None
        self.texts: dict[tuple[str, str], str] = {}
        self.named = "Fix it"
        self.gate = asyncio.Event()  # texts come once it is set
        self.gate.set()
        self.asked = 0

    async def ready(self) -> None: ...

    async def identity(self) -> str:
        return ""

    async def knows(self, session_id: str) -> bool:
        return False

    def restore(self, running: Iterable[str], known: Known) -> None: ...

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None: ...

    async def close(self, drain_seconds: float) -> None: ...

    def health(self) -> SourceHealth:
        return SourceHealth()

    def state(self, session_id: str, now_ms: float) -> contract.ContentState | None:
        doing = self.doing.get(session_id)
        if doing and self.retry:
            return contract.ContentState(
                status="retry", session_title=self.named, last_message=self.retry.reason
            )
        return doing and contract.ContentState(status="working", session_title=self.named, last_message=doing)  # type: ignore[return-value]

    def title(self, session_id: str) -> str | None:
        return self.named

    def directory(self, session_id: str) -> str | None:
        return "/code/demo"

    async def newest_text(self, session_id: str, last_id: str) -> str:
        self.asked += 1
        await self.gate.wait()
        try:
            return self.texts[session_id, last_id]
        except KeyError:
            raise Unreachable("nobody there") from None


class Sent:
    """An outbox that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[contract.Event] = []
        self.withdrawn: list[str] = []

    def put(self, event: contract.Event) -> None:
        self.events.append(event)

    def withdraw(self, session_id: str, event_id: str) -> None:
        self.withdrawn.append(event_id)

    def types(self) -> list[str]:
        return [event.event_type for event in self.events]

    def shown(self) -> list[tuple[str, str]]:
        states = [event.content_state for event in self.events]
        return [(state.status, state.last_message) for state in states if state]


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def timers() -> Timers:
    return Timers(now=100.0)


Make = Callable[..., Notifier]


@pytest.fixture
async def make(source: FakeSource, sent: Sent, timers: Timers) -> AsyncIterator[Make]:
    made: list[Notifier] = []

    def make(**options: Any) -> Notifier:
        sender = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
        given: dict[str, Any] = {"permission_delay": 2.0, "call_later": timers.call_later}
        given |= {"clock": lambda: timers.now, "monotonic": lambda: timers.now}
        made.append(Notifier(source, sender, sent, **given | options))
        return made[-1]

    yield make
    for notifier in made:
        await notifier.close(0)


@pytest.fixture
def notifier(make: Make) -> Notifier:
    return make()


@pytest.fixture
def running(notifier: Notifier, source: FakeSource) -> Notifier:
    """Session ses_a runs since now."""
    source.doing["ses_a"] = "Starting..."
    notifier.notify(Change("started", "ses_a", "evt_1"))
    return notifier


def work(notifier: Notifier, source: FakeSource, *steps: str) -> None:
    for doing in steps:
        source.doing["ses_a"] = doing
        notifier.notify(Change("progress", "ses_a", doing))


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


class TestCards:
    def test_a_run_that_is_over_already_has_no_start(self, notifier: Notifier, sent: Sent) -> None:
        notifier.notify(Change("started", "ses_b", "evt_1"))
        notifier.notify(Change("progress", "ses_b", "evt_2"))
        assert sent.events == []

    def test_progress_waits_and_the_newest_wins(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        timers.turn_to(104.0)
        work(running, source, "one", "two", "three")
        timers.turn_to(111.9)
        assert sent.types() == ["start"]
        timers.turn_to(112.0)
        assert sent.shown()[1:] == [("working", "three")]

    async def test_the_last_progress_goes_when_the_bridge_stops(
        self, running: Notifier, source: FakeSource, sent: Sent
    ) -> None:
        work(running, source, "one")
        await running.close(1)
        assert sent.types() == ["start", "progress"]

    def test_beyond_the_bound_the_oldest_progress_goes_early(
        self, make: Make, source: FakeSource, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notifier_module, "BOUND", 1)
        notifier = make()
        for session in ("ses_a", "ses_b"):
            source.doing[session] = "Starting..."
            notifier.notify(Change("started", session, "evt_1"))
            source.doing[session] = "more"
            notifier.notify(Change("progress", session, "evt_2"))
        assert [(event.event_type, event.session_id) for event in sent.events] == [
            ("start", "ses_a"), ("start", "ses_b"), ("progress", "ses_a"),
        ]  # fmt: skip

    def test_an_end_cancels_what_waits_and_comes_last(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        work(running, source, "one")
        running.notify(Change("stopped", "ses_a", "msg_1"))
        timers.turn_to(200.0)
        assert sent.types() == ["start", "progress"]
        assert sent.shown()[1] == ("complete", "Stopped")

    def test_a_stop_that_turns_out_to_be_an_interruption_rings_and_the_card_says_so(
        self, running: Notifier, sent: Sent, timers: Timers
    ) -> None:
        # anomalyco/opencode 1.18.33, recording config_change_during_run: an abort, and the end of the instance 0.2 s later.
        running.notify(Change("stopped", "ses_a", "msg_1"))
        timers.turn_to(100.4)
        running.notify(Change("interrupted", "ses_a", "msg_1"))
        timers.turn_to(200.0)
        assert sent.types() == ["start", "error"]
        assert sent.shown()[1] == ("error", "Interrupted: OpenCode stopped before the session was done.")

    async def test_a_stop_comes_before_what_follows_it(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make()
        source.doing["ses_a"] = "Starting..."
        for kind in ("started", "stopped", "started", "stopped"):
            notifier.notify(Change(kind, "ses_a", "evt_1"))  # type: ignore[arg-type]
        assert sent.types() == ["start", "progress", "start"]
        await notifier.close(1)
        assert sent.types() == ["start", "progress", "start", "progress"]

    def test_a_run_that_its_subagents_set_off_again_is_not_complete_and_its_card_goes_on(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        running.notify(Change("perhaps_complete", "ses_a", "msg_1"))
        timers.turn_to(104.9)
        running.notify(Change("started", "ses_a", "evt_2"))
        work(running, source, "reading the report")
        timers.turn_to(200.0)
        assert sent.types() == ["start", "progress"]
        assert sent.shown()[1] == ("working", "reading the report")

    async def test_one_that_nothing_sets_off_again_is_complete(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        source.texts["ses_a", "msg_1"] = "Launched."
        running.notify(Change("perhaps_complete", "ses_a", "msg_1"))
        timers.turn_to(105.0)
        await eventually(lambda: len(sent.events) == 2)
        assert (sent.types(), sent.events[1].body) == (["start", "complete"], "Launched.")


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


class TestLostConnection:
    def test_every_card_says_so_and_the_newest_request_rings(
        self, make: Make, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        notifier = make(permission_delay=0.0)
        for session in ("ses_a", "ses_b", "ses_c"):
            source.doing[session] = "Starting..."
            notifier.notify(Change("started", session, "evt_1"))
        for session in ("ses_b", "ses_c"):
            notifier.notify(Change("asked", session, f"per_{session}", f"bash: {session}"))
        before = len(sent.events)
        notifier.lost()
        lost = sent.events[before:]
        assert [(one.session_id, one.event_type) for one in lost] == [
            ("ses_a", "progress"), ("ses_b", "progress"), ("ses_c", "permission"),
        ]  # fmt: skip
        states = [one.content_state for one in lost]
        assert {(state.status, state.last_message, state.stale) for state in states if state} == {
            ("retry", "Connection lost", True)
        }
        assert (lost[2].title, lost[2].body) == (
            "Connection lost: Fix it", "OpenCode does not answer any more. It asked: bash: ses_c",
        )  # fmt: skip
        assert len({one.event_id for one in lost}) == 3

    def test_a_card_that_only_works_does_not_ring(self, running: Notifier, sent: Sent) -> None:
        running.lost()
        assert sent.types() == ["start", "progress"]

    def test_back_again_the_cards_show_what_goes_on_at_once(
        self, running: Notifier, source: FakeSource, sent: Sent, timers: Timers
    ) -> None:
        running.lost()
        timers.turn_to(101.0)
        running.found()
        assert sent.shown()[1:] == [("retry", "Connection lost"), ("working", "Starting...")]
        state = sent.events[-1].content_state
        assert state is not None
        assert not state.stale

    def test_a_run_that_ended_meanwhile_ends_its_card(self, running: Notifier, sent: Sent) -> None:
        running.lost()
        running.notify(Change("interrupted", "ses_a", "msg_1"))
        running.found()
        assert sent.types() == ["start", "progress", "error"]


class TestTexts:
    async def test_the_next_events_come_after_the_end_that_waits_for_its_text(
        self, notifier: Notifier, source: FakeSource, sent: Sent
    ) -> None:
        source.gate.clear()
        source.texts["ses_a", "msg_1"] = "It is fixed."
        source.doing["ses_a"] = "Starting..."
        notifier.notify(Change("complete", "ses_a", "msg_1"))
        notifier.notify(Change("started", "ses_a", "evt_2"))
        notifier.notify(Change("error", "ses_a", "msg_2", "Bad key"))
        await eventually(lambda: source.asked)
        assert sent.events == []
        source.gate.set()
        await eventually(lambda: len(sent.events) == 3)
        assert [(event.event_type, event.body) for event in sent.events] == [
            ("complete", "It is fixed."),
            ("start", "OpenCode is working on: Fix it (/code/demo)"),
            ("error", "Bad key"),
        ]

    async def test_without_its_text_an_end_rings_all_the_same(
        self, notifier: Notifier, sent: Sent, caplog: pytest.LogCaptureFixture
    ) -> None:
        notifier.notify(Change("complete", "ses_a", "msg_1"))
        await notifier.close(1)
        assert [event.body for event in sent.events] == ["Done"]
        assert 'no text sessionID=ses_a reason="nobody there"' in caplog.text

    async def test_too_many_ends_at_once_cost_the_oldest(
        self, make: Make, sent: Sent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(notifier_module, "BOUND", 2)
        notifier = make()
        for number in range(3):
            notifier.notify(Change("complete", f"ses_{number}", f"evt_{number}"))
        await notifier.close(1)
        assert [event.session_id for event in sent.events] == ["ses_1", "ses_2"]
        assert 'dropped kind=complete sessionID=ses_0 reason="too many changes wait"' in caplog.text

    @pytest.mark.parametrize(
        ("bound", "lines"),
        [
            (1, ["dropped kind=complete", "dropped kind=error"]),
            (9, ["not sent kind=complete", "not sent kind=error", "not sent kind=error"]),
        ],
    )
    async def test_what_waits_behind_a_text_that_does_not_come_is_named_in_the_log(
        self,
        make: Make,
        source: FakeSource,
        sent: Sent,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        bound: int,
        lines: list[str],
    ) -> None:
        monkeypatch.setattr(notifier_module, "BOUND", bound)
        source.gate.clear()
        notifier = make()
        notifier.notify(Change("complete", "ses_a", "msg_1"))
        for number in range(2):
            notifier.notify(Change("error", "ses_a", f"msg_{number}", "no"))
        await notifier.close(0.02)
        assert [record.getMessage().partition(" sessionID")[0] for record in caplog.records] == lines
        reasons = {record.getMessage().partition("reason=")[2] for record in caplog.records}
        assert reasons == {'"the bridge stops"' if bound == 9 else '"too many changes wait"'}
