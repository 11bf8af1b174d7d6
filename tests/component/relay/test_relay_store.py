"""The queries on phones and deliveries, on both databases."""

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

import outcomes
from outcomes import ALERT, answered, maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.contract import DeviceRegister
from relay.server.delivery import Delivery, DeliveryResult, DeliveryStatus, PastAttempt
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

NOW = 1_800_000_000_000
SECRET, OTHER_SECRET = "a" * 64, "b" * 64
SENT = answered(200)


async def rows(db: Database, table: str = "delivery_log") -> list[dict[str, Any]]:
    _, found = await db.execute(f"SELECT * FROM {table} ORDER BY created_at, id")
    return [dict(row) for row in found]


async def phone(db: Database, token: str = "ab" * 32, secret_hash: str = SECRET, now_ms: int = NOW) -> str:
    """Registers a phone; returns its id."""
    device = DeviceRegister(secret="s" * 16, device_token=token)
    await devices.register(db, device, secret_hash=secret_hash, bundle_id="com.example.app", now_ms=now_ms)
    return next(p.device_id for p in await devices.recipients(db, secret_hash) if p.device_token == token)


def delivery(device_id: str, *, payload: bytes = b'{"aps":{}}', **changes: Any) -> Delivery:
    return outcomes.delivery(NOW, push=replace(ALERT, payload=payload), device_id=device_id, **changes)


def result(
    one: Delivery, status: DeliveryStatus = "sent", outcome: Outcome = SENT, **changes: int
) -> DeliveryResult:
    made = DeliveryResult(
        delivery=one,
        outcome=outcome,
        status=status,
        apns_env=outcome.apns_env,
        at=NOW,
        due_at=0,
        latency_ms=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def enqueue(db: Database, planned: list[Delivery], owner: str = "host:1") -> list[Delivery]:
    return (await deliveries.enqueue(db, planned, owner=owner, lease_until=NOW + 40_000)).new


async def claim(db: Database, owner: str, now_ms: int, limit: int = 500) -> list[Delivery]:
    found = await deliveries.claim_due(
        db, owner=owner, now_ms=now_ms, lease_until=now_ms + 40_000, limit=limit
    )
    return found.deliveries


async def test_registering_again_updates_and_keeps_id_and_created_at(db: Database) -> None:
    device_id = await phone(db)
    again = DeviceRegister(
        secret="s" * 16,
        device_token="AB" * 32,
        apns_env="sandbox",
        push_to_start_token="CD",
        activity_format="flat",
    )
    await devices.register(db, again, secret_hash=SECRET, bundle_id="com.other", now_ms=NOW + 5)
    assert await rows(db, "device_registration") == [
        {
            "id": device_id,
            "secret_hash": SECRET,
            "device_token": "ab" * 32,
            "bundle_id": "com.other",
            "apns_env": "sandbox",
            "push_to_start_token": "cd",
            "activity_format": "flat",
            "created_at": NOW,
            "updated_at": NOW + 5,
            "kid": None,
        }
    ]


async def test_one_token_under_two_secrets_is_two_phones(db: Database) -> None:
    first, second = await phone(db), await phone(db, secret_hash=OTHER_SECRET)
    assert first != second
    await devices.unregister(db, secret_hash=SECRET, device_token="AB" * 32)
    assert await devices.recipients(db, SECRET) == []
    assert [p.device_id for p in await devices.recipients(db, OTHER_SECRET)] == [second]


async def test_unregistering_a_stranger_is_no_error(db: Database) -> None:
    await phone(db)
    await devices.unregister(db, secret_hash=SECRET, device_token="ef")
    assert await devices.count(db) == 1


async def test_the_same_phone_at_once_is_one_row(db: Database) -> None:
    await asyncio.gather(*(phone(db, now_ms=NOW + number) for number in range(30)))
    assert await devices.count(db) == 1


async def test_a_dead_token_goes_only_if_it_did_not_register_again(db: Database) -> None:
    device_id = await phone(db)
    assert not await devices.forget(db, device_id, registered_before_ms=NOW)
    assert await devices.forget(db, device_id, registered_before_ms=NOW + 1)
    assert await devices.count(db) == 0


async def test_the_environment_is_remembered_without_a_new_time(db: Database) -> None:
    device_id = await phone(db)
    await devices.remember_environment(db, device_id, "sandbox")
    (recipient,) = await devices.recipients(db, SECRET)
    assert (recipient.apns_env, recipient.registered_at) == ("sandbox", NOW)


async def test_the_second_time_nothing_is_new(db: Database, recwarn: pytest.WarningsRecorder) -> None:
    planned = [delivery("d1"), delivery("d2")]
    assert await enqueue(db, planned) == planned
    assert await enqueue(db, planned) == []
    more = [*planned, delivery("d3")]
    assert await enqueue(db, more) == more[2:]
    assert await deliveries.count(db) == 3
    assert not [str(warning.message) for warning in recwarn]  # of rows that MySQL ignores


async def test_what_two_copies_of_an_event_plan_is_written_once(db: Database) -> None:
    one, other = delivery("d1"), delivery("d2")
    assert await enqueue(db, [one, other, one]) == [one, other]
    assert await deliveries.count(db) == 2


async def test_relays_that_meet_in_the_same_rows_do_not_stop_each_other(db: Database) -> None:
    planned = [delivery(f"d{number}") for number in range(150)]
    orders = [Random(number).sample(planned, len(planned)) for number in range(12)]
    shares = await asyncio.gather(
        *(enqueue(db, order, owner=f"host:{number}") for number, order in enumerate(orders)),
        *(deliveries.save(db, [result(one) for one in order]) for order in orders),
    )
    held = Counter(one.push.apns_id for share in shares for one in share or ())
    assert set(held.values()) <= {1}
    assert {row["status"] for row in await rows(db)} == {"sent"}


async def test_an_event_for_600_phones(db: Database) -> None:
    planned = [delivery(f"d{number}") for number in range(600)]
    assert await enqueue(db, planned[:250]) == planned[:250]
    assert await enqueue(db, planned) == planned[250:]
    await deliveries.save(db, [result(one) for one in planned])
    found = await deliveries.statuses(db, secret_hash=SECRET, event_id="e1")
    assert found == {one.push.apns_id: "sent" for one in planned}


async def test_events_that_differ_only_in_case_are_counted_apart(db: Database) -> None:
    first = delivery("d1", event_id="event", session_id="ses_a")
    second = delivery("d1", event_id="EVENT", session_id="SES_A")
    await enqueue(db, [first, second])
    for one in (first, second):
        found = await deliveries.statuses(db, secret_hash=SECRET, event_id=one.event_id)
        assert list(found) == [one.push.apns_id]
    assert [row["session_id"] for row in await rows(db)].count("SES_A") == 1


async def test_texts_survive(db: Database) -> None:
    device_id = await phone(db)
    payload = '{"t":"👩‍👩‍👧 日本 \U0002070e %s ? \' \\" \\u0000"}'.encode()
    planned = delivery(device_id, payload=payload)
    await enqueue(db, [planned])
    assert await claim(db, "host:2", NOW + 40_000) == [planned]


async def test_two_relays_never_get_the_same_row(db: Database) -> None:
    device_id = await phone(db)
    planned = [delivery(device_id) for _ in range(200)]
    await enqueue(db, planned)
    later = NOW + 40_000
    shares = await asyncio.gather(*(claim(db, f"host:{n}", later, limit=60) for n in range(8)))
    shares += await asyncio.gather(*(claim(db, f"host:{n}", later) for n in range(2)))
    held = Counter(one.push.apns_id for share in shares for one in share)
    assert held == {one.push.apns_id: 1 for one in planned}


async def test_a_lease_is_respected_until_it_runs_out(db: Database) -> None:
    planned = delivery(await phone(db))
    await enqueue(db, [planned])
    assert await claim(db, "host:2", NOW + 39_999) == []
    assert await claim(db, "host:1", NOW + 39_999) == []
    assert await claim(db, "host:2", NOW + 40_000) == [planned]
    assert await claim(db, "host:1", NOW + 40_001) == []


@pytest.mark.parametrize(
    ("holder", "freed"), [("my_host:1", True), ("my_host:10", False), ("my-host:1", False)]
)
async def test_a_relay_frees_what_it_held_and_nothing_else(db: Database, holder: str, freed: bool) -> None:
    planned = delivery(await phone(db))
    await enqueue(db, [planned], owner=holder)
    await deliveries.release_leases(db, "my_host:1")
    assert await claim(db, "x:1", NOW) == ([planned] if freed else [])


async def test_the_limit_is_kept_and_the_longest_due_come_first(db: Database) -> None:
    device_id = await phone(db)
    planned = [delivery(device_id, created_at=NOW + number) for number in range(5)]
    await enqueue(db, planned[::-1])
    first = await claim(db, "host:2", NOW + 40_000, limit=2)
    assert {one.push.apns_id for one in first} == {one.push.apns_id for one in planned[:2]}
    assert await claim(db, "host:2", NOW + 40_000, limit=0) == []


async def test_a_phone_that_unregistered_meanwhile_ends_as_failed(db: Database) -> None:
    gone, here = delivery(await phone(db, "cd")), delivery(await phone(db))
    await enqueue(db, [gone, here])
    await devices.unregister(db, secret_hash=SECRET, device_token="cd")
    assert await claim(db, "host:2", NOW + 40_000) == [here]
    found = {row["id"]: row for row in await rows(db)}[gone.push.apns_id]
    assert (found["status"], found["payload"]) == ("failed", None)
    assert found["error"] == "the phone unregistered"


async def test_sent_is_written_without_the_text(db: Database) -> None:
    planned = delivery(await phone(db), attempts=2)
    await enqueue(db, [planned])
    await deliveries.save(db, [result(planned, latency_ms=12, at=NOW + 7)])
    (row,) = await rows(db)
    assert (row["status"], row["http_status"], row["reason"], row["error"]) == ("sent", 200, None, None)
    assert (row["attempts"], row["latency_ms"], row["updated_at"]) == (3, 12, NOW + 7)
    assert (row["payload"], row["lease_owner"], row["lease_until"]) == (None, None, 0)
    assert await claim(db, "host:2", NOW * 2) == []


async def test_failed_says_why_and_in_which_environment(db: Database) -> None:
    planned = delivery("d1")
    await enqueue(db, [planned])
    outcome = replace(answered(400, "BadTopic", apns_env="sandbox"), error="é" * 1024)
    await deliveries.save(db, [result(planned, "failed", outcome)])
    (row,) = await rows(db)
    assert (row["status"], row["apns_env"], row["reason"]) == ("failed", "sandbox", "BadTopic")
    assert (row["error"], row["payload"]) == ("é" * 1024, None)


@pytest.mark.parametrize(
    ("outcome", "reason", "error"),
    [
        (not_sent("x" * 5000), None, "x" * 1024),
        (answered(400, "R" * 100), "R" * 64, None),
        (maybe_sent("a\udcffb"), None, "a?b"),
        (answered(500, ""), None, None),
    ],
)
async def test_what_is_kept_of_an_outcome_fits_the_table(
    db: Database, outcome: Outcome, reason: str | None, error: str | None
) -> None:
    planned = delivery("d1")
    await deliveries.save(db, [result(planned, "failed", outcome)])
    (row,) = await rows(db)
    assert (row["reason"], row["error"]) == (reason, error)


async def test_queued_again_keeps_its_text_and_is_due_later(db: Database) -> None:
    planned = delivery(await phone(db))
    await enqueue(db, [planned])
    await deliveries.save(db, [result(planned, "queued", not_sent("refused"), due_at=NOW + 900)])
    assert await deliveries.next_due_at(db) == NOW + 900
    assert await claim(db, "host:2", NOW + 899) == []
    refused = PastAttempt(1, NOW, "production", None, None, "refused", 1)
    assert await claim(db, "host:2", NOW + 900) == [replace(planned, attempts=1, past_attempts=(refused,))]


async def test_old_rows_go_in_portions_but_never_queued_ones(db: Database) -> None:
    planned = [delivery("d1", created_at=NOW + number) for number in range(5)]
    await enqueue(db, planned)
    await deliveries.save(db, [result(one) for one in planned[1:]])
    assert await deliveries.forget(db, before_ms=NOW + 4, limit=2) == 2
    assert await deliveries.forget(db, before_ms=NOW + 4, limit=2) == 1
    assert await deliveries.forget(db, before_ms=NOW + 4, limit=2) == 0
    assert [row["id"] for row in await rows(db)] == [planned[n].push.apns_id for n in (0, 4)]
