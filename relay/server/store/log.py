"""What an operator reads of delivery_log: the newest deliveries and one of them, never a text. Every statement is bounded, also where
the log has millions of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from relay.server.delivery import DeliveryStatus, PastAttempt
from relay.server.store.delivery_rows import past_attempts
from relay.server.store.sql import Database, marks

SEARCHED = 2_000
"""Rows that one statement may read to find those of a secret or those that failed: each may cost the database a page from its disk."""
_COLUMNS = (
    "id, secret_hash, event_id, event_type, session_id, device_id, token_suffix, apns_env, topic, push_type, priority, status, "
    "attempts, http_status, reason, error, latency_ms, due_at, created_at, updated_at, past_attempts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A row without its payload. Times are UTC milliseconds; the last attempt's answer is in `http_status`, `reason` and `error`."""

    id: str
    secret_hash: str
    event_id: str
    event_type: str
    session_id: str
    device_id: str
    token_suffix: str
    apns_env: str
    topic: str
    push_type: str
    priority: int
    status: DeliveryStatus
    attempts: int
    http_status: int | None
    reason: str | None
    error: str | None
    latency_ms: int | None
    due_at: int
    created_at: int
    updated_at: int
    past_attempts: tuple[PastAttempt, ...]


class Wanted(NamedTuple):
    """Which deliveries: of one secret (by its hash), of one status, made at that time (UTC ms) or later."""

    secret_hash: str | None = None
    status: DeliveryStatus | None = None
    since_ms: int = 0


class Position(NamedTuple):
    """A place in the log: those made before, and of those made then the ones with a smaller id, are older."""

    created_at: int
    id: str


FROM_THE_END = Position(2**62, "")


class Page(NamedTuple):
    """Deliveries, the newest first. `older`: where to read on, None at the end."""

    found: list[Logged]
    older: Position | None


async def newest(
    db: Database, wanted: Wanted, *, limit: int, before: Position = FROM_THE_END, searched: int = SEARCHED
) -> Page:
    """At most `limit` deliveries. Where many would have to be read for them there may be fewer, or none, and a place to read on."""
    if wanted.secret_hash is None and wanted.status is None:
        places, window_ends = await _places(db, wanted, "", [], limit + 1, before), None
    elif (few := await _few(db, wanted, searched)) is not None:
        places, window_ends = await _places(db, wanted, *few, limit + 1, before), None
    else:
        places, window_ends = await _in_window(db, wanted, limit + 1, before, searched)
    found = await by_id(db, [place.id for place in places[:limit]])
    return Page(found, places[limit - 1] if len(places) > limit else window_ends)


async def by_id(db: Database, ids: Sequence[str]) -> list[Logged]:
    """These, as far as they are there, in this order."""
    if not ids:
        return []
    _, rows = await db.execute(f"SELECT {_COLUMNS} FROM delivery_log WHERE id IN ({marks(ids)})", ids)
    found = {row["id"]: _logged(row) for row in rows}
    return [found[one] for one in ids if one in found]


async def beginning_with(db: Database, word: str, *, limit: int) -> list[Logged]:
    """Those whose id begins like that."""
    _, rows = await db.execute(
        "SELECT id FROM delivery_log WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", [word, word + "g", limit]
    )
    return await by_id(db, [row["id"] for row in rows if row["id"].startswith(word)])


async def _few(db: Database, wanted: Wanted, searched: int) -> tuple[str, list[Any]] | None:
    """A table of the rows that an index leads to, if they are few."""
    for column, value in (("secret_hash", wanted.secret_hash), ("status", wanted.status)):
        if value is None:
            continue
        rows = f"SELECT id, secret_hash, status, created_at FROM delivery_log WHERE {column} = ? LIMIT ?"
        _, counted = await db.execute(f"SELECT COUNT(*) AS n FROM ({rows}) AS few", [value, searched + 1])
        if counted[0]["n"] <= searched:
            return f"({rows}) AS few", [value, searched]
    return None


async def _places(
    db: Database, wanted: Wanted, table: str, values: Sequence[Any], limit: int, before: Position
) -> list[Position]:
    where, filled = _conditions(wanted)
    _, rows = await db.execute(
        f"SELECT id, created_at FROM {table or 'delivery_log'} WHERE created_at <= ? AND (created_at < ? OR id < ?) "
        f"AND created_at >= ?{where} ORDER BY created_at DESC, id DESC LIMIT ?",
        [*values, before.created_at, before.created_at, before.id, wanted.since_ms, *filled, limit],
    )
    return [Position(row["created_at"], row["id"]) for row in rows]


async def _in_window(
    db: Database, wanted: Wanted, limit: int, before: Position, searched: int
) -> tuple[list[Position], Position | None]:
    """Among so many rows of all secrets; and where the next so many begin, if there are more."""
    window = "FROM delivery_log WHERE created_at <= ? AND (created_at < ? OR id < ?) AND created_at >= ? ORDER BY created_at DESC, id DESC LIMIT ?"
    begins = [before.created_at, before.created_at, before.id, wanted.since_ms]
    _, last = await db.execute(f"SELECT id, created_at {window} OFFSET ?", [*begins, 1, searched - 1])
    ends = Position(last[0]["created_at"], last[0]["id"]) if last else None
    rows = f"(SELECT id, secret_hash, status, created_at {window}) AS w"
    return await _places(db, wanted, rows, [*begins, searched], limit, before), ends


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    given = {"secret_hash": wanted.secret_hash, "status": wanted.status}
    named = {column: value for column, value in given.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in named), list(named.values())


def _logged(row: Any) -> Logged:
    values = {name: row[name] for name in Logged.__slots__}
    return Logged(**values | {"past_attempts": past_attempts(row["past_attempts"])})
