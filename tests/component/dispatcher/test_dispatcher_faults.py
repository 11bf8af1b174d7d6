"""A database that goes away, a memory that is full, defects: no delivery is lost, and no task ends."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from component.dispatcher.dispatching import (
    LEASE,
    START,
    Clock,
    Make,
    delivery,
    register,
    row,
    send,
    status_is,
)
from fake_gateway import FakeGateway
from relay.server import alerts as module
from relay.server.alerts import LIMITS, Dispatcher
from relay.server.store import deliveries
from relay.server.store.sql import Database, Unavailable
from waiting import eventually


class Failing(Database):
    """A database that fails while `down`."""

    down = False

    async def execute(self, sql: str, values: Any = ()) -> Any:
        if self.down:
            raise Unavailable("down")
        return await super().execute(sql, values)


async def test_an_answer_outlives_the_database(
    db: Database, make: Make, gateway: FakeGateway, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the lease runs out meanwhile: the poll is sooner there than the answer."""
    await register(db)
    failing = Failing(db._connection)
    dispatcher = make(failing)
    await dispatcher.engine.start()
    gateway.gate.clear()
    planned = await delivery(db)
    sending = asyncio.create_task(send(dispatcher, planned))
    await eventually(lambda: gateway.sent)
    save = deliveries.save
    failing.down = True
    gateway.gate.set()
    await eventually(lambda: "trying again" in caplog.text)
    clock.now = START + LEASE + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "save", unavailable)
        failing.down = False
        await dispatcher.engine.poll()
        assert (await row(db, planned.push.apns_id))["status"] == "queued"
    assert deliveries.save is save
    assert await sending == ["sent"]
    assert len(gateway.sent) == 1


async def test_polling_and_sweeping_survive_the_database(
    db: Database, make: Make, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    await register(db)
    failing = Failing(db._connection)
    dispatcher = make(failing)
    await dispatcher.engine.start()
    failing.down = True
    dispatcher.engine.wake()
    await eventually(lambda: "database unavailable" in caplog.text)
    failing.down = False
    planned = await delivery(db)
    await deliveries.enqueue(db, [planned], owner="host:9", lease_until=0)
    await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))


async def test_what_does_not_fit_in_memory_waits_in_the_database_for_room(
    db: Database, gateway: FakeGateway, make: Make
) -> None:
    await register(db)
    dispatcher = make(db, limits=replace(LIMITS, held=2, in_flight=1))
    await dispatcher.engine.start()
    gateway.gate.clear()
    planned = [await delivery(db) for _ in range(5)]
    (futures,) = await dispatcher.enqueue([planned])
    assert [future.result() for future in futures.values() if future.done()] == ["queued"] * 3
    leases = [(await row(db, one.push.apns_id))["lease_until"] for one in planned]
    assert [bool(lease) for lease in leases] == [True, True, False, False, False]
    gateway.gate.set()
    for one in planned:
        await eventually(lambda one=one: status_is(db, one.push.apns_id, "sent"))  # type: ignore[misc]
    assert sorted(push.apns_id for push in gateway.sent) == sorted(futures)


async def test_what_waited_too_long_in_memory_is_left_to_its_lease(
    db: Database, gateway: FakeGateway, make: Make, clock: Clock
) -> None:
    await register(db)
    dispatcher = make(db, limits=replace(LIMITS, in_flight=1))
    await dispatcher.engine.start()
    gateway.gate.clear()
    first, second = await delivery(db), await delivery(db)
    sending = asyncio.create_task(send(dispatcher, first, second))
    await eventually(lambda: gateway.sent)
    clock.now = START + LEASE / 2
    gateway.gate.set()
    assert await sending == ["sent", "queued"]
    clock.now = START + LEASE
    await eventually(lambda: status_is(db, second.push.apns_id, "sent"))


async def test_a_defect_in_the_settlement_costs_one_delivery_its_turn_only(
    db: Database, dispatcher: Dispatcher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = await delivery(db)
    with monkeypatch.context() as patch:
        patch.setattr(module, "result_of", lambda *_, **__: 1 / 0)
        assert await send(dispatcher, planned) == ["queued"]
    clock.now = START + LEASE
    await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))


@pytest.mark.parametrize("name", ["save", "claim_due", "forget"])
async def test_a_defect_ends_none_of_its_tasks(
    db: Database, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    broken = 0

    async def break_down(*_: Any, **__: Any) -> None:
        nonlocal broken
        broken += 1
        raise ValueError("a defect")

    await register(db)
    planned = await delivery(db)
    dispatcher = make(db, limits=replace(LIMITS, sweep_seconds=0.005))
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, name, break_down)
        await dispatcher.engine.start()
        assert await send(dispatcher, planned) == ["queued" if name == "save" else "sent"]
        await eventually(lambda: broken > (0 if name == "save" else 1))
    clock.now = START + LEASE
    await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
    assert await send(dispatcher, await delivery(db)) == ["sent"]


async def unavailable(*_: Any) -> None:
    raise Unavailable("down")
