"""Whether one secret delays another's alerts: a flood of its events, or an event with very many phones. Ratios of one run.

    python -m loadtests.fairness [--rounds 3] [--events 60] [--rate 100] [--phones 10000] [--out FOLDER]

A real relay on SQLite, APNs and phones in a process of their own. A quiet secret with one phone reports an event at a time: alone,
while another secret reports so many a second (`flood`), and while another secret's events go to very many phones (`phones`). Counted
is the time from the report to the phone's screen, as the sandbox's phone notes it. The ratio of a round is that of the medians
with the other secret and alone, and that of a run is the median of its rounds. What is lost, doubled or refused fails the run.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from loadtests.accounts import Reported, Shown, accounts
from loadtests.bench import times
from loadtests.command import amount, conclude, count, run
from loadtests.keep_alive import KeepAlive
from loadtests.servers import Servers, running
from loadtests.summary import OUT, Threshold

QUIET, FLOOD, MANY = (f"a-secret-for-the-{name}-of-load-tests" for name in ("quiet", "flood", "many-phones"))
GOALS: Final = {"flood": 4.0, "phones": 50.0}
"""How many times as long an alert may take as it takes alone. Ten thousand pushes in the order in which they came would be a thousand
times as long; a slice of them, with its pages being written and a hundred pushes under way, is tens of times as much as one alert.
"""
WHAT: Final = {
    "flood": "a quiet secret's alert, beside a flood of another's events / alone",
    "phones": "a quiet secret's alert, beside another's events with very many phones / alone",
}
SHARE: Final = 0.15
"""Of the time that an event with very many phones takes to reach them all, a quiet alert's longest may be so much."""
PAUSE: Final = 0.05
"""Seconds between two events of the quiet secret."""
REPORTERS: Final = 4
STRAGGLE_SECONDS: Final = 120.0
FAULTS: Final = ("refused", "lost", "doubled")

Row = dict[str, Any]


class Reporter:
    """Reports events of one secret, one after the other."""

    def __init__(self, url: str, secret: str, name: str) -> None:
        self._relay, self._secret, self._name = KeepAlive(url), secret, name
        self.reported: list[Reported] = []

    def report(self) -> Reported:
        """One more; returns when the relay has answered."""
        session = f"{self._name}-{len(self.reported)}"
        event = {"secret": self._secret, "eventType": "complete", "sessionID": session, "eventID": session,
                 "title": "Session complete", "body": "All 41 tests pass"}  # fmt: skip
        began = time.time()
        reply = self._relay.post("/v1/event", json.dumps(event).encode())
        counts = (
            json.loads(reply.body) if reply.status == 200 else dict.fromkeys(("sent", "failed", "queued"), -1)
        )
        found = Reported(session, began, time.time(), counts["sent"], counts["failed"], counts["queued"])
        self.reported.append(found)
        return found

    def close(self) -> None:
        """Hang up."""
        self._relay.close()


@contextmanager
def others(url: str, secret: str, name: str, *, reporters: int, rate: float) -> Iterator[list[Reporter]]:
    """So many report at the same time, `rate` events a second together, as fast as they are answered at the most."""
    over = threading.Event()
    found = [Reporter(url, secret, f"{name}-{number}") for number in range(reporters)]

    def work(reporter: Reporter) -> None:
        due = time.monotonic()
        while not over.is_set():
            reporter.report()
            due = max(due + reporters / rate, time.monotonic())
            over.wait(due - time.monotonic())
        reporter.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in found]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join()


def quiet(servers: Servers, name: str, events: int) -> tuple[list[Reported], list[Shown]]:
    """So many events, one at a time; and all that any phone showed meanwhile."""
    reporter = Reporter(servers.urls[0], QUIET, name)
    for _ in range(events):
        reporter.report()
        time.sleep(PAUSE)
    reporter.close()
    return reporter.reported, [Shown(*one) for one in servers.phones.shown()]


def measured(servers: Servers, case: str, turn: int, events: int, rate: float, phones: int) -> Row:
    """One case of one round."""
    name = f"{case}{turn}"
    servers.phones.shown()
    if case == "alone":
        reported, shown = quiet(servers, name, events)
        there: list[Reporter] = []
    else:
        load = {"flood": (FLOOD, REPORTERS, rate), "phones": (MANY, 1, 1000.0)}[case]
        secret, reporters, per_second = load
        with others(servers.urls[0], secret, f"{name}-other", reporters=reporters, rate=per_second) as there:
            reported, shown = quiet(servers, f"{name}-quiet", events)
    other = [one for reporter in there for one in reporter.reported]
    to = phones if case == "phones" else 1
    expected = len(reported) + len(other) * to
    ends = time.monotonic() + STRAGGLE_SECONDS
    while len(shown) < expected and time.monotonic() < ends:
        shown += [Shown(*one) for one in servers.phones.shown()]
        time.sleep(0.1)
    sessions = {one.session for one in reported}
    mine = accounts(reported, [one for one in shown if one.session in sessions], 1)
    theirs = accounts(other, [one for one in shown if one.session not in sessions], to)
    at = {one.session: one.at for one in reported}
    late = [1000 * (one.at - at[one.session]) for one in shown if one.session in at]
    return {
        "case": case,
        "round": turn,
        "alert_ms_median": round(mine.delivery_median, 1),
        "alert_ms_p95": round(mine.delivery_p95, 1),
        "alert_ms_longest": round(max(late, default=float("nan")), 1),
        "others_events_per_second": round(len(other) / theirs.seconds, 1) if other else 0.0,
        "others_alerts": len(other) * to,
        "others_ms_p95": round(theirs.delivery_p95, 1),
        **{fault: getattr(mine, fault) + getattr(theirs, fault) for fault in FAULTS},
    }


def measure(rounds: int, events: int, rate: float, phones: int) -> Iterator[Row]:
    """Three rows a round, in an order that turns."""
    with tempfile.TemporaryDirectory(prefix="fairness-") as name, running(Path(name)) as servers:
        for secret, many in ((QUIET, 1), (FLOOD, 1), (MANY, phones)):
            servers.phones.pair(servers.urls[0], secret, many)
        measured(
            servers, "alone", -1, events, rate, phones
        )  # the first events are slower, whoever reports them
        for turn in range(rounds):
            for case in ("alone", "flood", "phones")[:: 1 if turn % 2 else -1]:
                row = measured(servers, case, turn, events, rate, phones)
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
                yield row


def thresholds(rows: Sequence[Row]) -> Iterator[Threshold]:
    """A quiet alert beside a flood, and beside an event with very many phones, takes so many times as long as alone at most."""
    for case, goal in GOALS.items():
        ratio = times(rows, "case", case, "alone", "alert_ms_median")
        yield Threshold(WHAT[case], ratio, "at most", goal)
    shares = [row["alert_ms_longest"] / row["others_ms_p95"] for row in rows if row["case"] == "phones"]
    share = round(median(shares), 3) if shares else float("nan")
    what = "the longest quiet alert beside an event with very many phones / that event to its phones"
    yield Threshold(what, share, "at most", SHARE)
    yield Threshold(
        "alerts refused, lost or doubled", sum(row[f] for row in rows for f in FAULTS), "at most", 0
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes and judges; 1 if a threshold was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument(
        "--events", type=count, default=60, help="of the quiet secret, in each case and round"
    )
    parser.add_argument("--rate", type=amount, default=100.0, help="events a second of the flood")
    parser.add_argument("--phones", type=count, default=10_000, help="of the other secret")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows = list(measure(options.rounds, options.events, options.rate, options.phones))
    return conclude("fairness", rows, list(thresholds(rows)), folder=options.out)


if __name__ == "__main__":
    run(main)
