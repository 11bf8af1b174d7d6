"""Queries on push_hour: how many attempts of each kind ended in an hour."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from relay.server.store.sql import Database, chunks


class PushHour(NamedTuple):
    """`number` attempts to push ended like this in the hour that began at `hour_at` (UTC ms). `reason` as in /metrics."""

    hour_at: int
    push_type: str
    status: str
    reason: str
    number: int


async def save(db: Database, numbers: Mapping[tuple[int, str, str, str], int], *, run: str) -> None:
    """Write down the numbers of one run of a relay; what they were before is replaced, so doing it again is harmless."""
    rows = [
        {
            "id": f"{hour_at}|{run}|{push_type}|{status}|{reason}",
            "hour_at": hour_at,
            "push_type": push_type,
            "status": status,
            "reason": reason,
            "number": number,
        }
        for (hour_at, push_type, status, reason), number in numbers.items()
    ]
    for some in chunks(rows):
        await db.upsert("push_hour", some, key="id", updated=("number",))


async def since(db: Database, from_ms: int) -> Sequence[PushHour]:
    """The hours that began then or later, of all relays together, the oldest first."""
    _, rows = await db.execute(
        "SELECT hour_at, push_type, status, reason, SUM(number) AS number FROM push_hour WHERE hour_at >= ? "
        "GROUP BY hour_at, push_type, status, reason ORDER BY hour_at, push_type, status, reason",
        [from_ms],
    )
    return [
        PushHour(row["hour_at"], row["push_type"], row["status"], row["reason"], int(row["number"]))
        for row in rows
    ]


async def forget(db: Database, *, before_ms: int) -> None:
    """Remove the hours that began before."""
    await db.execute("DELETE FROM push_hour WHERE hour_at < ?", [before_ms])
