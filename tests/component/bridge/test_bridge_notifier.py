"""From changes to events: the pauses of a card, and the order of a session's events.

The source is a stand-in without OpenCode, so nothing here depends on a generation of it.
"""

import pytest

import relay.bridge.notify.notifier as notifier_module
from component.bridge.notifying import FakeSource, Make, Sent, work
from component.bridge.timers import Timers
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.source import Change
from waiting import eventually


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
