"""A relay that is killed, a gateway that breaks, a database that goes away."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from activity_relay import NEW_TOKEN, OTHER_PHONE, OTHER_START_TOKEN, Relay, active, pushed, run
from fake_gateway import FakeGateway
from relay.server.live_activities.record import Activity
from relay.server.store import activities
from relay.server.store.sql import Database, Unavailable
from simulator.clock import VirtualClock
from waiting import eventually

Make = Callable[..., Relay]


class TestKilled:
    async def test_an_update_in_its_hands_is_sent_again_a_start_is_not(
        self, make: Make, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN)
        gateway.gate.clear()
        await relay.receive("progress", body="a")
        await relay.sender.engine.poll()
        await eventually(lambda: len(gateway.sent) == 2)
        await relay.sender.engine.stop(0)
        gateway.gate.set()
        again = make("host:1")
        await again.sender.engine.start()
        await run(again, clock, 60)
        assert sorted(event for event, _, _ in pushed(gateway)) == ["start", "update", "update"]

    async def test_another_relay_takes_over_when_the_lease_ends(
        self, make: Make, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.gate.clear()
        await relay.receive("progress", body="a")
        await relay.sender.engine.poll()
        await eventually(lambda: gateway.sent)
        await relay.sender.engine.stop(0)
        gateway.gate.set()
        other = make("host:2")
        await run(other, clock, 20)
        assert len(gateway.sent) == 1
        await run(other, clock, 5)
        assert pushed(gateway) == [("update", "working", "a")] * 2

    async def test_a_gateway_that_breaks_is_like_one_that_cannot_reach_apns(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.answers = [ZeroDivisionError("x")]
        await relay.receive("progress", body="a")
        await relay.push()
        await run(relay, clock, 13)
        assert pushed(gateway) == [("update", "working", "a")] * 2


class TestDatabase:
    async def test_an_answer_is_written_down_when_the_database_is_back(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await active(relay, gateway, clock)
        monkeypatch.setattr("relay.server.engine.DATABASE_PAUSE", 0.001)
        find, failures = activities.find, iter([Unavailable("gone"), Unavailable("gone")])

        async def flaky(db: Database, activity_id: str) -> Activity | None:
            if failure := next(failures, None):
                raise failure
            return await find(db, activity_id)

        monkeypatch.setattr(activities, "find", flaky)
        await relay.receive("progress")
        await relay.push()
        row = await relay.row()
        assert (row.due_at, row.lease_until) == (None, 0)

    async def test_without_a_database_the_poll_goes_on(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        due, failures = activities.due, iter([Unavailable("gone"), ZeroDivisionError("defect")])

        async def flaky(db: Database, *, until_ms: int, limit: int) -> list[Activity]:
            if failure := next(failures, None):
                raise failure
            return await due(db, until_ms=until_ms, limit=limit)

        monkeypatch.setattr(activities, "due", flaky)
        await relay.sender.engine.start()
        await relay.receive("start")
        for _ in range(500):
            await clock.advance(1)
            await asyncio.sleep(0.002)
            if gateway.sent:
                break
        assert len(gateway.sent) == 1
        assert "database unavailable" in caplog.text
        assert "activities broken" in caplog.text

    async def test_decisions_are_made_again_when_another_wrote_first(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await active(relay, gateway, clock)
        change, lost = activities.change, iter([True, True])

        async def contended(db: Database, activity: Activity) -> Activity | None:
            stale = replace(activity, revision=activity.revision - 1) if next(lost, False) else activity
            return await change(db, stale)

        monkeypatch.setattr(activities, "change", contended)
        assert await relay.receive("progress", body="a") == 1
        await relay.register(NEW_TOKEN)
        await run(relay, clock, 1)
        assert [push.device_token for push in gateway.sent] == [NEW_TOKEN]

    async def test_it_gives_up_when_nothing_gets_through(
        self, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never(db: Database, activity: Activity) -> None:
            return None

        await relay.register()
        monkeypatch.setattr(activities, "change", never)
        with pytest.raises(Unavailable):
            await relay.receive("progress")
        with pytest.raises(Unavailable):
            await relay.register(NEW_TOKEN)
        with pytest.raises(Unavailable):
            await relay.unregister()
