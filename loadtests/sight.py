"""What the operator's views cost a relay with very many rows: each page of /admin and `relay log`, on SQLite and on MariaDB.

    python -m loadtests.sight [--rows 1000000] [--phones 100000] [--databases sqlite,mariadb]

Half of the rows are of one secret, a third have failed, 50,000 wait; all lie within a day. Each question is asked five times, and the
slowest counts. Prints a table in Markdown, and ends with 1 where one took a second or longer.
"""

import argparse
import asyncio
import hashlib
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pymysql

from loadtests.command import count, run
from loadtests.servers import DatabaseServer, mariadb
from loadtests.summary import table
from relay.clock import SystemClock
from relay.server.admin.reading import Reading
from relay.server.alerts import Dispatcher
from relay.server.hours import HourlyCounts
from relay.server.metrics import Recorder
from relay.server.store import log, secrets
from relay.server.store.database import opened
from relay.server.store.log import Wanted
from relay.server.store.sql import Database

DAY_MS: Final = 86_400_000
TIMES, BOUND_SECONDS = 5, 1.0
WAITING: Final = 50_000
BATCH: Final = 2000
DATABASES: Final[dict[str, Callable[[], AbstractContextManager[DatabaseServer | None]]]] = {
    "sqlite": nullcontext,
    "mariadb": mariadb,
}


def hash_of(number: int) -> str:
    """Of a secret; that of number 0 is the busy one."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def deliveries(rows: int, now_ms: int) -> Iterator[dict[str, Any]]:
    """Rows of the log, the oldest first."""
    for number in range(rows):
        at = now_ms - DAY_MS + number * DAY_MS // rows
        waits, failed = number >= rows - min(WAITING, rows // 20), number % 3 == 0
        yield {
            "id": str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)),
            "secret_hash": hash_of(0 if number % 2 else number % 5000),
            "event_id": f"evt_{number // 3}",
            "event_type": "complete",
            "session_id": f"ses_{number // 50}",
            "device_id": str(number % 1000),
            "token_suffix": f"{number % 2**32:08x}",
            "apns_env": "production",
            "topic": "com.example.app",
            "push_type": "alert",
            "priority": 10,
            "collapse_id": "c" * 32,
            "expires_at": at + DAY_MS,
            "payload": '{"aps":{}}' if waits else None,
            "status": "queued" if waits else "failed" if failed else "sent",
            "attempts": 0 if waits else 1,
            "http_status": None if waits else 410 if failed else 200,
            "reason": "Unregistered" if failed and not waits else None,
            "error": None,
            "latency_ms": 40,
            "due_at": at if waits else 0,
            "lease_owner": None,
            "lease_until": 0,
            "created_at": at,
            "updated_at": at + 40,
            "past_attempts": None,
        }


def phones(rows: int, now_ms: int) -> Iterator[dict[str, Any]]:
    """Registered phones, half of them of the busy secret."""
    for number in range(rows):
        yield {
            "id": str(number),
            "secret_hash": hash_of(0 if number % 2 else number),
            "device_token": hashlib.sha256(str(number).encode()).hexdigest(),
            "bundle_id": "com.example.app",
            "apns_env": "production",
            "push_to_start_token": None,
            "activity_format": None,
            "created_at": now_ms,
            "updated_at": now_ms,
        }


def fill(url: str, name: str, rows: Iterator[dict[str, Any]]) -> None:
    """Insert the rows, past the relay, which would take minutes."""
    parts = urlsplit(url)
    is_file = url.startswith("sqlite")
    connection: Any = (
        sqlite3.connect(url.removeprefix("sqlite://"))
        if is_file
        else pymysql.connect(
            host=parts.hostname, port=parts.port or 0, user=parts.username, database=parts.path[1:]
        )
    )
    mark, batch = "?" if is_file else "%s", list[dict[str, Any]]()
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            _insert(connection, name, batch, mark)
            batch.clear()
    if batch:
        _insert(connection, name, batch, mark)
    connection.close()


def _insert(connection: Any, name: str, batch: Sequence[dict[str, Any]], mark: str) -> None:
    columns = list(batch[0])
    sql = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(mark for _ in columns)})"
    connection.cursor().executemany(sql, [tuple(row.values()) for row in batch])
    connection.commit()


class _NoGateway:
    """Nothing is sent here."""

    async def send(self, push: Any) -> Any:
        raise NotImplementedError

    async def close(self, grace: float) -> None:
        """Nothing is open."""


def questions(db: Database) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What each view asks."""
    clock, recorder = SystemClock(), Recorder()
    dispatcher = Dispatcher(db, _NoGateway(), owner="nobody", push_deadline=1.0, keep_days=30, clock=clock)
    view = Reading(db, HourlyCounts(db, recorder, clock.now), dispatcher, pauses=list, now=clock.now)
    busy, seldom = hash_of(0), hash_of(2)
    middle = log.Position(int(clock.now() * 1000) - DAY_MS // 2, "8")
    return {
        "overview": view.stored,
        "deliveries": lambda: view.deliveries(Wanted(), None),
        "deliveries from the middle": lambda: view.deliveries(Wanted(), middle),
        "failed": lambda: view.deliveries(Wanted(status="failed"), None),
        "failed from the middle": lambda: view.deliveries(Wanted(status="failed"), middle),
        "of a busy secret": lambda: view.deliveries(Wanted(busy), None),
        "of another secret": lambda: view.deliveries(Wanted(seldom), None),
        "failed of a busy secret": lambda: view.deliveries(Wanted(busy, "failed"), middle),
        "phones": lambda: view.phones("", None),
        "phones of a busy secret": lambda: view.phones(busy, "1001"),
        "a delivery by its beginning": lambda: log.beginning_with(db, "8f3a2b", limit=2),
        "a secret by its beginning": lambda: secrets.beginning_with(db, busy[:8]),
    }


async def slowest(url: str) -> dict[str, float]:
    """Seconds, by view."""
    found: dict[str, float] = {}
    async with opened(url) as db:
        for name, ask in questions(db).items():
            for _ in range(TIMES):
                began = time.perf_counter()
                await ask()
                found[name] = max(found.get(name, 0.0), time.perf_counter() - began)
    return found


async def _make_tables(url: str) -> None:
    async with opened(url):
        pass


def measure(database: str, rows: int, phone_rows: int) -> dict[str, float] | None:
    """Fill a database of this kind, and ask it; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder, DATABASES[database]() as server:
        if database != "sqlite" and server is None:
            return None
        url = server.url if server else f"sqlite://{Path(folder)}/relay.sqlite3"
        now_ms = int(time.time() * 1000)
        asyncio.run(_make_tables(url))
        fill(url, "delivery_log", deliveries(rows, now_ms))
        fill(url, "device_registration", phones(phone_rows, now_ms))
        return asyncio.run(slowest(url))


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=count, default=1_000_000)
    parser.add_argument("--phones", type=count, default=100_000)
    parser.add_argument("--databases", default="sqlite,mariadb")
    options = parser.parse_args()
    found = {name: measure(name, options.rows, options.phones) for name in options.databases.split(",")}
    measured = {name: figures for name, figures in found.items() if figures is not None}
    views = dict.fromkeys(view for figures in measured.values() for view in figures)
    print(
        table(
            [
                {"view": view}
                | {name: f"{figures[view] * 1000:.0f} ms" for name, figures in measured.items()}
                for view in views
            ]
        )
    )
    worst = max(seconds for figures in measured.values() for seconds in figures.values())
    print(f"the slowest: {worst * 1000:.0f} ms of at most {BOUND_SECONDS * 1000:.0f}")
    return 0 if worst < BOUND_SECONDS else 1


if __name__ == "__main__":
    run(main)
