"""Who gets the pushes of an event, and queries on delivery_log: the log of pushes and, while a row is queued, the outbox."""

import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from relay.log import line
from relay.server.delivery import Delivery, DeliveryResult, DeliveryStatus, Recipient
from relay.server.store.delivery_rows import SAVED, delivery_of, row_of, saved_row
from relay.server.store.shards import ALL, OVERDUE_MS, Shards, shard_of
from relay.server.store.sql import ROWS_A_STATEMENT, Database, Refused, Row, apart, chunks, marks
from relay.server.turns import by_turns

log = logging.getLogger("relay.server.store")

PHONES_AT_ONCE, PAGE = 1000, ROWS_A_STATEMENT
"""So many phones are read for all events of a batch together; of a secret with many, a page at a time, as many as a statement takes."""
LONGEST_PAUSE_MS = 2 * 3_600_000
"""More than any delivery waits for its next attempt: what is due later was written by a clock that was ahead."""
CLOCKS_APART_MS = 5_000
"""So much the clocks of two relays may differ."""
_FREE = "status = 'queued' AND (due_at <= ? OR due_at > ?) AND lease_until <= ?"
_PART = " AND shard >= ? AND shard < ?"
TURN, TURN_PAGE = 10, 100
"""Where more is due than one claim takes: rows of a secret with which it counts, and rows that are read at a time. A claim sees so
fifty secrets and more, and of one that has very much it reads no more than a page.
"""


async def recipients_of(db: Database, secret_hashes: Sequence[str]) -> list[list[Recipient]]:
    """The phones of each secret, in the order in which they came."""
    return _by_secret(secret_hashes, await _phones(db, secret_hashes))


async def recipients_at_once(db: Database, secret_hashes: Sequence[str]) -> list[list[Recipient] | None]:
    """The same; None for a secret with so many phones that it would keep the others waiting: read it with `pages_of`."""
    rows = await _phones(db, secret_hashes, f" LIMIT {PHONES_AT_ONCE + 1}")
    if len(rows) <= PHONES_AT_ONCE:
        return [*_by_secret(secret_hashes, rows)]
    secrets = list(dict.fromkeys(secret_hashes))
    few = [secret_hash for secret_hash in secrets if not await _has_many(db, secret_hash)]
    found = dict(zip(few, await recipients_of(db, few) if few else [], strict=True))
    return [found.get(secret_hash) for secret_hash in secret_hashes]


async def _has_many(db: Database, secret_hash: str) -> bool:
    """Whether a secret has more phones than a page. It reads no more of them than that."""
    _, rows = await db.execute(
        "SELECT id FROM device_registration WHERE secret_hash = ? LIMIT ?", [secret_hash, PAGE + 1]
    )
    return len(rows) > PAGE


async def _phones(db: Database, secret_hashes: Sequence[str], limit: str = "") -> Sequence[Any]:
    """In the order in which they came. Not sorted by the database: it would read a million phones to give the first ones."""
    secrets = list(dict.fromkeys(secret_hashes))
    _, rows = await db.execute(f"{PHONE} WHERE secret_hash IN ({marks(secrets)}){limit}", secrets)
    return sorted(rows, key=itemgetter("created_at", "id"))


def _by_secret(secret_hashes: Sequence[str], rows: Sequence[Any]) -> list[list[Recipient]]:
    found: dict[str, list[Recipient]] = {secret_hash: [] for secret_hash in secret_hashes}
    for row in rows:
        found[row["secret_hash"]].append(recipient(row))
    return [found[secret_hash] for secret_hash in secret_hashes]


async def pages_of(db: Database, secret_hash: str) -> AsyncIterator[list[Recipient]]:
    """The phones of a secret with many, a page at a time, so that others ask the database in between."""
    after = ""
    while True:
        _, rows = await db.execute(
            f"{PHONE} WHERE secret_hash = ? AND device_token > ? ORDER BY device_token LIMIT ?",
            [secret_hash, after, PAGE],
        )
        if rows:
            yield [recipient(row) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1]["device_token"]


class Enqueued(NamedTuple):
    """The deliveries that were not there yet, leased to their owner; and by id those that the database does not take."""

    new: list[Delivery]
    refused: dict[str, Refused]


async def enqueue(db: Database, deliveries: Sequence[Delivery], *, owner: str, lease_until: int) -> Enqueued:
    """Write the deliveries down before they are sent. What the database refuses costs no other its place."""
    claim = _claim(owner)
    by_id: dict[str, Delivery] = {}
    for delivery in deliveries:
        by_id.setdefault(delivery.push.apns_id, delivery)
    fresh: set[str] = set()
    refused: dict[str, Refused] = {}

    async def write(rows: Sequence[Row]) -> None:
        ids = [row["id"] for row in rows]
        every = await db.insert_new("delivery_log", rows) == len(rows)
        fresh.update(ids if every else await _claimed(db, ids, claim))

    for rows in chunks([row_of(delivery, claim, lease_until) for delivery in by_id.values()]):
        refused |= {row["id"]: error for row, error in await apart(rows, write)}
    return Enqueued([delivery for apns_id, delivery in by_id.items() if apns_id in fresh], refused)


async def _claimed(db: Database, ids: Sequence[str], claim: str) -> list[str]:
    """Which of the rows this claim holds. By their ids, because no index leads to a claim."""
    _, rows = await db.execute(
        f"SELECT id FROM delivery_log WHERE id IN ({marks(ids)}) AND lease_owner = ?", [*ids, claim]
    )
    return [row["id"] for row in rows]


async def statuses(db: Database, *, secret_hash: str, event_id: str) -> dict[str, DeliveryStatus]:
    """The deliveries of an event by id. MySQL's `=` ignores case, an event id does not."""
    _, rows = await db.execute(
        "SELECT id, event_id, status FROM delivery_log WHERE secret_hash = ? AND event_id = ?",
        [secret_hash, event_id],
    )
    return {row["id"]: row["status"] for row in rows if row["event_id"] == event_id}


class Claimed(NamedTuple):
    """What was taken over. `lost`: rows that another relay took first. `more`: as many as were asked for, so more may be due.
    `after`: the secret with which the next claim goes on.
    """

    deliveries: list[Delivery]
    lost: int = 0
    more: bool = False
    after: str = ""


async def claim_due(
    db: Database,
    *,
    owner: str,
    now_ms: int,
    lease_until: int,
    limit: int,
    places: Callable[[str], int] | None = None,
    shards: Shards = ALL,
    after: str = "",
) -> Claimed:
    """Take over deliveries that are due and that nobody holds; no other relay gets them before `lease_until`.

    The longest due come first; where more is due than the limit, secrets take turns, from the one behind `after` on. `places`: how
    many of a secret may be taken. `shards` are those of this relay; of others it takes what is overdue. Three statements, of which
    the first finds nothing when there is nothing to do. The claim is unique, so the third reads exactly what the second took.
    """
    found, after = await _due(db, now_ms, limit, shards, after)
    due = by_turns(found.items(), owner=itemgetter(1), places=places or (lambda _: limit), most=limit)
    if not due:
        return Claimed([], after=after)
    claim = _claim(owner)
    # In one order everywhere, so that two relays that meet do not wait for each other's locks.
    ids = sorted(delivery_id for delivery_id, _ in due)
    taken, _ = await db.execute(
        f"UPDATE delivery_log SET lease_owner = ?, lease_until = ? WHERE id IN ({marks(ids)}) AND {_FREE}",
        [claim, lease_until, *ids, *_free(now_ms)],
    )
    _, claimed = await db.execute(
        "SELECT d.*, r.device_token, r.updated_at AS registered_at FROM delivery_log d "
        "JOIN device_registration r ON r.id = d.device_id AND r.secret_hash = d.secret_hash "
        f"WHERE d.id IN ({marks(ids)}) AND d.lease_owner = ?",
        [*ids, claim],
    )
    if rest := [*{*ids} - {row["id"] for row in claimed}]:
        await _fail_unregistered(db, rest, claim, now_ms)
    return Claimed(
        [delivery_of(row) for row in claimed], len(ids) - taken, more=len(ids) == limit, after=after
    )


def _free(now_ms: int) -> list[int]:
    """The values of _FREE."""
    return [now_ms, now_ms + LONGEST_PAUSE_MS, now_ms]


Found = dict[str, str]
"""Secrets of rows that are due, by the rows' ids; those that come first are taken first."""


async def _due(db: Database, now_ms: int, limit: int, shards: Shards, after: str) -> tuple[Found, str]:
    """What may be claimed, and the secret behind which the next claim goes on."""
    part = [] if shards.all else [*shards]
    oldest = await _found(db, _PART if part else "", [*_free(now_ms), *part], "due_at", limit)
    if len(oldest) < limit:
        if part:
            oldest |= await _found(db, "", _free(now_ms - OVERDUE_MS), "due_at", limit - len(oldest))
        return oldest, ""
    each, after = await _of_each(db, now_ms, limit, shards, after)
    return each | oldest, after


async def _of_each(db: Database, now_ms: int, limit: int, shards: Shards, after: str) -> tuple[Found, str]:
    """What is due of one secret after the other, once around at most; of one that has much only the first page is read."""
    found: Found = {}
    began = after
    around = not after
    while _spread(found) < limit:
        page = await _page(db, now_ms, shards, after)
        found |= page
        if page:
            after = next(reversed(page.values()))
        if len(page) < TURN_PAGE:
            if around:
                return found, ""
            around, after = True, ""
        elif around and after >= began > "":
            break
    return found, after


def _spread(found: Found) -> int:
    """How many rows a claim has to choose from, of which no secret counts for more than a few."""
    return sum(min(count, TURN) for count in Counter(found.values()).values())


async def _page(db: Database, now_ms: int, shards: Shards, after: str) -> Found:
    """The next rows in the order of secrets, behind one."""
    first, end = shards
    page: Found = {}
    if after and first <= shard_of(after) < end:
        first = shard_of(after)
        of_shard = " AND shard = ? AND secret_hash > ?"
        values = [*_free(now_ms), first, after]
        page = await _found(db, of_shard, values, "secret_hash, due_at", TURN_PAGE)
        first += 1
    if len(page) < TURN_PAGE:
        values = [*_free(now_ms), first, end]
        page |= await _found(db, _PART, values, "shard, secret_hash, due_at", TURN_PAGE - len(page))
    return page


async def _found(db: Database, which: str, values: Sequence[Any], order: str, limit: int) -> Found:
    _, rows = await db.execute(
        f"SELECT id, secret_hash FROM delivery_log WHERE {_FREE}{which} ORDER BY {order} LIMIT ?",
        [*values, limit],
    )
    return {row["id"]: row["secret_hash"] for row in rows}


async def _fail_unregistered(db: Database, ids: Sequence[str], claim: str, now_ms: int) -> None:
    """What this claim took without finding a phone is for phones that unregistered meanwhile, and ends as failed."""
    await db.execute(
        "UPDATE delivery_log SET status = 'failed', payload = NULL, error = 'the phone unregistered', updated_at = ? "
        f"WHERE id IN ({marks(ids)}) AND lease_owner = ?",
        [now_ms, *ids, claim],
    )


async def release_leases(db: Database, owner: str) -> None:
    """What this relay held when it was killed is free again. Call at start, when the address is ours."""
    await db.execute(
        "UPDATE delivery_log SET lease_until = 0 WHERE status = 'queued' AND SUBSTR(lease_owner, 1, ?) = ?",
        [len(owner) + 1, f"{owner}#"],
    )


async def bring_forward(db: Database, *, now_ms: int, longest_lease_ms: int) -> None:
    """What a clock that was ahead wrote is due now, and no lease lasts longer than one that is taken now."""
    await db.execute(
        "UPDATE delivery_log SET due_at = ?, updated_at = ? WHERE status = 'queued' AND due_at > ? AND updated_at > ?",
        [now_ms, now_ms, now_ms, now_ms + CLOCKS_APART_MS],
    )
    lease_until = now_ms + longest_lease_ms
    await db.execute(
        "UPDATE delivery_log SET lease_until = ? WHERE status = 'queued' AND lease_until > ?",
        [lease_until, lease_until + CLOCKS_APART_MS],
    )


async def save(db: Database, results: Sequence[DeliveryResult]) -> None:
    """Write down how attempts ended. Where the database refuses the words of one, its status is written without them."""

    async def write(rows: Sequence[Row]) -> None:
        await db.upsert("delivery_log", rows, key="id", updated=SAVED)

    for rows in chunks([saved_row(result) for result in results]):
        for row, error in await apart(rows, write):
            log.error(line("result refused", apnsID=row["id"], error=error))
            await write([{**row, "reason": None, "error": "the database refused the words of this result"}])


async def forget(db: Database, *, before_ms: int, limit: int) -> int:
    """Remove up to `limit` settled rows that were made before; returns how many."""
    return await db.delete_some("delivery_log", "created_at < ? AND status <> 'queued'", [before_ms], limit)


async def next_due_at(db: Database) -> int | None:
    """When the next queued delivery is due or was (UTC ms); None: none is queued."""
    _, rows = await db.execute("SELECT MIN(due_at) AS due_at FROM delivery_log WHERE status = 'queued'")
    return rows[0]["due_at"] and int(rows[0]["due_at"])


async def waiting(db: Database, *, limit: int) -> tuple[int, int | None]:
    """How many are queued, at most `limit`, and when the event of the oldest came (UTC ms); None: none is."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS n, MIN(created_at) AS since FROM "
        "(SELECT created_at FROM delivery_log WHERE status = 'queued' LIMIT ?) AS queued",
        [limit],
    )
    return int(rows[0]["n"]), rows[0]["since"]


async def count(db: Database) -> int:
    """Logged deliveries."""
    _, rows = await db.execute("SELECT COUNT(*) AS n FROM delivery_log")
    return int(rows[0]["n"])


def _claim(owner: str) -> str:
    return f"{owner}#{uuid.uuid4().hex[:12]}"


PHONE = (
    "SELECT id, secret_hash, device_token, bundle_id, apns_env, created_at, updated_at, push_to_start_token, activity_format "
    "FROM device_registration"
)


def recipient(row: Any) -> Recipient:
    """A row that PHONE gave."""
    return Recipient(
        device_id=row["id"],
        device_token=row["device_token"],
        bundle_id=row["bundle_id"],
        apns_env=row["apns_env"],
        registered_at=row["updated_at"],
        push_to_start_token=row["push_to_start_token"],
        activity_format=row["activity_format"] or "flat",
    )
