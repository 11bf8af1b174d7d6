"""How a dispatcher ends, what its crash leaves behind, and who goes on with it."""

import asyncio
from dataclasses import replace

import pytest

from component.dispatcher.dispatching import (
    LEASE,
    START,
    Clock,
    Make,
    crashed_amid_a_push,
    delivery,
    polled,
    register,
    row,
    send,
    status_is,
)
from fake_gateway import FakeGateway
from relay.server import engine
from relay.server.alerts import LIMITS, Dispatcher
from relay.server.store import deliveries
from relay.server.store.sql import Database
from waiting import eventually


async def test_two_copies_of_an_event_at_once_are_one_push(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway
) -> None:
    same, other = await delivery(db), await delivery(db)
    found = await dispatcher.enqueue([[same], [same, other]])
    assert [list(futures) for futures in found] == [[same.push.apns_id], [other.push.apns_id]]
    assert [await future for futures in found for future in futures.values()] == ["sent", "sent"]
    assert len(gateway.sent) == 2


async def test_stopping_finishes_what_is_in_flight(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway
) -> None:
    gateway.gate.clear()
    planned = [await delivery(db) for _ in range(150)]
    await dispatcher.enqueue([planned])
    stopping = asyncio.create_task(dispatcher.engine.stop(5))
    await eventually(lambda: len(gateway.sent) == LIMITS.in_flight)
    gateway.gate.set()
    await stopping
    assert len(gateway.sent) == 150
    for one in planned:
        assert (await row(db, one.push.apns_id))["status"] == "sent"


async def test_stopping_does_not_wait_for_ever(
    db: Database, dispatcher: Dispatcher, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.gate.clear()
    planned = await delivery(db)
    await dispatcher.enqueue([[planned]])
    await eventually(lambda: gateway.sent)
    await dispatcher.engine.stop(0.01)
    assert "stop unfinished=1" in caplog.text
    assert (await row(db, planned.push.apns_id))["status"] == "queued"


@pytest.mark.parametrize(("owner", "after"), [("host:1", 0), ("host:10", LEASE)], ids=["itself", "another"])
async def test_after_a_crash_a_relay_goes_on_at_once_and_another_when_the_lease_ran_out(
    db: Database,
    dispatcher: Dispatcher,
    gateway: FakeGateway,
    make: Make,
    clock: Clock,
    owner: str,
    after: float,
) -> None:
    planned = await crashed_amid_a_push(db, dispatcher, gateway)
    way = FakeGateway()
    next_one = make(db, owner, way)
    if after:
        clock.now = START + after - 1
        await polled(next_one)
        assert not way.sent
        clock.now = START + after
    await next_one.engine.start()
    await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
    assert way.sent == [planned.push]


async def test_behind_a_backlog_of_one_secret_another_secrets_alert_is_the_second_to_go(
    db: Database, make: Make, gateway: FakeGateway
) -> None:
    """A thousand alerts of one secret wait longer than the other's one: more than one claim takes."""
    await register(db)
    backlog = [await delivery(db, START - 5) for _ in range(1000)]
    await register(db, secret_hash="b" * 64)
    other = await delivery(db, secret_hash="b" * 64)
    await deliveries.enqueue(db, [*backlog, other], owner="gone:1", lease_until=0)
    await make(db, limits=replace(LIMITS, in_flight=1)).engine.start()
    await eventually(lambda: len(gateway.sent) == 1001)
    assert [push.apns_id for push in gateway.sent].index(other.push.apns_id) <= 1
    assert len({push.apns_id for push in gateway.sent}) == 1001


async def test_while_one_secret_floods_anothers_retry_finds_a_place(
    db: Database, make: Make, gateway: FakeGateway, clock: Clock
) -> None:
    """The flood has all the places in memory that it may have, and asks for more than become free."""
    await register(db)
    dispatcher = make(db, limits=replace(LIMITS, held=50, claimed=50, in_flight=2))
    gateway.gate.clear()
    await register(db, secret_hash="b" * 64)
    other = await delivery(db, secret_hash="b" * 64)
    await deliveries.enqueue(db, [other], owner="gone:1", lease_until=0)
    flood = [[await delivery(db)] for _ in range(120)]
    sending = await dispatcher.enqueue(flood)
    assert sum(not future.done() for of_one in sending for future in of_one.values()) == 40
    await dispatcher.engine.poll()
    assert len(dispatcher.engine.held) == 41
    gateway.gate.set()
    await dispatcher.engine.idle()
    assert [push.apns_id for push in gateway.sent].index(other.push.apns_id) <= 3


async def test_what_a_crash_left_behind_goes_before_what_is_new(db: Database, dispatcher: Dispatcher, gateway: FakeGateway, make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A relay that waited for its first poll sent the request of a turn after the turn's end."""
    late = await crashed_amid_a_push(db, dispatcher, gateway)
    monkeypatch.setattr(engine, "POLL_SECONDS", 3600.0)
    way = FakeGateway()
    await make(db, "host:1", way).engine.start()
    await eventually(lambda: way.sent == [late.push])


async def test_old_rows_are_swept(db: Database, dispatcher: Dispatcher, make: Make, clock: Clock) -> None:
    assert await send(dispatcher, await delivery(db)) == ["sent"]
    clock.now = START + 30 * 86_400 + 1
    await make(db, "host:2").engine.start()

    async def gone() -> bool:
        return await deliveries.count(db) == 0

    await eventually(gone)
