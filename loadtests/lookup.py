"""What it costs the relay to find the phones and the Live Activities of a secret, with ever more rows in the tables."""

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from relay import contract
from relay.server.store import activities, devices
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database

PORTION = 500
LOOKUPS = 300
ROUNDS = 5


async def growth(
    folder: Path, sizes: Sequence[int], phones: int = 3, lookups: int = LOOKUPS
) -> list[dict[str, Any]]:
    """One row for each number of rows in the table of phones; microseconds of one event's two lookups."""
    connection = await open_database(f"sqlite://{folder}/lookup.sqlite3?synchronous=OFF")
    try:
        return [await _measured(Database(connection), size, phones, lookups) for size in sizes]
    finally:
        await close_database()


async def _measured(db: Database, size: int, phones: int, lookups: int) -> dict[str, Any]:
    there = await devices.count(db)
    for at in range(there, size, PORTION * phones):
        await _fill(db, min(PORTION * phones, size - at), phones)
    return {"rows": await devices.count(db), "lookup_us": round(median(await _rounds(db, lookups)), 1)}


async def _fill(db: Database, count: int, phones: int) -> None:
    """So many phones of secrets that have `phones` each, in one statement."""
    now_ms = int(time.time() * 1000)
    rows = [_row(f"{uuid.uuid4()}", now_ms) for _ in range(count)]
    for place, row in enumerate(rows):
        row["secret_hash"] = rows[place - place % phones]["secret_hash"]
    await db.insert_new("device_registration", rows)


def _row(secret: str, now_ms: int) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "secret_hash": contract.secret_hash(secret),
        "device_token": uuid.uuid4().hex * 2,
        "bundle_id": "com.example.app",
        "apns_env": "production",
        "created_at": now_ms,
        "updated_at": now_ms,
    }


async def _rounds(db: Database, lookups: int) -> list[float]:
    """Microseconds of a lookup, in each of some rounds, for secrets from all over the table."""
    _, rows = await db.execute("SELECT secret_hash FROM device_registration ORDER BY id LIMIT ?", [lookups])
    hashes = [row["secret_hash"] for row in rows]
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for secret_hash in hashes:
            await devices.recipients(db, secret_hash)
            await activities.of_session(db, secret_hash, "ses_1")
        taken.append(1e6 * (time.process_time() - began) / len(hashes))
    return taken
