"""A dispatcher with the clock that a test moves, what it is given, and what became of that."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import outcomes
from fake_gateway import FakeGateway
from relay.contract import DeviceRegister
from relay.server.alerts import Dispatcher
from relay.server.delivery import Delivery
from relay.server.store import devices
from relay.server.store.sql import Database
from waiting import eventually

START = 1_800_000_000.0
SECRET = "a" * 64
TOKEN = "ab" * 32
DEADLINE = 10.0
LEASE = 45.0

Make = Callable[..., Dispatcher]


class Clock:
    """The test moves `now`, and sets the machine's clock so many seconds `ahead`; waiting is real."""

    def __init__(self) -> None:
        self.now, self.ahead = START, 0.0


class Watch:
    """What the dispatcher sees of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now + self._clock.ahead

    def monotonic(self) -> float:
        return self._clock.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class NoJitter:
    def random(self) -> float:
        return 0.0


async def register(
    db: Database, at: float = START - 100, apns_env: Any = "production", secret_hash: str = SECRET
) -> None:
    device = DeviceRegister(secret="s" * 16, device_token=TOKEN, apns_env=apns_env)
    await devices.register(
        db, device, secret_hash=secret_hash, bundle_id="com.example.app", now_ms=int(at * 1000)
    )


async def delivery(db: Database, at: float = START, secret_hash: str = SECRET) -> Delivery:
    """An alert for the phone that is registered."""
    (phone,) = await devices.recipients(db, secret_hash)
    push = replace(outcomes.ALERT, device_token=phone.device_token, apns_env=phone.apns_env)
    of = {"device_id": phone.device_id, "registered_at": phone.registered_at}
    return outcomes.delivery(int(at * 1000), push=push, secret_hash=secret_hash, **of)


async def send(dispatcher: Dispatcher, *planned: Delivery) -> list[str]:
    """How the deliveries ended, or that they are tried again."""
    (sending,) = await dispatcher.enqueue([planned])
    return list(await asyncio.gather(*sending.values()))


async def row(db: Database, apns_id: str) -> dict[str, Any]:
    _, found = await db.execute("SELECT * FROM delivery_log WHERE id = ?", [apns_id])
    return dict(found[0])


async def status_is(db: Database, apns_id: str, status: str) -> bool:
    return bool((await row(db, apns_id))["status"] == status)


def environments(gateway: FakeGateway) -> list[str]:
    return [push.apns_env for push in gateway.sent]


async def polled(dispatcher: Dispatcher) -> None:
    """Return when all that was due has been claimed, sent and written down."""
    await dispatcher.engine.poll()
    await dispatcher.engine.idle()


async def crashed_amid_a_push(db: Database, dispatcher: Dispatcher, gateway: FakeGateway) -> Delivery:
    """A delivery whose push is under way, and is never answered, as the dispatcher ends."""
    gateway.gate.clear()
    planned = await delivery(db)
    await dispatcher.enqueue([[planned]])
    await eventually(lambda: gateway.sent)
    await dispatcher.engine.stop(0)
    return planned
