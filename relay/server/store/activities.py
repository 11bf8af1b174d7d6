"""Queries on activity_registration: the Live Activities of each session.

A row changes by compare and set on its `revision`, so that every decision stands on what it was made of, whichever
relay made it.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from relay.contract import ContentState
from relay.server.live_activities.activity import EQUAL_PHASE_MS, SESSION, Activity, Alert, Changes
from relay.server.store.deliveries import CLOCKS_APART_MS
from relay.server.store.shards import ALL, OVERDUE_MS, Shards, shard_of
from relay.server.store.sql import Database, Unavailable, marks

TABLE = "activity_registration"
CONTENTION_SECONDS, CONTENTION_PAUSE = 10.0, 0.02
"""So long a decision is made again because another relay wrote first, and how long it waits at most in between: one of them always
gets through, and only what it did not write is made again.
"""
PORTION, PAGE = 50, 200
"""Activities that are written, and read, at a time."""
_COLUMNS = Activity.__slots__
_KEY = ("id", "revision", "secret_hash")
"""Never written again: Vitess, which keys a table by the secret, refuses to (VT12001), and finds the one shard by it."""
_LISTS = ("priority_10_at", "starts_at", "former_tokens", "dead_tokens")
"""Kept as JSON."""
_ADDED = ("status_at", "unadopted", "clock_ahead")
"""NULL in rows of before these columns: a column with a default cannot be added by Tortoise."""


class Decision(Protocol):
    """What becomes of a session's activities. Pure."""

    def __call__(self, activities: Sequence[Activity], /, *, now_ms: int) -> Changes: ...


async def decide(
    db: Database,
    session: tuple[str, str],
    decision: Decision,
    *,
    now: Callable[[], float],
    known: Sequence[Activity] | None = None,
    many: bool = False,
) -> Changes:
    """Write what the decision makes of the session's activities, and return it; it is made again where somebody else wrote first.

    Decisions on one session (hash of the secret, session id) wait for each other within this process, in the order in which they
    came, so that only the pushes under way and other relays can be first. `now`: UNIX seconds. `known`: the activities, where they
    were read a moment ago. `many`: there are so many phones that others must not wait while it is decided. Raises Unavailable.
    """
    async with db.turn(session) as waited:
        fresh = None if waited else known
        made: list[Changes] = []
        ends = time.monotonic() + CONTENTION_SECONDS
        while time.monotonic() < ends:
            activities = await of_session(db, *session) if fresh is None else fresh
            made.append(await _made(decision, activities, int(now() * 1000), many=many))
            if await _write(db, made[-1]):
                return _together(made)
            fresh = None
            await asyncio.sleep(random.uniform(0, CONTENTION_PAUSE) if len(made) > 2 else 0)
    raise Unavailable("too many relays write to the same Live Activity")


async def _made(decision: Decision, activities: Sequence[Activity], now_ms: int, *, many: bool) -> Changes:
    """In a thread where there are very many: of ten thousand phones it takes a good part of a second."""
    if many:
        return await asyncio.to_thread(decision, activities, now_ms=now_ms)
    return decision(activities, now_ms=now_ms)


def _together(made: Sequence[Changes]) -> Changes:
    """Of decisions that were made again until all was written: each activity once, as it was written last."""
    new, changed, gone = ({one.id: one for each in made for one in each[kind]} for kind in range(3))
    changed = {key: one for key, one in changed.items() if key not in new}
    return Changes(list(new.values()), list(changed.values()), list(gone.values()))


async def _write(db: Database, changes: Changes) -> bool:
    """Whether all of it was written. What could not be was written by somebody else."""
    written: list[Activity | BaseException | None] = []
    for some in _portions(changes.changed):
        written += await asyncio.gather(*(change(db, one) for one in some), return_exceptions=True)
    for fault in written:
        if isinstance(fault, BaseException):
            raise fault
    return (
        await insert(db, changes.new)
        and all(one is not None for one in written)
        and all([await forget(db, one) for one in changes.gone])
    )


def _portions(activities: Sequence[Activity]) -> Iterator[Sequence[Activity]]:
    """So many that what is done for them at once keeps nobody waiting."""
    return (activities[at : at + PORTION] for at in range(0, len(activities), PORTION))


async def of_session(db: Database, secret_hash: str, session_id: str) -> list[Activity]:
    """The activities of a session, the oldest first. They are read a page at a time: there may be very many."""
    found: list[Activity] = []
    after = ""
    while True:
        _, rows = await db.execute(
            f"SELECT * FROM {TABLE} WHERE secret_hash = ? AND session_id = ? AND id > ? ORDER BY id LIMIT ?",
            [secret_hash, session_id, after, PAGE],
        )
        # MySQL's `=` ignores case, a session id does not.
        found += [_activity(row) for row in rows if row["session_id"] == session_id]
        if len(rows) < PAGE:
            return sorted(found, key=attrgetter("began_at", "id"))
        after = rows[-1]["id"]


async def of_sessions(db: Database, sessions: Sequence[tuple[str, str]]) -> list[list[Activity]]:
    """The activities of each session (hash of the secret, session id), the oldest first."""
    found: dict[tuple[str, str], list[Activity]] = {session: [] for session in sessions}
    one = "secret_hash = ? AND session_id = ?"
    _, rows = await db.execute(
        f"SELECT * FROM {TABLE} WHERE {' OR '.join(one for _ in found)} ORDER BY began_at, id",
        [value for session in found for value in session],
    )
    for row in rows:
        # MySQL's `=` ignores case, a session id does not.
        if (of := found.get((row["secret_hash"], row["session_id"]))) is not None:
            of.append(_activity(row))
    return [found[session] for session in sessions]


async def find(db: Database, activity_id: str) -> Activity | None:
    """The activity as it stands now."""
    _, rows = await db.execute(f"SELECT * FROM {TABLE} WHERE id = ?", [activity_id])
    return _activity(rows[0]) if rows else None


async def insert(db: Database, activities: Sequence[Activity]) -> bool:
    """Take the fence of each; False if another event or relay was first with one of them."""
    inserted = [
        await db.insert_new(TABLE, [_row(activity) for activity in some]) for some in _portions(activities)
    ]
    return sum(inserted) == len(activities)


async def change(db: Database, activity: Activity) -> Activity | None:
    """Write the activity if nobody wrote since it was read, and return it as it is now; else None."""
    written = replace(activity, revision=activity.revision + 1)
    row = _row(written)
    names = [name for name in row if name not in _KEY]
    count, _ = await db.execute(
        f"UPDATE {TABLE} SET {', '.join(f'{name} = ?' for name in names)}, revision = ? "
        "WHERE id = ? AND revision = ? AND secret_hash = ?",
        [*(row[name] for name in names), written.revision, *(getattr(activity, name) for name in _KEY)],
    )
    return written if count else None


async def forget(db: Database, activity: Activity) -> bool:
    """Remove the activity if nobody wrote since it was read."""
    count, _ = await db.execute(
        f"DELETE FROM {TABLE} WHERE id = ? AND revision = ? AND secret_hash = ?",
        [getattr(activity, name) for name in _KEY],
    )
    return count > 0


async def forget_phone(db: Database, *, secret_hash: str, device_token: str) -> None:
    """Remove what belongs to a phone that wants nothing more."""
    await db.execute(
        f"DELETE FROM {TABLE} WHERE secret_hash = ? AND device_token = ?", [secret_hash, device_token.lower()]
    )


async def forget_session(db: Database, secret_hash: str, session_id: str) -> None:
    """Remove all activities of a session."""
    await db.execute(
        f"DELETE FROM {TABLE} WHERE secret_hash = ? AND session_id = ?", [secret_hash, session_id]
    )


async def due(
    db: Database,
    *,
    until_ms: int,
    longest_ms: int,
    limit: int,
    shards: Shards = ALL,
    without: Collection[str] = (),
) -> list[Activity]:
    """Activities whose newest state may be pushed until then, the longest waiting first, but not those of some secrets.

    None waits longer than `longest_ms`: what is due later was written by a clock that was ahead, and is due now. `shards` are those
    of this relay; of others it gets what is overdue.
    """
    latest = until_ms + longest_ms
    which, values = "(due_at <= ? OR due_at > ?)", [until_ms, latest]
    if not shards.all:
        which += " AND (shard >= ? AND shard < ? OR due_at <= ?)"
        values += [*shards, until_ms - OVERDUE_MS]
    if without:
        which += f" AND secret_hash NOT IN ({marks(without)})"
    _, rows = await db.execute(
        f"SELECT * FROM {TABLE} WHERE {which} ORDER BY due_at LIMIT ?", [*values, *without, limit]
    )
    return [_brought_forward(_activity(row), latest) for row in rows]


def _brought_forward(activity: Activity, latest: int) -> Activity:
    if activity.due_at is None or activity.due_at <= latest:
        return activity
    return replace(
        activity, due_at=0, lease_until=0 if activity.lease_until > latest else activity.lease_until
    )


async def bring_forward(db: Database, *, now_ms: int, longest_lease_ms: int) -> None:
    """What a clock that was ahead wrote is due now, no lease lasts longer than one that is taken now, and no card is younger than now."""
    ahead = now_ms + CLOCKS_APART_MS
    await db.execute(
        f"UPDATE {TABLE} SET due_at = ?, retry_at = 0, revision = revision + 1 "
        "WHERE due_at > ? AND lease_until = 0 AND (pushed_at > ? OR updated_at > ? OR registered_at > ?)",
        [now_ms, now_ms, ahead, ahead, ahead],
    )
    lease_until = now_ms + longest_lease_ms
    await db.execute(
        f"UPDATE {TABLE} SET lease_until = ?, due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END, "
        "revision = revision + 1 WHERE lease_until > ?",
        [lease_until, lease_until, lease_until, lease_until + CLOCKS_APART_MS],
    )
    await db.execute(
        f"UPDATE {TABLE} SET began_at = ?, updated_at = ?, pushed_at = CASE WHEN pushed_at > ? THEN ? ELSE pushed_at END, "
        "registered_at = CASE WHEN registered_at > ? THEN ? ELSE registered_at END, revision = revision + 1 "
        "WHERE began_at > ? OR updated_at > ?",
        [now_ms] * 6 + [ahead, ahead],
    )


async def next_due_at(db: Database) -> int | None:
    """When the next push is due or was (UTC ms); of one that is being pushed, when its lease ends. None: none is."""
    _, rows = await db.execute(f"SELECT MIN(due_at) AS due_at FROM {TABLE}")
    return rows[0]["due_at"] and int(rows[0]["due_at"])


async def waiting(db: Database, *, limit: int) -> tuple[int, int | None]:
    """How many have a state that was not pushed yet, at most `limit`, and when the first was due or will be (UTC ms)."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS n, MIN(due_at) AS since FROM "
        f"(SELECT due_at FROM {TABLE} WHERE due_at IS NOT NULL ORDER BY due_at LIMIT ?) AS due",
        [limit],
    )
    return int(rows[0]["n"]), rows[0]["since"]


async def count_up_to(db: Database, limit: int) -> int:
    """Live Activities that are being started or are on a phone, among the first `limit` rows."""
    _, rows = await db.execute(
        f"SELECT COUNT(*) AS n FROM (SELECT stage, device_token FROM {TABLE} LIMIT ?) AS seen "
        "WHERE stage IN ('starting', 'started', 'active') AND device_token <> ?",
        [limit, SESSION],
    )
    return int(rows[0]["n"])


async def count_of(db: Database, secret_hash: str) -> int:
    """Live Activities of a secret that are being started or are on a phone."""
    _, rows = await db.execute(
        f"SELECT COUNT(*) AS n FROM {TABLE} WHERE secret_hash = ? "
        "AND stage IN ('starting', 'started', 'active') AND device_token <> ?",
        [secret_hash, SESSION],
    )
    return int(rows[0]["n"])


async def began_before(
    db: Database, *, active_before_ms: int, others_before_ms: int, limit: int
) -> list[Activity]:
    """Activities that run so long already: active ones that have no end yet, and those without a token, over or not."""
    _, rows = await db.execute(
        f"SELECT * FROM {TABLE} WHERE began_at < ? AND device_token <> ? AND ((stage = 'active' AND ends = ?) "
        "OR (stage IN ('starting', 'started', 'lost') AND began_at < ?)) LIMIT ?",
        [active_before_ms, SESSION, False, others_before_ms, limit],
    )
    return [_activity(row) for row in rows]


async def forget_old(db: Database, *, before_ms: int, limit: int) -> int:
    """Remove up to `limit` activities that began before; returns how many."""
    return await db.delete_some(TABLE, "began_at < ?", [before_ms], limit)


async def forget_texts(db: Database, *, before_ms: int, limit: int) -> int:
    """Remove what up to `limit` cards showed that are over since then; returns how many. That they are over stays known."""
    _, rows = await db.execute(
        f"SELECT id FROM {TABLE} WHERE stage = 'ended' AND state IS NOT NULL AND due_at IS NULL AND updated_at < ? LIMIT ?",
        [before_ms, limit],
    )
    ids = [row["id"] for row in rows]
    if ids:
        await db.execute(
            f"UPDATE {TABLE} SET state = NULL, alert = NULL, revision = revision + 1 "
            f"WHERE id IN ({marks(ids)}) AND stage = 'ended' AND due_at IS NULL AND updated_at < ?",
            [*ids, before_ms],
        )
    return len(ids)


async def forget_kept(db: Database, *, before_ms: int, limit: int) -> int:
    """Remove up to `limit` states that were kept for a card that did not come; returns how many."""
    return await db.delete_some(TABLE, "device_token = ? AND updated_at < ?", [SESSION, before_ms], limit)


async def of_phone(db: Database, device_token: str) -> list[Activity]:
    """The activities of one phone, of all its secrets and sessions."""
    _, rows = await db.execute(f"SELECT * FROM {TABLE} WHERE device_token = ?", [device_token.lower()])
    return [_activity(row) for row in rows]


async def of_secret(db: Database, secret_hash: str) -> list[list[Activity]]:
    """The activities of each phone of a secret, of all sessions."""
    _, rows = await db.execute(f"SELECT * FROM {TABLE} WHERE secret_hash = ?", [secret_hash])
    phones: dict[str, list[Activity]] = {}
    for one in map(_activity, rows):
        phones.setdefault(one.device_token, []).append(one)
    return list(phones.values())


async def release_leases(db: Database, owner: str) -> None:
    """What this relay held when it was killed is free again; what it was pushing is due when its window allows it."""
    await db.execute(
        f"UPDATE {TABLE} SET lease_until = 0, revision = revision + 1, "
        "due_at = CASE WHEN due_at > pushed_at + ? THEN pushed_at + ? ELSE due_at END "
        "WHERE lease_until > 0 AND SUBSTR(lease_owner, 1, ?) = ?",
        [EQUAL_PHASE_MS, EQUAL_PHASE_MS, len(owner) + 1, f"{owner}#"],
    )


def _row(activity: Activity) -> dict[str, Any]:
    row = {name: getattr(activity, name) for name in _COLUMNS}
    row["shard"] = shard_of(activity.secret_hash)
    row["state"] = activity.state and msgspec.json.encode(activity.state).decode()
    row["alert"] = activity.alert and json.dumps(activity.alert, ensure_ascii=False)
    for name in _LISTS:
        row[name] = json.dumps(row[name], separators=(",", ":"))
    return row


def _activity(row: Any) -> Activity:
    values = {name: row[name] for name in _COLUMNS}
    values["state"] = values["state"] and msgspec.json.decode(values["state"], type=ContentState)
    values["alert"] = values["alert"] and Alert(*json.loads(values["alert"]))
    for name in _ADDED:
        values[name] = values[name] or 0
    for name in _LISTS:
        values[name] = tuple(json.loads(values[name] or "[]"))
    values["former_tokens"] = tuple((token, at) for token, at in values["former_tokens"])
    values["ends"] = bool(values["ends"])
    return Activity(**values)
