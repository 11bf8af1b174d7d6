"""Which rows of the outboxes a relay claims first, where several serve one database.

Every row has the shard of its secret. Relays that know of each other divide the shards, so that they do not meet in the same rows;
what is overdue any of them takes, so that a relay that dies, or that nobody knows of, leaves nothing unserved.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple

from relay.clock import Clock
from relay.server.store.sql import Database, Unavailable

SHARDS: Final = 256
OVERDUE_MS: Final = 3_000
"""What is due for so long was left by the relay whose shard it is in: any other may take it."""
ANNOUNCE_SECONDS: Final = 5.0
GONE_MS: Final = 15_000
"""A relay that has not said so for that long does not run any more. Clocks of two machines may differ by a third of it."""


def shard_of(secret_hash: str) -> int:
    """From 0 to 255: the first byte of the hash, so that secrets spread evenly."""
    return int(secret_hash[:2], 16)


class Shards(NamedTuple):
    """From `first` to before `end`."""

    first: int
    end: int

    @property
    def all(self) -> bool:
        """Whether nothing lies outside."""
        return self == ALL


ALL: Final = Shards(0, SHARDS)


def part_of(owner: str, owners: Collection[str]) -> Shards:
    """The share of one of those who run: all have equal ones, and every shard is in one. Pure."""
    if owner not in owners:
        return ALL
    place, count = sorted(owners).index(owner), len(owners)
    return Shards(place * SHARDS // count, (place + 1) * SHARDS // count)


class Presence:
    """Says every few seconds that this relay runs, and which others do. A file of SQLite is one relay's: nothing is said there."""

    def __init__(self, db: Database, owner: str, clock: Clock) -> None:
        self._db, self._owner, self._clock = db, owner, clock
        self._again_at = float("-inf")
        self.shards = ALL

    async def refresh(self) -> Shards:
        """This relay's part, as of a few seconds ago. Where the database does not say who runs, the part stays as it was."""
        now = self._clock.monotonic()
        if self._db.is_shared and now >= self._again_at:
            self._again_at = now + ANNOUNCE_SECONDS
            now_ms = int(self._clock.now() * 1000)
            self.shards = part_of(self._owner, await announce(self._db, self._owner, now_ms=now_ms))
        return self.shards

    async def leave(self) -> None:
        """Others take over at once."""
        if self._db.is_shared:
            with suppress(Unavailable):  # then they see it in a few seconds
                await leave(self._db, self._owner)


async def announce(db: Database, owner: str, *, now_ms: int) -> list[str]:
    """Write down that this relay runs; returns all that do, this one included."""
    await db.upsert(
        "relay_presence", [{"owner": owner, "seen_at": now_ms}], key="owner", updated=("seen_at",)
    )
    _, rows = await db.execute(
        "SELECT owner FROM relay_presence WHERE seen_at > ? AND seen_at < ?",
        [now_ms - GONE_MS, now_ms + GONE_MS],
    )
    return [row["owner"] for row in rows]


async def leave(db: Database, owner: str) -> None:
    """This relay runs no more."""
    await db.execute("DELETE FROM relay_presence WHERE owner = ?", [owner])
