"""All that is kept of one secret: how many phones it has, and how it is forgotten and refused."""

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


async def refuse(db: Database, secret_hash: str, *, now_ms: int) -> None:
    """No phone registers under the secret any more."""
    row = {"secret_hash": secret_hash, "created_at": now_ms}
    await db.upsert("refused_secret", [row], key="secret_hash", updated=("created_at",))


async def is_refused(db: Database, secret_hash: str) -> bool:
    """Whether the secret was replaced."""
    _, rows = await db.execute("SELECT 1 AS n FROM refused_secret WHERE secret_hash = ?", [secret_hash])
    return bool(rows)
