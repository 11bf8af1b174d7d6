"""How many events a second one event's fan-out lets through: 1, 3 and 100 phones per secret, success counted on phones.

    python -m loadtests.fanout [--phones 1,3,100] [--alerts 6000] [--users 32] [--out FOLDER]

Real relays (one process on SQLite; one and two on MariaDB where it is installed), the APNs sandbox with phones in a
process of its own, Locust as the servers that report events. Latencies are from the report to the answer ("accept") and
from the report to the phone's screen, as the sandbox's journal has it ("delivery"). An event that is not shown exactly once
on each phone, or whose reply counts otherwise, fails the run; times are reported, not judged. `loadtests/out` gets JSON,
CSV, and Locust's HTML report and CSV of each run.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from loadtests.barrage import barrage
from loadtests.command import conclude, count, counts, run
from loadtests.servers import Servers, mariadb, running
from loadtests.summary import OUT, Threshold, cell, table

PHONES: Final = (1, 3, 100)
FAULTS: Final = ("refused", "lost", "doubled", "miscounted")

Row = dict[str, Any]


class Setup(NamedTuple):
    """What is measured: so many relays on a database."""

    database: str
    processes: int


SETUPS: Final = (Setup("sqlite", 1), Setup("mariadb", 1), Setup("mariadb", 2))


@contextmanager
def started(setup: Setup, folder: Path) -> Iterator[Servers | None]:
    """The servers, or None if the database is not installed."""
    if setup.database == "sqlite":
        with running(folder, processes=setup.processes) as servers:
            yield servers
        return
    with mariadb() as database:
        if database is None:
            yield None
            return
        with running(folder, processes=setup.processes, database=database) as servers:
            yield servers


def measure(setup: Setup, sizes: Sequence[int], alerts: int, users: int, out: Path) -> Iterator[Row]:
    """A row for each number of phones; as many events as make about so many alerts, at least one a user."""
    with tempfile.TemporaryDirectory(prefix="fanout-") as name, started(setup, Path(name)) as servers:
        if servers is None:
            print(f"{setup.database} is not installed: left out", flush=True)
            return
        for phones in sizes:
            secret = f"secret-of-{phones:04}-phones"
            servers.phones.pair(servers.urls[0], secret, phones)
            run = f"fanout-{setup.database}-{setup.processes}-{phones}"
            found = barrage(
                servers, Path(name), name=run, secrets=[secret], phones=phones, users=users,
                events=max(users, alerts // phones), report=out / run,
            )  # fmt: skip
            yield {**setup._asdict(), "phones": phones} | found.row()


def thresholds(rows: Sequence[Row]) -> Iterator[Threshold]:
    """Nothing lost, nothing twice, nothing miscounted, in any run."""
    for row in rows:
        where = f"{row['database']}, {row['processes']} process(es), {row['phones']} phones"
        faults = sum(row[fault] for fault in FAULTS)
        yield Threshold("events refused, lost, doubled or miscounted", faults, "at most", 0, where)


def _progress(row: Row) -> str:
    return (
        f"{row['database']}, {row['processes']} process(es), {row['phones']} phones per secret: "
        f"{cell(row['events_per_second'])} events a second, "
        f"on the screen after {cell(row['delivery_ms_median'])} ms (median)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every setup; 1 if an event went wrong anywhere."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--phones", type=counts, default=",".join(map(str, PHONES)), help="of each secret")
    parser.add_argument("--alerts", type=count, default=6000, help="of each run")
    parser.add_argument("--users", type=count, default=32, help="servers that report at the same time")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for setup in SETUPS:
        for row in measure(setup, options.phones, options.alerts, options.users, out):
            rows.append(row)
            print(_progress(row), flush=True)
    print(table(rows))
    return conclude("fanout", rows, list(thresholds(rows)), folder=out)


if __name__ == "__main__":
    run(main)
