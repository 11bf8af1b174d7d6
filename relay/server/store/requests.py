"""Queries on pending_request: every change of a state is one statement that holds only if the state was the one before."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from relay.answers import Answer, FetchedAnswer, Outcome, nonce_hash, without_secret
from relay.contract import Request
from relay.server.store.sql import Database, marks

MOST_PENDING = 100
"""Of one secret; a session that asks more is not answered by a phone."""
MOST_WRONG = 10
KEPT_MS = 86_400_000
"""So long after its expiry a request is remembered, so that a late answer is told what became of it."""

_NAMESPACE = uuid.UUID("5b8c0f52-2f2a-5c58-8f3a-7d0f3c1e9a77")


def row_id(secret_hash: str, request_id: str) -> str:
    """The key. A hash, because MySQL's own comparison ignores case."""
    return str(uuid.uuid5(_NAMESPACE, f"{secret_hash}|{request_id}"))


async def pending(db: Database, secret_hash: str, *, now_ms: int) -> int:
    """How many requests of the secret wait for an answer."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS n FROM pending_request WHERE secret_hash = ? AND state = 'pending' AND expires_at > ?",
        [secret_hash, now_ms],
    )
    return int(rows[0]["n"])


async def keep(db: Database, request: Request, *, secret_hash: str, session_id: str, now_ms: int) -> None:
    """Remember a request. One that is there already stays as it is, whatever became of it."""
    row = {
        "id": row_id(secret_hash, request.id),
        "secret_hash": secret_hash,
        "request_id": request.id,
        "session_id": session_id,
        "nonce_hash": nonce_hash(request.nonce),
        "wrong_nonces": 0,
        "state": "pending",
        "expires_at": request.expires_at * 1000,
        "created_at": now_ms,
    }
    await db.insert_new("pending_request", [row])


async def find(db: Database, secret_hash: str, request_id: str) -> dict[str, Any] | None:
    """The row of a request."""
    _, rows = await db.execute(
        "SELECT * FROM pending_request WHERE id = ?", [row_id(secret_hash, request_id)]
    )
    return dict(rows[0]) if rows else None


async def answer(db: Database, given: Answer, *, secret_hash: str, expires_at_ms: int, now_ms: int) -> bool:
    """Take the answer, if the request still waits for one and the nonce is its own."""
    by = given.device_token[-8:].lower() if given.device_token else None
    count, _ = await db.execute(
        "UPDATE pending_request SET state = 'answered', answer = ?, answered_by = ?, answered_at = ? "
        "WHERE id = ? AND state = 'pending' AND expires_at = ? AND expires_at > ? AND nonce_hash = ?",
        [
            without_secret(given, expires_at_ms // 1000).decode(),
            by,
            now_ms,
            row_id(secret_hash, given.request_id),
            expires_at_ms,
            now_ms,
            nonce_hash(given.nonce),
        ],
    )
    return count == 1


async def note_wrong_nonce(db: Database, secret_hash: str, request_id: str) -> None:
    """Somebody guesses; after ten times the request takes no answer any more."""
    key = row_id(secret_hash, request_id)
    await db.execute("UPDATE pending_request SET wrong_nonces = wrong_nonces + 1 WHERE id = ?", [key])
    await db.execute(
        "UPDATE pending_request SET state = 'closed' WHERE id = ? AND state = 'pending' AND wrong_nonces >= ?",
        [key, MOST_WRONG],
    )


async def withdraw(db: Database, secret_hash: str, request_ids: Sequence[str]) -> None:
    """Nobody waits for these any more. One that was answered already stays answered."""
    keys = [row_id(secret_hash, request_id) for request_id in request_ids]
    await db.execute(
        f"UPDATE pending_request SET state = 'withdrawn' WHERE id IN ({marks(keys)}) AND state = 'pending'",
        keys,
    )


async def unacknowledged(db: Database, secret_hash: str) -> list[FetchedAnswer]:
    """The answers that the bridge has not acknowledged, the oldest first."""
    _, rows = await db.execute(
        "SELECT answer FROM pending_request WHERE secret_hash = ? AND state = 'answered' AND outcome IS NULL "
        "ORDER BY answered_at, id",
        [secret_hash],
    )
    return [msgspec.json.decode(row["answer"], type=FetchedAnswer) for row in rows]


async def with_answers(db: Database, secret_hashes: Sequence[str]) -> set[str]:
    """Those of the secrets that have an answer which was not acknowledged."""
    _, rows = await db.execute(
        f"SELECT DISTINCT secret_hash FROM pending_request WHERE secret_hash IN ({marks(secret_hashes)}) "
        "AND state = 'answered' AND outcome IS NULL",
        secret_hashes,
    )
    return {row["secret_hash"] for row in rows}


async def acknowledge(db: Database, secret_hash: str, request_id: str, outcome: Outcome) -> None:
    """The bridge is through with the answer, which is dropped; the first outcome stays."""
    await db.execute(
        "UPDATE pending_request SET outcome = ?, answer = NULL WHERE id = ? AND state = 'answered' AND outcome IS NULL",
        [outcome, row_id(secret_hash, request_id)],
    )


async def sweep(db: Database, *, now_ms: int) -> None:
    """Forget what is long over."""
    await db.execute("DELETE FROM pending_request WHERE expires_at < ?", [now_ms - KEPT_MS])
