"""All that is kept of one secret: how many phones it has, and how it is forgotten and refused."""

from relay.server.store import activities, devices
from relay.server.store.sql import Database

_TABLES = ("device_registration", "activity_registration", "delivery_log")
"""Phones first: from then on nothing rings, also where the relay is killed between two statements."""


async def phones(db: Database, secret_hash: str) -> int:
    """Phones that are registered under the secret."""
    _, rows = await db.execute(
        "SELECT COUNT(*) AS n FROM device_registration WHERE secret_hash = ?", [secret_hash]
    )
    return int(rows[0]["n"])


async def forget(db: Database, secret_hash: str) -> int:
    """Delete everything of the secret but that it is refused; returns how many phones that were."""
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
        _, rows = await db.execute(
            f"SELECT MIN(secret_hash) AS one, MAX(secret_hash) AS other FROM {table} WHERE secret_hash >= ? AND secret_hash < ?",
            [word, word + "g"],
        )
        found |= {rows[0]["one"], rows[0]["other"]} - {None}
    return found


async def refuse(db: Database, secret_hash: str, *, now_ms: int) -> None:
    """No phone registers under the secret any more."""
    row = {"secret_hash": secret_hash, "created_at": now_ms}
    await db.upsert("refused_secret", [row], key="secret_hash", updated=("created_at",))


async def is_refused(db: Database, secret_hash: str) -> bool:
    """Whether the secret was replaced."""
    _, rows = await db.execute("SELECT 1 AS n FROM refused_secret WHERE secret_hash = ?", [secret_hash])
    return bool(rows)
