"""The comparisons of `loadtests.bench`: each gives rows, one a round and variant, interleaved by whoever calls it."""

import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final

from loadtests import push_client
from loadtests.barrage import barrage
from loadtests.processes import rationed
from loadtests.servers import BUILDS, DatabaseServer, Servers, running
from relay import contract
from relay.server.store import activities, devices
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database

RATION: Final = 0.25
WHOLE: Final = 1.0
SECRET: Final = "a-secret-of-the-load-tests"

Rows = Iterator[dict[str, Any]]


def builds(rounds: int, events: int, phones: int = 3) -> Rows:
    """The relay and the naive build, one process each, SQLite; the order turns with every round."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")) for _ in range(2)]
        both = {
            build: (stack.enter_context(running(Path(folder), build=build)), Path(folder))
            for build, folder in zip(BUILDS, folders, strict=True)
        }
        for servers, _ in both.values():
            servers.phones.pair(servers.urls[0], SECRET, phones)
        for turn in range(rounds):
            for build in list(both)[:: 1 if turn % 2 else -1]:
                yield {"build": build, "round": turn} | _run(*both[build], f"{turn}", phones, events)


def processes(database: DatabaseServer, rounds: int, events: int, phones: int = 3) -> Rows:
    """One relay process on MariaDB, and two: the same two processes, of which the generator uses one or both.

    First each with a ration of a core (see `loadtests.processes`), then with all that the machine has left.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with running(folder, processes=2, database=database) as servers:
            servers.phones.pair(servers.urls[0], SECRET, phones)
            for turn, share in product(range(rounds), (RATION, WHOLE)):
                for count in (1, 2) if turn % 2 else (2, 1):
                    used = servers.first(count)
                    with rationed(used.pids, share) if share < WHOLE else nullcontext():
                        row = _run(used, folder, f"{turn}x{count}x{share}", phones, events)
                    yield {"processes": count, "share_of_core": share, "round": turn} | row


def transports(rounds: int, pushes: int) -> Rows:
    """The relay's transport and stock aioapns, against one server, as `loadtests.push_client` measures them."""
    with push_client.servers() as (folder, server, port, far_port):
        for row in push_client.rounds(folder, port, far_port, pushes, rounds, (push_client.BASE, "lean")):
            figures = {
                "pushes_per_second": round(row["pushes"] / row["seconds"]),
                "pushes_per_core": round(row["pushes"] / row["cpu"]),
            }
            yield {
                **{name: row[name] for name in ("client", "round", "in_flight")},
                **figures,
                "server": server,
            }


def fan_out(sizes: Sequence[int], alerts: int) -> Rows:
    """Phones per secret; as many events of each size as make about so many alerts, at least three."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running(Path(name)) as servers:
        for phones in sizes:
            secret = f"{SECRET}-{phones}"
            servers.phones.pair(servers.urls[0], secret, phones)
            events = max(3, alerts // phones)
            row = _run(servers, Path(name), f"p{phones}", phones, events, secret=secret)
            yield {"phones": phones, "alerts_per_core": round(row["events_per_core"] * phones, 1)} | row


def _run(
    servers: Servers, folder: Path, name: str, phones: int, events: int, secret: str = SECRET
) -> dict[str, Any]:
    found = barrage(servers, folder, name=name, secrets=[secret], phones=phones, events=events)
    return found.row()


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
