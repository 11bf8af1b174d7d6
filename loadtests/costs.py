"""What one event costs: processor, statements, bytes in the database and in the log. For the calculations in docs/scale.md.

    python -m loadtests.costs [--events 3000] [--users 4,32] [--databases sqlite,mariadb,galera]

One phone per secret, so that an event is one push. With few users every event comes alone, with many the relay writes several
down together. Prints a table in Markdown. MariaDB and Galera count their own statements; the same code makes those of SQLite.
"""

import argparse
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
    parser.add_argument("--databases", default=",".join(DATABASES), help="of these")
    options = parser.parse_args(arguments)
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
