"""What one event costs: processor, statements, bytes in the database and in the log. For the calculations in docs/scale.md.

    python -m loadtests.costs [--events 3000] [--users 4,32] [--databases sqlite,mariadb,galera]
    python -m loadtests.costs --plan

One phone per secret, so that an event is one push. With few users every event comes alone, with many the relay writes several
down together. Prints a table in Markdown. MariaDB and Galera count their own statements; the same code makes those of SQLite.
`--plan` measures nothing: it prints what days of more and more events take, calculated from the costs of one.
"""

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pymysql

from loadtests.barrage import barrage
from loadtests.command import count, counts, run
from loadtests.servers import DatabaseServer, Servers, galera, mariadb, running
from loadtests.summary import table

Row = dict[str, Any]
Counters = dict[str, int]

STATUS: Final = {
    "statements": ("Questions",),
    "redo_bytes": ("Innodb_os_log_written",),
    "replicated": ("wsrep_replicated",),
    "replicated_bytes": ("wsrep_replicated_bytes",),
    "undone": ("wsrep_local_cert_failures", "wsrep_local_bf_aborts", "Innodb_deadlocks"),
}
"""What is counted, as sums of the servers' own counters, over all nodes."""


class Setup(NamedTuple):
    """So many relays on a database."""

    database: str
    relays: int


SETUPS: Final = (
    Setup("sqlite", 1),
    Setup("mariadb", 1),
    Setup("mariadb", 2),
    Setup("galera", 1),
    Setup("galera", 2),
)
EVENT: Final = {
    "relay_ms": 1.5,
    "database_ms": 0.7,
    "statements": 3.8,
    "redo_kb": 5.7,
    "stored_kb": 1.3,
    "log_kb": 0.45,
}
"""What an alert to one phone cost on MariaDB with four users, rounded: neither alone nor in a crowd."""
PEAK: Final = 4
"""So many times its mean a day has in its busiest second."""
FULL: Final = 0.5
"""Of a core that a relay has: it must bear the load of another that has died."""
APNS_SECONDS, IN_FLIGHT = 0.3, 100
"""What an answer of APNs takes at the longest on a usual day, and how many alerts a relay has under way at once."""
DAYS: Final = {1_000: 30, 100_000: 30, 1_000_000: 30, 10_000_000: 7, 100_000_000: 2}
"""Events a day, and for how many days their rows are kept."""


def plan() -> Iterator[Row]:
    """What a day of so many events takes."""
    for events, days in DAYS.items():
        peak = PEAK * events / 86_400
        cores = peak * EVENT["relay_ms"] / 1000
        yield {
            "events a day": events,
            "a second, at the peak": round(peak, 2 if peak < 1 else 0),
            "cores of relays": round(cores, 2),
            "relays": max(2, math.ceil(max(cores / FULL, peak * APNS_SECONDS / IN_FLIGHT)))
            if events > 1_000_000
            else 1,
            "cores of the database": round(peak * EVENT["database_ms"] / 1000, 2),
            "statements a second": round(peak * EVENT["statements"]),
            "MB a second written": round(peak * EVENT["redo_kb"] / 1000, 2),
            "days kept": days,
            "GB kept": round(events * days * EVENT["stored_kb"] / 1e6, 1),
            "GB of log a day": round(events * EVENT["log_kb"] / 1e6, 2),
        }


DATABASES: Final[dict[str, Callable[[], AbstractContextManager[DatabaseServer | None]]]] = {
    "sqlite": nullcontext,
    "mariadb": mariadb,
    "galera": galera,
}


def counters(database: DatabaseServer | None) -> Counters:
    """What its servers have counted since they began; nothing for SQLite."""
    found: Counters = {}
    for url, _ in database.nodes if database else ():
        status = dict(_ask(url, "SHOW GLOBAL STATUS"))
        for name, parts in STATUS.items():
            found[name] = found.get(name, 0) + sum(int(status.get(part, 0)) for part in parts)
    return found


def per_event(before: Counters, now: Counters, events: int) -> Row:
    """The difference, for each event; bytes in whole numbers."""
    each = {name: (value - before[name]) / events for name, value in now.items()}
    return {
        name: round(value) if name.endswith("_bytes") else round(value, 2) for name, value in each.items()
    }


def stored_bytes(servers: Servers, folder: Path, events: int) -> int:
    """Bytes that an event leaves in the database, indices included, when its push is done."""
    if servers.database is None:
        return round(sum(path.stat().st_size for path in folder.glob("*.sqlite3*")) / events)
    url = servers.database.url
    name = urlsplit(url).path[1:]
    _ask(url, "ANALYZE TABLE delivery_log")
    ((size, rows),) = _ask(
        url,
        "SELECT data_length + index_length, table_rows FROM information_schema.tables "
        f"WHERE table_schema = '{name}' AND table_name = 'delivery_log'",
    )
    return round(int(size) / max(int(rows), 1))


def _ask(url: str, sql: str) -> Sequence[tuple[Any, ...]]:
    parts = urlsplit(url)
    with (
        pymysql.connect(
            host=parts.hostname, port=parts.port or 0, user="root", database=parts.path[1:]
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


def measure(setup: Setup, users: Sequence[int], events: int) -> Iterator[Row]:
    """A row for each number of users."""
    with (
        tempfile.TemporaryDirectory(prefix="costs-") as name,
        DATABASES[setup.database]() as database,
    ):
        if database is None and setup.database != "sqlite":
            print(f"{setup.database} is not installed: left out", flush=True)
            return
        folder = Path(name)
        with running(folder, processes=setup.relays, database=database) as servers:
            reported = 0
            for each in users:
                secrets = [f"secret-of-{each:03}-users-{number:02}" for number in range(each)]
                for secret in secrets:
                    servers.phones.pair(servers.urls[0], secret, 1)
                before, logged = counters(database), _logged(folder)
                found = barrage(
                    servers,
                    folder,
                    name=f"costs-{each}",
                    secrets=secrets,
                    phones=1,
                    users=each,
                    events=events,
                )
                reported += events
                row = found.row()
                assert not row["lost"] + row["doubled"] + row["refused"], row
                yield {
                    **setup._asdict(),
                    "users": each,
                    "events_per_second": row["events_per_second"],
                    "relay_us": row["relay_us"],
                    "database_us": row.get("database_us", 0),
                    "log_bytes": round((_logged(folder) - logged) / events),
                    "stored_bytes": stored_bytes(servers, folder, reported),
                    **per_event(before, counters(database), events),
                }


def _logged(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("relay-*.log"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every setup whose database is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=count, default=3000, help="of each run")
    parser.add_argument("--users", type=counts, default=[4, 32], help="that report at the same time")
    parser.add_argument("--plan", action="store_true", help="calculate, and measure nothing")
    parser.add_argument("--databases", default=",".join(DATABASES), help="of these")
    options = parser.parse_args(arguments)
    if options.plan:
        print(table([*plan()]))
        return 0
    rows: list[Row] = []
    for setup in SETUPS:
        if setup.database in options.databases.split(","):
            for row in measure(setup, options.users, options.events):
                rows.append(row)
                print(row, flush=True)
    print(table(rows))
    return 0


if __name__ == "__main__":
    run(main)
