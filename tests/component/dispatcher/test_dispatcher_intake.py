"""Events in front of a dispatcher: alerts wait for no card, cards outlive their caller."""

import asyncio
import uuid
from typing import Any

import pytest
from msgspec.structs import replace

from component.dispatcher.dispatching import Clock, register
from fake_gateway import FakeGateway
from relay import contract
from relay.contract import DeviceRegister, Event, EventReply
from relay.server.alerts import Dispatcher
from relay.server.intake import Intake
from relay.server.live_activities.sender import ActivitySender
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database, chunks
from simulator.clock import VirtualClock
from waiting import eventually

SECRET, QUIET, NOBODY = "s" * 16, "q" * 16, "n" * 16
"""The secret of a phone on which a card can be started, that of a phone on which none can, and one without a phone."""


class SlowCards(ActivitySender):
    """Writes no card before the test opens the gate."""

    def __init__(self, db: Database, gateway: FakeGateway) -> None:
        super().__init__(db, gateway, owner="relay", push_deadline=10, clock=VirtualClock())
        self.gate, self.received, self.written = asyncio.Event(), 0, 0

    async def receive(self, *arguments: Any, **named: Any) -> int:
        self.received += 1
        await self.gate.wait()
        changed = await super().receive(*arguments, **named)
        self.written += changed
        return changed


@pytest.fixture
async def cards(db: Database, gateway: FakeGateway) -> SlowCards:
    await register(db)
    for secret, start_token in ((SECRET, "ef" * 32), (QUIET, None)):
        phone = DeviceRegister(secret=secret, device_token="cd" * 32, push_to_start_token=start_token)
        await devices.register(
            db, phone, secret_hash=contract.secret_hash(secret), bundle_id="com.example.app", now_ms=1
        )
    return SlowCards(db, gateway)


@pytest.fixture
def intake(db: Database, dispatcher: Dispatcher, cards: SlowCards, clock: Clock) -> Intake:
    return Intake(db, dispatcher, cards, deadline=5, now=lambda: clock.now)


def event(secret: str, event_type: Any = "permission") -> Event:
    return Event(secret=secret, event_type=event_type, session_id="ses_1")


async def test_a_card_that_is_not_written_holds_up_no_alert_of_its_own_event_or_of_another(
    intake: Intake, cards: SlowCards, gateway: FakeGateway
) -> None:
    waiting = asyncio.create_task(intake.accept(event(SECRET)))
    await eventually(lambda: cards.received)
    other = asyncio.create_task(intake.accept(event(QUIET)))
    await eventually(lambda: len(gateway.sent) == 2)
    cards.gate.set()
    assert await waiting == EventReply(sent=1, failed=0, queued=1)
    assert await other == EventReply(sent=1, failed=0, queued=0)


async def test_an_event_that_can_change_no_card_is_not_held_against_any(
    intake: Intake, cards: SlowCards
) -> None:
    assert await intake.accept(event(NOBODY, "progress")) == EventReply(sent=0, failed=0, queued=0)
    assert not cards.received


async def test_a_caller_who_hangs_up_takes_no_card_with_it(
    intake: Intake, cards: SlowCards, caplog: pytest.LogCaptureFixture
) -> None:
    caller = asyncio.create_task(intake.accept(event(SECRET, "progress")))
    await eventually(lambda: cards.received)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    closing = asyncio.create_task(intake.close())
    cards.gate.set()
    await closing
    assert cards.written == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Very many phones.

CROWD, OTHER = "c" * 16, "o" * 16
PHONES = 2000
AHEAD = 500
"""Pushes of the large event that may go out before another secret's alert: those that are in flight (100), and the two pages (of 200)
that are written down and being written down when it comes."""


async def register_phones(db: Database, secret: str, phones: int) -> None:
    rows = [
        {
            "id": str(uuid.uuid4()),
            "secret_hash": contract.secret_hash(secret),
            "device_token": f"{number:064x}",
            "bundle_id": "com.example.app",
            "apns_env": "production",
            "created_at": number,
            "updated_at": number,
        }
        for number in range(phones)
    ]
    for some in chunks(rows):
        await db.insert_new("device_registration", some)


def position(gateway: FakeGateway, token: str) -> int:
    return [push.device_token for push in gateway.sent].index(token)


@pytest.mark.parametrize("when", ["before", "with", "amid", "while all wait"])
async def test_a_large_event_keeps_no_alert_of_another_secret_waiting(
    intake: Intake, dispatcher: Dispatcher, cards: SlowCards, gateway: FakeGateway, db: Database, when: str
) -> None:
    cards.gate.set()
    await register_phones(db, CROWD, PHONES)
    other = DeviceRegister(secret=OTHER, device_token="ab" * 32)
    await devices.register(
        db, other, secret_hash=contract.secret_hash(OTHER), bundle_id="com.example.app", now_ms=1
    )
    already = 0
    if when == "while all wait":
        gateway.gate.clear()
    if when == "before":
        small = asyncio.create_task(intake.accept(event(OTHER)))
        large = asyncio.create_task(intake.accept(event(CROWD)))
    else:
        large = asyncio.create_task(intake.accept(event(CROWD)))
        if when == "amid":
            await eventually(lambda: bool(gateway.sent))
        if when == "while all wait":
            await eventually(lambda: dispatcher.engine.held.room == 10_000 - PHONES)
        already = len(gateway.sent)
        small = asyncio.create_task(intake.accept(event(OTHER)))
    if when == "while all wait":
        await eventually(lambda: dispatcher.engine.held.room == 10_000 - PHONES - 1)
        gateway.gate.set()
    assert await small == EventReply(sent=1, failed=0, queued=0)
    assert await large == EventReply(sent=PHONES, failed=0, queued=0)
    assert len(gateway.sent) == PHONES + 1
    assert position(gateway, "ab" * 32) - already <= AHEAD
    await intake.close()


async def test_a_large_event_that_comes_again_sends_nothing_twice(
    intake: Intake, cards: SlowCards, gateway: FakeGateway, db: Database
) -> None:
    cards.gate.set()
    await register_phones(db, CROWD, PHONES)
    again = replace(event(CROWD), event_id="e1")
    replies = await asyncio.gather(intake.accept(again), intake.accept(again))
    assert replies[0].sent + replies[1].sent >= PHONES
    assert await intake.accept(again) == EventReply(sent=PHONES, failed=0, queued=0)
    assert len({push.apns_id for push in gateway.sent}) == len(gateway.sent) == PHONES
    await intake.close()


async def test_a_flood_of_events_keeps_no_other_secrets_event_waiting_for_more_than_a_batch(
    intake: Intake, cards: SlowCards, gateway: FakeGateway
) -> None:
    """Six hundred events of one secret came first; the database takes a hundred at a time."""
    cards.gate.set()
    flood = [asyncio.create_task(intake.accept(event(SECRET, "complete"))) for _ in range(600)]
    await asyncio.sleep(0)
    other = await intake.accept(event(QUIET, "complete"))
    assert other == EventReply(sent=1, failed=0, queued=0)
    assert sum(one.done() for one in flood) <= 300
    await asyncio.gather(*flood)
    assert len(gateway.sent) == 601
    await intake.close()


async def test_events_of_a_secret_with_very_many_phones_come_one_after_the_other_and_hold_up_no_batch(
    intake: Intake, cards: SlowCards, gateway: FakeGateway, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its phones are counted once; when most of them are gone, its events are accepted with the others' again."""
    counted: list[str] = []
    has_many = deliveries._has_many

    async def counting(db: Database, secret_hash: str) -> bool:
        counted.append(secret_hash)
        return await has_many(db, secret_hash)

    monkeypatch.setattr(deliveries, "_has_many", counting)
    cards.gate.set()
    await register_phones(db, CROWD, 1100)
    assert (await intake.accept(event(CROWD))).sent == 1100
    assert counted == [contract.secret_hash(CROWD)]
    large = [asyncio.create_task(intake.accept(event(CROWD))) for _ in range(5)]
    assert await intake.accept(event(QUIET)) == EventReply(sent=1, failed=0, queued=0)
    assert not any(one.done() for one in large)
    assert [(await one).sent for one in large] == [1100] * 5
    await db.execute(
        "DELETE FROM device_registration WHERE created_at >= 100 AND bundle_id = 'com.example.app'"
    )
    for _ in range(2):
        assert (await intake.accept(event(CROWD))).sent == 100
    assert intake._with_many == {}
    assert len(counted) == 1
    await intake.close()
