"""Who gets the pushes of an event, and queries on delivery_log: the log of pushes and, while a row is queued, the outbox."""

import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec

from relay.apns.push import Push
from relay.log import line
from relay.server.delivery import Delivery, DeliveryResult, DeliveryStatus, PastAttempt, Recipient
from relay.server.store.sql import ROWS_A_STATEMENT, Database, Refused, Row, apart, chunks, marks

log = logging.getLogger("relay.server.store")

_SAVED = ("apns_env", "payload", "status", "attempts", "http_status", "reason", "error", "latency_ms", "due_at", "expires_at",
            "lease_owner", "lease_until", "updated_at", "past_attempts")  # fmt: skip
PHONES_AT_ONCE, PAGE = 1000, ROWS_A_STATEMENT
"""So many phones are read for all events of a batch together; of a secret with many, a page at a time, as many as a statement takes."""
LONGEST_REASON, LONGEST_ERROR = 64, 1024
"""Characters that fit the columns."""
MOST_PAST, LONGEST_PAST_ERROR = 20, 200
"""Attempts of a delivery that are remembered, the newest, and of each so much of our own words."""
LONGEST_PAUSE_MS = 2 * 3_600_000
"""More than any delivery waits for its next attempt: what is due later was written by a clock that was ahead."""
CLOCKS_APART_MS = 5_000
"""So much the clocks of two relays may differ."""
_FREE = "status = 'queued' AND (due_at <= ? OR due_at > ?) AND lease_until <= ?"


async def recipients_of(db: Database, secret_hashes: Sequence[str]) -> list[list[Recipient]]:
    """The phones of each secret, in the order in which they came."""
    _, rows = await _phones(db, secret_hashes)
    return _by_secret(secret_hashes, rows)


async def recipients_at_once(db: Database, secret_hashes: Sequence[str]) -> list[list[Recipient] | None]:
    """The same; None for a secret with so many phones that it would keep the others waiting: read it with `pages_of`."""
    _, rows = await _phones(db, secret_hashes, f" LIMIT {PHONES_AT_ONCE + 1}")
    if len(rows) <= PHONES_AT_ONCE:
        return [*_by_secret(secret_hashes, rows)]
    secrets = list(dict.fromkeys(secret_hashes))
    _, counted = await db.execute(
        f"SELECT secret_hash, COUNT(*) AS n FROM device_registration WHERE secret_hash IN ({marks(secrets)}) "
        "GROUP BY secret_hash",
        secrets,
    )
    many = {row["secret_hash"] for row in counted if row["n"] > PAGE}
    few = [secret_hash for secret_hash in secrets if secret_hash not in many]
    found = dict(zip(few, await recipients_of(db, few) if few else [], strict=True))
    return [found.get(secret_hash) for secret_hash in secret_hashes]


async def _phones(db: Database, secret_hashes: Sequence[str], limit: str = "") -> tuple[int, Sequence[Any]]:
    secrets = list(dict.fromkeys(secret_hashes))
    return await db.execute(
        f"{PHONE} WHERE secret_hash IN ({marks(secrets)}) ORDER BY created_at, id{limit}", secrets
    )


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

    for rows in chunks([_row(delivery, claim, lease_until) for delivery in by_id.values()]):
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


async def claim_due(db: Database, *, owner: str, now_ms: int, lease_until: int, limit: int) -> list[Delivery]:
    """Take over deliveries that are due and that nobody holds; no other relay gets them before `lease_until`.

    Three statements, of which the first finds nothing when there is nothing to do. The claim is unique, so the third
    reads exactly what the second took.
    """
    free = (now_ms, now_ms + LONGEST_PAUSE_MS, now_ms)
    _, rows = await db.execute(
        f"SELECT id FROM delivery_log WHERE {_FREE} ORDER BY due_at LIMIT ?", [*free, limit]
    )
    if not rows:
        return []
    claim = _claim(owner)
    ids = [row["id"] for row in rows]
    await db.execute(
        f"UPDATE delivery_log SET lease_owner = ?, lease_until = ? WHERE id IN ({marks(ids)}) AND {_FREE}",
        [claim, lease_until, *ids, *free],
    )
    _, claimed = await db.execute(
        "SELECT d.*, r.device_token, r.updated_at AS registered_at FROM delivery_log d "
        f"JOIN device_registration r ON r.id = d.device_id WHERE d.id IN ({marks(ids)}) AND d.lease_owner = ?",
        [*ids, claim],
    )
    if rest := [*{*ids} - {row["id"] for row in claimed}]:
        await _fail_unregistered(db, rest, claim, now_ms)
    return [_delivery(row) for row in claimed]


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
        await db.upsert("delivery_log", rows, key="id", updated=_SAVED)

    for rows in chunks([_saved_row(result) for result in results]):
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


def _row(delivery: Delivery, claim: str | None, lease_until: int) -> dict[str, Any]:
    push = delivery.push
    return {
        "id": push.apns_id,
        "secret_hash": delivery.secret_hash,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "session_id": delivery.session_id,
        "device_id": delivery.device_id,
        "token_suffix": push.device_token[-8:],
        "apns_env": push.apns_env,
        "topic": push.topic,
        "push_type": push.push_type,
        "priority": push.priority,
        "collapse_id": push.collapse_id,
        "expires_at": push.expiration * 1000,
        "payload": push.payload.decode(),
        "status": "queued",
        "attempts": delivery.attempts,
        "http_status": None,
        "reason": None,
        "error": None,
        "latency_ms": None,
        "due_at": delivery.created_at,
        "lease_owner": claim,
        "lease_until": lease_until,
        "created_at": delivery.created_at,
        "updated_at": delivery.created_at,
    }


def _saved_row(result: DeliveryResult) -> dict[str, Any]:
    row = _row(result.delivery, None, 0)
    return row | {
        "apns_env": result.apns_env,
        "payload": row["payload"] if result.status == "queued" else None,
        "status": result.status,
        "attempts": result.delivery.attempts + 1,
        "http_status": result.outcome.status,
        "reason": _fitting(result.outcome.reason, LONGEST_REASON),
        "error": _fitting(result.outcome.error, LONGEST_ERROR),
        "latency_ms": result.latency_ms,
        "due_at": result.due_at,
        "updated_at": result.at,
        "past_attempts": _past(result),
    }


def _past(result: DeliveryResult) -> str | None:
    """As JSON. Of a settled delivery the last attempt is in the row itself."""
    past = result.delivery.past_attempts
    if result.status == "queued":
        outcome = result.outcome
        past += (
            PastAttempt(
                result.delivery.attempts + 1,
                result.at,
                result.outcome.apns_env,
                outcome.status,
                _fitting(outcome.reason, LONGEST_REASON),
                _fitting(outcome.error, LONGEST_PAST_ERROR),
                result.latency_ms,
            ),
        )
    return msgspec.json.encode(past[-MOST_PAST:]).decode() if past else None


def _fitting(text: str | None, limit: int) -> str | None:
    """What a column takes: so long, and no lone surrogates, which JSON can carry and no database stores."""
    return text[:limit].encode(errors="replace").decode() if text else None


def _delivery(row: dict[str, Any]) -> Delivery:
    push = Push(
        apns_id=row["id"],
        device_token=row["device_token"],
        apns_env=row["apns_env"],
        topic=row["topic"],
        push_type=row["push_type"],
        priority=row["priority"],
        expiration=row["expires_at"] // 1000,
        collapse_id=row["collapse_id"],
        payload=row["payload"].encode(),
    )
    return Delivery(
        push=push,
        secret_hash=row["secret_hash"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        session_id=row["session_id"],
        device_id=row["device_id"],
        created_at=row["created_at"],
        registered_at=row["registered_at"],
        attempts=row["attempts"],
        past_attempts=past_attempts(row["past_attempts"]),
    )


def past_attempts(text: str | None) -> tuple[PastAttempt, ...]:
    """What `past_attempts` of a row says, the oldest first."""
    return tuple(msgspec.json.decode(text, type=list[PastAttempt])) if text else ()


PHONE = (
    "SELECT id, secret_hash, device_token, bundle_id, apns_env, updated_at, push_to_start_token, activity_format "
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
