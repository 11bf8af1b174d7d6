"""What becomes of a delivery and of its phone: tried again, given up, removed."""

import asyncio
from typing import Any

import pytest

from component.dispatcher.dispatching import (
    SECRET,
    START,
    TOKEN,
    Clock,
    Make,
    delivery,
    polled,
    register,
    row,
    send,
    status_is,
)
from fake_gateway import FakeGateway
from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome, Push
from relay.contract import DeviceRegister
from relay.server.alerts import Dispatcher
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database
from waiting import eventually

RETRIES: list[tuple[Outcome, float]] = [
    (answered(429, "TooManyRequests"), 60),
    (not_sent("refused"), 1),
]


@pytest.mark.parametrize(("outcome", "pause"), RETRIES, ids=str)
async def test_it_is_due_again_at_the_right_time_with_the_same_apns_id(
    db: Database,
    dispatcher: Dispatcher,
    gateway: FakeGateway,
    clock: Clock,
    outcome: Outcome,
    pause: float,
) -> None:
    gateway.answers = [outcome]
    planned = await delivery(db)
    assert await send(dispatcher, planned) == ["queued"]
    assert (await row(db, planned.push.apns_id))["due_at"] == (START + pause) * 1000
    clock.now = START + pause - 0.001
    await polled(dispatcher)
    assert len(gateway.sent) == 1
    clock.now = START + pause
    await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
    assert gateway.sent == [planned.push] * 2
    assert (await row(db, planned.push.apns_id))["attempts"] == 2


async def test_what_expired_while_no_relay_ran_is_not_sent(
    db: Database, gateway: FakeGateway, make: Make
) -> None:
    await register(db)
    planned = await delivery(db, at=START - 86_400)
    await deliveries.enqueue(db, [planned], owner="host:1", lease_until=0)
    await make(db).engine.start()
    await eventually(lambda: status_is(db, planned.push.apns_id, "failed"))
    found = await row(db, planned.push.apns_id)
    assert (found["error"], found["payload"]) == ("it expired before it could be sent", None)
    assert not gateway.sent


async def test_a_clock_that_is_set_meanwhile_breaks_nothing(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway, clock: Clock
) -> None:
    for jump, passed, latency in ((-1000.0, 0.25, 250), (3e9, 0.25, 250), (0.0, 3e9, 2**31 - 1)):

        def answer(_: Push, jump: float = jump, passed: float = passed) -> Outcome:
            clock.ahead = jump
            clock.now += passed
            return answered(200)

        gateway.answers = [answer]
        clock.now, clock.ahead = START, 0.0
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["sent"]
        assert (await row(db, planned.push.apns_id))["latency_ms"] == latency


async def test_a_reason_that_no_database_stores(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway
) -> None:
    gateway.answers = [answered(400, "\ud800"), maybe_sent("\udcff")]
    planned = [await delivery(db), await delivery(db)]
    assert await send(dispatcher, *planned) == ["failed", "queued"]


# Phones.


async def test_bad_in_both_removes_this_registration_only(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway
) -> None:
    other = DeviceRegister(secret="s" * 16, device_token=TOKEN)
    await devices.register(db, other, secret_hash="b" * 64, bundle_id="com.example.app", now_ms=1)
    gateway.answers = [answered(400, "BadDeviceToken")] * 2
    assert await send(dispatcher, await delivery(db)) == ["failed"]
    assert await devices.recipients(db, SECRET) == []
    assert len(await devices.recipients(db, "b" * 64)) == 1


@pytest.mark.parametrize("answers", [[answered(410, "Unregistered")], [answered(400, "BadDeviceToken")] * 2])
async def test_a_phone_that_registers_while_its_push_is_in_flight_stays(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway, answers: list[Any]
) -> None:
    gateway.answers = answers
    gateway.gate.clear()
    sending = asyncio.create_task(send(dispatcher, await delivery(db)))
    await eventually(lambda: gateway.sent)
    await register(db, at=START + 1)
    gateway.gate.set()
    assert await sending == ["failed"]
    assert len(await devices.recipients(db, SECRET)) == 1
