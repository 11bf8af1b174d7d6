"""The relay beside a naive build of the same route, one process beside two, and what growth costs: ratios of one run.

    python -m loadtests.bench [--rounds 5] [--events 1500] [--pushes 2000] [--rows 1000000] [--phones 10000] [--out FOLDER]

The rounds of a comparison are interleaved, and its figure is the median of the ratios of single rounds. Success is
counted on the phones' screens: an event that is not shown once on each of its phones fails the run. "Per core" is
events per second of the servers' processor time, which a busy machine falsifies less. Results are written as they come, so
that a run that is interrupted loses nothing.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from loadtests import comparisons, push_client
from loadtests.accounts import median_ratio
from loadtests.command import conclude, count, run
from loadtests.plots import plot
from loadtests.servers import mariadb
from loadtests.summary import OUT, Threshold, record

GOALS: Final = {"builds": 3.5, "processes": 1.3}
COMPARISONS: Final = ("builds", "processes", "transport", "phones", "rows")
PARTS: Final = 5
FLAT: Final = 1.5
FAULTS: Final = ("refused", "lost", "doubled", "miscounted")

Row = dict[str, Any]


def times(rows: Sequence[Row], column: str, one: Any, other: Any, figure: str) -> float:
    """How many times `other`'s figure that of `one` is, the median of whole rounds; NaN without one."""
    figures = {(row[column], row["round"]): float(row[figure]) for row in rows}
    turns = sorted({row["round"] for row in rows})
    pairs = [
        (figures[one, turn], figures[other, turn])
        for turn in turns
        if (one, turn) in figures and (other, turn) in figures
    ]
    return round(median_ratio(pairs), 2) if pairs else float("nan")


def thresholds(rows: Sequence[Row]) -> Iterator[Threshold]:
    """What the comparisons that were made must show."""
    parts = {name: [row for row in rows if row["comparison"] == name] for name in COMPARISONS}
    if found := parts["builds"]:
        ratio = times(found, "build", "relay", "naive", "events_per_second")
        yield Threshold("events a second, relay / naive", ratio, "at least", GOALS["builds"])
    for share, words in shares_with_threshold(os.cpu_count() or 1).items():
        if found := [row for row in parts["processes"] if row["share_of_core"] == share]:
            ratio = times(found, "processes", 2, 1, "events_per_second")
            what = f"events a second on MariaDB, two processes / one, {words}"
            yield Threshold(what, ratio, "at least", GOALS["processes"])
    for in_flight, goal in push_client.GOALS.items():
        if found := [row for row in parts["transport"] if row["in_flight"] == in_flight]:
            ratio = times(found, "client", "lean", push_client.BASE, "pushes_per_core")
            yield Threshold(
                f"pushes a second and core with {in_flight} in flight, lean / stock transport",
                ratio,
                "at least",
                goal,
            )
    if found := parts["rows"]:
        ratio = round(found[-1]["lookup_us"] / found[0]["lookup_us"], 2)
        what = f"lookup with {found[-1]['rows']:,} rows / with {found[0]['rows']:,}"
        yield Threshold(what, ratio, "at most", FLAT)
    faults = sum(row.get(fault, 0) for row in rows for fault in FAULTS)
    yield Threshold("events refused, lost, doubled or miscounted", faults, "at most", 0)


def shares_with_threshold(cores: int) -> dict[float, str]:
    """By share of a core: two processes with all the machine has left are judged where there is a core for each part.

    Two relays, MariaDB, phones and generator. On fewer cores two relays get hardly more processor than one, which has what the
    others leave already; what is free is only printed there, and what is rationed has a threshold everywhere.
    """
    free = {comparisons.WHOLE: "free"} if cores >= PARTS else {}
    return {comparisons.RATION: "each a quarter of a core"} | free


def powers(largest: int, smallest: int) -> list[int]:
    """`smallest` and ten times as much, and so on up to `largest`."""
    found = [smallest]
    while found[-1] * 10 <= largest:
        found.append(found[-1] * 10)
    return found


def printed(comparison: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows as they come, named, and shown as progress."""
    for row in rows:
        found = {"comparison": comparison} | row
        brief = {name: found[name] for name in list(found)[:6]}
        print("  ".join(f"{name} {value}" for name, value in brief.items()), flush=True)
        yield found


def measure(rounds: int, events: int, pushes: int, most_rows: int, most_phones: int) -> Iterator[Row]:
    """Every comparison that this machine can make."""
    yield from printed(
        "builds", comparisons.builds(rounds, events * 3)
    )  # long enough that its beginning does not count
    with mariadb() as database:
        if database is None:
            print("MariaDB is not installed: one process beside two is left out", flush=True)
        else:
            yield from printed("processes", comparisons.processes(database, rounds, events))
    yield from printed("transport", comparisons.transports(rounds, pushes))
    yield from printed("phones", comparisons.fan_out(powers(most_phones, 1), events * 3))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sizes = powers(most_rows, 1000)
        yield from printed("rows", asyncio.run(comparisons.growth(Path(folder), sizes)))


def draw(rows: Sequence[Row], folder: Path) -> None:
    """What grows, and what does not."""
    folder.mkdir(parents=True, exist_ok=True)
    growths = (("phones", "alerts_per_core", "phones per secret", "alerts a second and core"),
               ("rows", "lookup_us", "rows in the table of phones", "processor for an event's lookups, µs"))  # fmt: skip
    for name, figure, x, y in growths:
        some = [row for row in rows if row["comparison"] == name]
        with plot(folder / f"bench-{name}.svg", f"{y[0].upper()}{y[1:]}", x=x, y=y, log="x") as axes:
            axes.plot([row[name] for row in some], [row[figure] for row in some], "o-", label="relay, SQLite")
            axes.set_ylim(0, 1.25 * max((row[figure] for row in some), default=1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes and judges; 1 if a threshold was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--events", type=count, default=1500, help="of each run")
    parser.add_argument(
        "--pushes", type=count, default=2000, help="of stock aioapns; the other transport sends more"
    )
    parser.add_argument("--rows", type=count, default=1_000_000, help="the most in the table of phones")
    parser.add_argument("--phones", type=count, default=10_000, help="the most of one secret")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for row in measure(options.rounds, options.events, options.pushes, options.rows, options.phones):
        rows.append(row)
        record("bench", rows, list(thresholds(rows)), options.out, finished=False)
    draw(rows, options.out)
    builds = [row for row in rows if row["comparison"] == "builds"]
    per_core = times(builds, "build", "relay", "naive", "events_per_core")
    print(f"events per core, relay / naive: {per_core}")
    free = [row for row in rows if row.get("share_of_core") == comparisons.WHOLE]
    two_free = times(free, "processes", 2, 1, "events_per_second")
    print(f"events a second on MariaDB, two processes / one, free: {two_free}")
    more = {
        "relay_per_core_times_naive": per_core,
        "two_processes_times_one_free": two_free,
        "finished": True,
    }
    return conclude("bench", rows, list(thresholds(rows)), folder=options.out, **more)


if __name__ == "__main__":
    run(main)
