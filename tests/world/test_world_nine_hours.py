"""Nine hours of one session in seconds: a real relay, served over HTTP and pushing over TLS, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay import contract
from relay.server import settings
from relay.server.app import RelayApp
from relay.server.serve import serve
from simulator.clock import VirtualClock
from simulator.loopback import free_port
from simulator.phone.activitykit.activity import Activity
from simulator.phone.app.content_state import KINDS
from simulator.world import World
from waiting import eventually

SECRET = "nine-hours-of-one-secret"
SESSION = "ses_long"
MINUTE, HOUR = 60, 3600


class Day:
    """A relay in a world with one phone, and one hand that turns the clock for all of them."""

    def __init__(self, world: World, clock: VirtualClock, http: aiohttp.ClientSession) -> None:
        self.world, self.clock, self.journal, self.http = world, clock, world.journal, http
        self.began = clock.now()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.settings = settings.load(world.relay_environment | {"PORT": str(port)})

    def keep(self, app: RelayApp) -> None:
        self.app = app

    async def pair(self) -> None:
        await eventually(self._answers)
        link = contract.pairing_link(contract.pairing(self.url, SECRET, ["http://127.0.0.1:9"]))
        self.phone = await self.world.add_phone(link, kind=KINDS["flat"])
        assert await self.app.phones() == 1

    async def _answers(self) -> bool:
        try:
            async with self.http.get(f"{self.url}/health") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    # What happens.

    async def report(self, event_type: str, message: str, status: str = "working") -> None:
        """OpenCode has news, and all that follows from it has happened."""
        state = {"status": status, "sessionTitle": "Long work", "lastMessage": message, "retryInfo": None}
        event = {"secret": SECRET, "sessionID": SESSION, "eventType": event_type, "contentState": state}
        async with self.http.post(f"{self.url}/v1/event", json=event) as response:
            assert response.status == 200
        await self.until_idle()

    async def until(self, seconds: float) -> None:
        """Let time pass, a minute at a time, up to so many seconds after the beginning."""
        while (left := self.began + seconds - self.clock.now()) > 0:
            waiting = self.clock.sleepers
            await self.clock.advance(min(left, MINUTE))
            await self._asleep_again(waiting)
            await self.until_idle()

    async def _asleep_again(self, sleepers: int) -> None:
        """Whoever the clock woke has done what it woke for."""
        await eventually(lambda: self.clock.sleepers >= sleepers)

    async def until_idle(self) -> None:
        self.world.apns.discard_expired()
        await eventually(self._nothing_waits)
        self.phone.run_due()

    async def _nothing_waits(self) -> bool:
        """Every push that is due was sent, and every token that an app was handed is registered."""
        handed, registered = (
            len(self.journal.entries("phone", what)) for what in ("activity token", "activity register")
        )
        due_at = await self.app.next_due_at()
        is_due = due_at is not None and due_at <= self.clock.now() * 1000
        return registered >= handed and self.app.is_idle and not is_due

    # What there is to see.

    @property
    def running(self) -> list[Activity]:
        return list(self.phone.activities.active)

    @property
    def card(self) -> Activity:
        (card,) = self.running
        return card

    def pushes(self, **detail: Any) -> list[Any]:
        return [
            one for one in self.journal.entries("apns", "push")
            if all(one.detail[key] == value for key, value in detail.items())
        ]  # fmt: skip


@pytest.fixture
async def day() -> AsyncIterator[Day]:
    clock, stop = VirtualClock(), asyncio.Event()
    async with World(clock, seed=9) as world, aiohttp.ClientSession() as http:
        day = Day(world, clock, http)
        serving = asyncio.create_task(serve(day.settings, stop, clock, day.keep))
        await day.pair()
        yield day
        stop.set()
        await serving


async def test_progress_rotation_stale_timed_out_and_dismissed(
    day: Day, caplog: pytest.LogCaptureFixture
) -> None:
    await day.report("start", "Starting...")
    first = day.card
    assert (first.started_by, first.content_state["lastMessage"]) == ("push", "Starting...")

    for minute in range(5, 120, 5):  # work, for two hours
        await day.until(minute * MINUTE)
        await day.report("progress", f"minute {minute}")
        await day.until(minute * MINUTE + 3 * MINUTE)
        assert day.card.content_state["lastMessage"] == f"minute {minute}"

    old = first.token
    new = day.phone.activities.rotate(first)
    await day.until_idle()
    await day.until(2 * HOUR)
    await day.report("progress", "after the rotation")
    await day.until(2 * HOUR + 3 * MINUTE)
    assert first.content_state["lastMessage"] == "after the rotation"
    assert old != new

    await day.until(3 * HOUR)  # silence: the card says that it is stale
    assert first.state == "stale"
    await day.report("permission", "May I?", status="permission")
    assert (first.state, first.content_state["status"]) == ("active", "permission")

    for half_hour in range(7, 16):
        await day.until(half_hour * HOUR / 2)
        await day.report("progress", f"half hour {half_hour}")
    await day.until(8 * HOUR - 2 * MINUTE)
    assert first.state == "ended"
    assert first.content_state["lastMessage"] == "Timed out"
    assert day.running == []

    await day.report("progress", "still at it")  # the session gets another card
    second = day.card
    await day.until(8 * HOUR + 10 * MINUTE)
    assert not first.visible
    await day.until(9 * HOUR)
    await day.report("complete", "Done", status="complete")
    assert (second.state, second.content_state["lastMessage"]) == ("ended", "Done")
    assert second.visible
    await day.until(9 * HOUR + 20 * MINUTE)
    assert not second.visible

    assert {one.detail["status"] for one in day.pushes()} == {200}
    assert len(day.phone.activities.all) == 2
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
