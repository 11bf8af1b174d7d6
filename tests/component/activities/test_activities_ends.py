"""Ends: once, late news, a new run, eight hours."""

import asyncio
from collections.abc import Callable

import pytest

from activity_relay import HASH, NEW_TOKEN, SESSION, Relay, active, aps, pushed, run
from fake_gateway import FakeGateway
from relay.contract import ContentState
from relay.server.live_activities import sender as activity_sender
from relay.server.store import activities
from simulator.clock import VirtualClock
from waiting import eventually

Make = Callable[..., Relay]


class TestEnds:
    @pytest.mark.parametrize("event_type", ["complete", "error"])
    async def test_the_end_carries_the_final_state_once(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, event_type: str
    ) -> None:
        await active(relay, gateway, clock)
        for _ in range(3):
            await relay.receive(event_type, body="over")
            await run(relay, clock, 15)
        (end,) = gateway.sent
        assert pushed(gateway) == [("end", event_type, "over")]
        assert 0 < aps(end)["dismissal-date"] - aps(end)["timestamp"] <= 4 * 3600
        assert end.priority == 10
        assert (await relay.row()).activity_token is None

    async def test_a_run_that_was_stopped_ends_its_card_without_an_alert(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        stopped = ContentState(status="complete", session_title="T", last_message="Stopped")
        await relay.receive("progress", content_state=stopped)
        await run(relay, clock, 1)
        assert pushed(gateway) == [("end", "complete", "Stopped")]

    async def test_late_progress_does_not_bring_it_back_and_a_new_run_does(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        await relay.receive("complete")
        await run(relay, clock, 2)
        await relay.receive("progress", body="late")
        await run(relay, clock, 5)
        assert [event for event, _, _ in pushed(gateway)] == ["end"]
        await relay.receive("start", title="again")
        await relay.push()
        await relay.register(NEW_TOKEN)
        await run(relay, clock, 2)
        assert [event for event, _, _ in pushed(gateway)] == ["end", "start", "update"]

    async def test_a_run_that_begins_while_the_end_is_in_flight_gets_a_new_card(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.gate.clear()
        await relay.receive("complete")
        await relay.sender.engine.poll()
        await eventually(lambda: gateway.sent)
        await relay.receive("start", title="again")
        gateway.gate.set()
        await relay.sender.engine.idle()
        await run(relay, clock, 2)
        assert [event for event, _, _ in pushed(gateway)] == ["end", "start"]

    async def test_an_end_that_came_before_the_token_is_sent_with_it(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await relay.receive("start")
        await relay.push()
        await relay.receive("complete", body="done")
        await run(relay, clock, 5)
        await relay.register()
        await run(relay, clock, 2)
        assert pushed(gateway)[1:] == [("end", "complete", "done")]

    async def test_near_eight_hours_it_times_out_and_the_session_gets_another(
        self, make: Make, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        other = make("host:2")
        await clock.advance(8 * 3600 - 360)
        await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
        await relay.push()
        assert not gateway.sent
        await clock.advance(60)
        await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
        await asyncio.gather(relay.push(), other.push())
        assert pushed(gateway) == [("end", "working", "Timed out")]
        await clock.advance(20)
        await relay.receive("progress", body="still at it")
        await relay.push()
        assert pushed(gateway)[1:] == [("start", "working", "still at it")]

    async def test_any_number_times_out_in_one_sweep(
        self,
        make: Make,
        relay: Relay,
        gateway: FakeGateway,
        clock: VirtualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(activity_sender, "ROWS", 3)
        other = make("host:2")
        sessions = [f"ses_{number}" for number in range(10)]
        for number, session in enumerate(sessions):
            await relay.register(f"{number:02}" * 80, session=session)
        await clock.advance(8 * 3600 - 300 + 1)
        await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
        assert all([(await relay.row(session)).ends for session in sessions])

    async def test_what_is_long_over_is_forgotten(self, relay: Relay, clock: VirtualClock) -> None:
        await relay.receive("start")
        await clock.advance(25 * 3600)
        await relay.sender.sweep()
        assert await activities.of_session(relay.db, HASH, SESSION) == []
