"""Claims of several relays, and of one relay of which one secret wants very much: on both databases."""

import asyncio
from collections import Counter
from dataclasses import replace

from outcomes import ALERT, delivery
from relay.contract import DeviceRegister
from relay.server.delivery import Delivery
from relay.server.live_activities.activity import Activity, activity_id
from relay.server.store import activities, deliveries, devices, shards
from relay.server.store.deliveries import Claimed
from relay.server.store.shards import ALL, OVERDUE_MS, Presence, Shards
from relay.server.store.sql import Database
from simulator.clock import VirtualClock

NOW = 1_800_000_000_000
FLOOD = "80" + "f" * 62
BEFORE, BESIDE, BEHIND, LAST = "00" + "a" * 62, "80" + "0" * 62, "80" + "f" * 61 + "0", "ff" + "a" * 62
VICTIMS = [BEFORE, BESIDE, BEHIND, LAST]
LOW, HIGH = Shards(0, 128), Shards(128, 256)


async def planned(db: Database, secret_hash: str, count: int, at_ms: int = NOW) -> list[Delivery]:
    """Alerts that wait for a relay that has room."""
    device = DeviceRegister(secret="s" * 16, device_token="ab" * 32)
    await devices.register(db, device, secret_hash=secret_hash, bundle_id="com.example.app", now_ms=NOW)
    (phone,) = await devices.recipients(db, secret_hash)
    of = {"secret_hash": secret_hash, "device_id": phone.device_id, "registered_at": phone.registered_at}
    push = replace(ALERT, device_token=phone.device_token)
    made = [delivery(at_ms, push=push, **of) for _ in range(count)]
    await deliveries.enqueue(db, made, owner="host:1", lease_until=0)
    return made


async def claim(
    db: Database, owner: str, at_ms: int = NOW + 10, limit: int = 50, part: Shards = ALL, after: str = ""
) -> Claimed:
    lease_until = at_ms + 40_000
    return await deliveries.claim_due(
        db, owner=owner, now_ms=at_ms, lease_until=lease_until, limit=limit, shards=part, after=after
    )


def by_secret(*claimed: Claimed) -> Counter[str]:
    return Counter(one.secret_hash for found in claimed for one in found.deliveries)


async def test_a_backlog_of_one_secret_keeps_no_others_alert_waiting(db: Database) -> None:
    """Every claim has the others', wherever their hashes lie beside that of the flood; in the end all was taken once."""
    flood = await planned(db, FLOOD, 260, NOW - 1000)
    later = [one for victim in VICTIMS for one in await planned(db, victim, 2)]
    first = await claim(db, "host:2")
    assert by_secret(first) == {FLOOD: 42, **dict.fromkeys(VICTIMS, 2)}
    assert first.more
    every = [first]
    while every[-1].more:
        every.append(await claim(db, "host:2", after=every[-1].after))
    assert len(every) == 6
    taken = Counter(one.push.apns_id for found in every for one in found.deliveries)
    assert taken == {one.push.apns_id: 1 for one in (*flood, *later)}


async def test_where_many_secrets_have_much_all_come_to_their_turns(db: Database) -> None:
    secrets = [f"{number:02x}" + "e" * 62 for number in range(0, 256, 32)]
    for number, secret in enumerate(secrets):
        await planned(db, secret, 25, NOW - number)
    after, every = "", []
    for _ in range(4):
        every.append(await claim(db, "host:2", limit=20, after=after))
        after = every[-1].after
        counts = by_secret(*every)
        assert sum(counts.values()) == 20 * len(every)
    assert min(counts[secret] for secret in secrets) >= 4
    assert max(counts.values()) <= 20
    places = {secrets[0]: 0, secrets[1]: 3}
    found = await deliveries.claim_due(
        db,
        owner="host:2",
        now_ms=NOW + 10,
        lease_until=NOW + 99,
        limit=200,
        places=lambda of: places.get(of, 1),
    )
    assert (by_secret(found)[secrets[0]], by_secret(found)[secrets[1]]) == (0, 3)
    assert not found.more


async def test_relays_that_divide_the_shards_do_not_meet_and_leave_nothing(db: Database) -> None:
    low, high = await planned(db, BEFORE, 5), await planned(db, LAST, 5)
    one, other = await claim(db, "host:1", part=LOW, limit=4), await claim(db, "host:2", part=HIGH)
    assert (by_secret(one), by_secret(other)) == ({BEFORE: 4}, {LAST: 5})
    assert (one.lost, other.lost) == (0, 0)
    # The relay of the lower shards has died: what it left is taken when it is overdue, what it held when its lease is.
    assert by_secret(await claim(db, "host:2", NOW + OVERDUE_MS - 1, part=HIGH)) == {}
    assert by_secret(await claim(db, "host:2", NOW + OVERDUE_MS, part=HIGH)) == {BEFORE: 1}
    lease = NOW + 10 + 40_000
    assert by_secret(await claim(db, "host:2", lease, part=HIGH)) == {LAST: 5}
    assert by_secret(await claim(db, "host:2", lease + OVERDUE_MS, part=HIGH)) == {BEFORE: 4}
    # A relay of before these shards wrote a row.
    await db.execute("UPDATE delivery_log SET shard = NULL, lease_until = 0, due_at = ?", [NOW])
    assert by_secret(await claim(db, "host:2", NOW + OVERDUE_MS, part=HIGH, limit=20)) == {BEFORE: 5, LAST: 5}
    assert len({each.push.apns_id for each in (*low, *high)}) == 10


async def test_what_another_relay_took_first_is_counted_as_lost(db: Database) -> None:
    await planned(db, BEFORE, 30)
    found = await asyncio.gather(*(claim(db, f"host:{number}") for number in range(3)))
    assert by_secret(*found) == {BEFORE: 30}
    assert all(len(each.deliveries) + each.lost in {0, 30} for each in found)


def card(secret_hash: str, number: int, due_at: int) -> Activity:
    return Activity(
        id=activity_id(secret_hash, f"ses_{number}", "ab"), secret_hash=secret_hash, session_id=f"ses_{number}",
        device_token="ab", bundle_id="com.example.app", apns_env="production", activity_format="flat",
        stage="active", event_type="progress", began_at=NOW, updated_at=NOW, due_at=due_at,
    )  # fmt: skip


async def test_cards_are_found_by_shards_and_behind_those_of_a_secret_with_many(db: Database) -> None:
    many = [card(FLOOD, number, NOW - 100) for number in range(120)]
    few = [card(secret, 1, NOW) for secret in VICTIMS]
    await activities.insert(db, [*many, *few])
    assert len(await activities.of_session(db, FLOOD, "ses_1")) == 1

    async def due(limit: int = 500, at_ms: int = NOW, **which: object) -> Counter[str]:
        found = await activities.due(db, until_ms=at_ms, longest_ms=900_000, limit=limit, **which)  # type: ignore[arg-type]
        return Counter(one.secret_hash for one in found)

    assert await due(limit=100) == {FLOOD: 100}
    assert await due(limit=100, without={FLOOD}) == dict.fromkeys(VICTIMS, 1)
    assert await due(shards=LOW) == {BEFORE: 1}
    assert await due(shards=HIGH) == {FLOOD: 120, BESIDE: 1, BEHIND: 1, LAST: 1}
    assert await due(shards=LOW, at_ms=NOW + OVERDUE_MS) == {FLOOD: 120, **dict.fromkeys(VICTIMS, 1)}
    assert await due(shards=LOW, at_ms=NOW + OVERDUE_MS, without={FLOOD}) == dict.fromkeys(VICTIMS, 1)


async def test_a_session_with_very_many_cards_is_read_and_written_in_portions(db: Database) -> None:
    cards = [replace(card(FLOOD, 1, NOW), id=f"{number:036}", began_at=NOW - number) for number in range(450)]
    assert await activities.insert(db, cards)
    assert await activities.of_session(db, FLOOD, "ses_1") == cards[::-1]
    assert await activities.of_session(db, FLOOD, "SES_1") == []
    assert not await activities.insert(db, cards[:1])


async def test_relays_that_say_that_they_run_divide_the_shards(db: Database) -> None:
    """One that left is gone at once, one that died after a while. A file of SQLite is one relay's: nothing is written there."""
    clock = VirtualClock(NOW / 1000)
    one, other, third = (Presence(db, f"host:{number}", clock) for number in range(3))
    if not db.is_shared:
        assert [await each.refresh() for each in (one, other)] == [ALL, ALL]
        await one.leave()
        assert (await db.execute("SELECT owner FROM relay_presence"))[1] == []
        return
    assert await one.refresh() == ALL
    assert await other.refresh() == Shards(128, 256)
    assert await one.refresh() == ALL  # as of a moment ago
    await clock.advance(shards.ANNOUNCE_SECONDS)
    assert [await each.refresh() for each in (one, other)] == [LOW, HIGH]
    await third.refresh()
    await clock.advance(shards.ANNOUNCE_SECONDS)
    assert await one.refresh() == Shards(0, 85)
    await other.leave()
    await clock.advance(shards.ANNOUNCE_SECONDS)
    assert await one.refresh() == LOW
    await clock.advance(shards.ANNOUNCE_SECONDS)
    assert await one.refresh() == ALL  # nothing was heard of the third for fifteen seconds
