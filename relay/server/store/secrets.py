"""All that is kept of secrets: their phones, how they are forgotten, which are refused, and which the operator knows by name."""

from collections.abc import Iterable, Sequence
from typing import Any

from relay.server.store import activities, devices
from relay.server.store.sql import Database, marks

_TABLES = ("device_registration", "activity_registration", "pending_request", "delivery_log")
"""Phones first: from then on nothing rings, also where the relay is killed between two statements."""


async def phones(db: Database, secret_hash: str, kid: str | None = None) -> tuple[int, int]:
    """Phones that are registered under the secret, and how many of them have the key `kid`."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS phones, COALESCE(SUM(CASE WHEN kid = ? THEN 1 ELSE 0 END), 0) AS with_key "
        "FROM device_registration WHERE secret_hash = ?",
        [kid, secret_hash],
    )
    return int(rows[0]["phones"]), int(rows[0]["with_key"])


async def forget(db: Database, secret_hash: str) -> int:
    """Delete everything of the secret but that it is refused or known; returns how many phones that were."""
    counts = [
        (await db.execute(f"DELETE FROM {table} WHERE secret_hash = ?", [secret_hash]))[0]
        for table in _TABLES
    ]
    await db.truncate_log()
    return counts[0]


async def forget_phone(db: Database, *, secret_hash: str, device_token: str) -> None:
    """Delete one phone of the secret and its Live Activities; the log of its pushes stays."""
    await devices.unregister(db, secret_hash=secret_hash, device_token=device_token)
    await activities.forget_phone(db, secret_hash=secret_hash, device_token=device_token)


async def beginning_with(db: Database, word: str) -> set[str]:
    """Hashes with a phone or a delivery that begin like that: the first and the last of them, so one, two, or none."""
    found: set[str] = set()
    for table in ("device_registration", "delivery_log"):
        # Each end by itself: SQLite reads all between them where both are asked for together ("The MIN/MAX optimization").
        for order in ("", " DESC"):
            _, rows = await db.execute(
                f"SELECT secret_hash FROM {table} WHERE secret_hash >= ? AND secret_hash < ? ORDER BY secret_hash{order} LIMIT 1",
                [word, word + "g"],
            )
            found |= {row["secret_hash"] for row in rows}
    return found


async def refuse(db: Database, secret_hash: str, *, now_ms: int) -> None:
    """The secret is not taken any more, and its name is free."""
    row = {"secret_hash": secret_hash, "created_at": now_ms}
    await db.upsert("refused_secret", [row], key="secret_hash", updated=("created_at",))
    await db.execute("DELETE FROM known_secret WHERE secret_hash = ?", [secret_hash])


async def known_and_refused(db: Database, secret_hashes: Sequence[str]) -> tuple[set[str], set[str]]:
    """Which of them the operator knows, and which are refused. One statement, the same whatever they are."""
    hashes = list(dict.fromkeys(secret_hashes))
    _, rows = await db.execute(
        f"SELECT secret_hash, 0 AS refused FROM known_secret WHERE secret_hash IN ({marks(hashes)}) "
        f"UNION ALL SELECT secret_hash, 1 AS refused FROM refused_secret WHERE secret_hash IN ({marks(hashes)})",
        [*hashes, *hashes],
    )
    known = {row["secret_hash"] for row in rows if not row["refused"]}
    return known, {row["secret_hash"] for row in rows if row["refused"]}


async def add(db: Database, secret_hash: str, *, name: str, now_ms: int) -> None:
    """The operator knows the secret by this name from now on. Raises Refused if another has the name or the secret has one."""
    await db.execute(
        "INSERT INTO known_secret (secret_hash, name, created_at) VALUES (?, ?, ?)",
        [secret_hash, name, now_ms],
    )


async def known(db: Database) -> Sequence[Any]:
    """The operator's secrets by name: hash, name, created_at."""
    _, rows = await db.execute("SELECT secret_hash, name, created_at FROM known_secret ORDER BY name")
    return rows


async def phones_by_secret(db: Database) -> dict[str, int]:
    """How many phones each secret has that has one. For an operator: it reads the whole table."""
    _, rows = await db.execute(
        "SELECT secret_hash, COUNT(*) AS n FROM device_registration GROUP BY secret_hash ORDER BY secret_hash"
    )
    return {row["secret_hash"]: int(row["n"]) for row in rows}


async def names(db: Database, secret_hashes: Iterable[str]) -> dict[str, str]:
    """By hash, the names that the operator gave to some of them."""
    hashes = list(dict.fromkeys(secret_hashes))
    if not hashes:
        return {}
    _, rows = await db.execute(
        f"SELECT secret_hash, name FROM known_secret WHERE secret_hash IN ({marks(hashes)})", hashes
    )
    return {row["secret_hash"]: row["name"] for row in rows}


async def called(db: Database, name: str) -> str | None:
    """The hash of the secret that the operator calls so; capital letters make no other name."""
    _, rows = await db.execute("SELECT secret_hash FROM known_secret WHERE LOWER(name) = ?", [name.lower()])
    return rows[0]["secret_hash"] if rows else None
