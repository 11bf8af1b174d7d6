"""How the phone's budget throttles: hours of sessions that change ever faster, with the relay's policy and without.

    python -m loadtests.budget [--rates 0.1,0.5,2,8,20] [--minutes 60] [--out FOLDER]

Each hour is one session and one card on a virtual clock: the relay's own code from event to push over SQLite, or naive
forwarding (every change is a push of priority 10 at once); the sandbox's own checks; a phone of the profile `default`
with the smaller of its two budgets, 15 updates of priority 10 an hour. HTTP is left out. The phone's circumstances are

- on: its screen is on, and every delay is the usual one of the profile;
- uneven: the same, but each delay is drawn by chance from the profile's range (0 to 5 s);
- off: its screen is off: what is not urgent waits for 120 s.

"Behind" is for how long the agent has left the state that the eye sees on the card; "late" for how long after a phase
change (of the status) the card, as ActivityKit holds it, had neither that change nor anything newer, and the agent was
not back in the phase that the card shows; `drawn_late` is the same for what the eye sees, and `drawn_wrong`, which is shown and
has no threshold, how long in a row the eye saw another phase than the agent's.
Everything goes into `loadtests/out`: JSON, CSV, HTML, SVG.
"""

import argparse
import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, Final

from loadtests.command import amount, amounts, conclude, run
from loadtests.hour import AFTERWARDS, CIRCUMSTANCES, POLICIES, Circumstances, Hour, Policy, hour
from loadtests.plots import plot
from loadtests.staleness import staleness
from loadtests.summary import OUT, Threshold, table
from simulator.phone.profile import Profile

RATES: Final = (0.1, 0.5, 2.0, 8.0, 20.0)
BUDGET: Final = Profile().update_capacity
MOST_LATE: Final = 15.0
"""Seconds. The plan's promise: with the screen on, no card is longer behind a phase change."""

MEASURED: Final = {"on": "drawn_late_longest", "uneven": "late_longest"}
"""What is held against it: iOS draws at most every 15 s (observed), so that any delay before comes on top for the eye."""

LATE: Final = {
    "drawn_late_longest": "seconds that the eye sees a phase change late, every delay as usual",
    "late_longest": "seconds that the card gets a phase change late, delays of up to 5 s by chance",
}

Case = tuple[float, Policy, Circumstances]


def measure(case: Case, minutes: float) -> dict[str, Any]:
    """One hour, as a row of the summary."""
    rate, policy, circumstances = case
    found = asyncio.run(hour(rate, policy, circumstances, seconds=minutes * 60))
    return {"rate": rate, "policy": policy, "phone": circumstances} | row(found)


def row(found: Hour) -> dict[str, Any]:
    """The figures of an hour. Pushes are an activity's in that time; the start, which has its own budget, is not among them."""
    tally = found.tally
    until = found.changes[-1].at + AFTERWARDS
    drawn, held = (staleness(found.changes, shown, until) for shown in (found.drawn, found.held))
    refused = {
        priority: sum(n for (p, _), n in tally.refused.items() if p == priority) for priority in (5, 10)
    }
    urgent = tally.sent[10] - tally.starts
    return {
        "changes": len(found.changes),
        "priority_10": urgent,
        "priority_5": tally.sent[5],
        "over_budget": max(0, urgent - refused[10] - BUDGET),
        "refused": refused[5] + refused[10],
        "deferred_10": tally.deferred[10],
        "dropped_10": tally.dropped[10],
        "held_up_10": tally.held_up,
        "behind_median": round(drawn.median, 2),
        "behind_p95": round(drawn.p95, 2),
        "behind_longest": round(drawn.longest, 2),
        "late_longest": round(held.late, 2),
        "drawn_late_longest": round(drawn.late, 2),
        "drawn_wrong_longest": round(drawn.wrong, 2),
        "last_is_shown": found.drawn[-1].number == found.changes[-1].number,
    }


def thresholds(rows: Sequence[dict[str, Any]]) -> Iterator[Threshold]:
    """What must hold at every rate. The naive way is there to show that the budget can be exceeded at all."""
    for one in rows:
        where = f"{one['rate']:g}/s, phone {one['phone']}"
        if one["policy"] == "naive":
            yield Threshold("naive pushes over the budget", one["over_budget"], "at least", 1, where)
            continue
        yield Threshold("priority 10 refused, deferred or dropped", one["held_up_10"], "at most", 0, where)
        yield Threshold("pushes refused", one["refused"], "at most", 0, where)
        yield Threshold("the last state is shown", one["last_is_shown"], "at least", 1, where)
        if one["phone"] != "off":
            measure_name = MEASURED[one["phone"]]
            yield Threshold(LATE[measure_name], one[measure_name], "at most", MOST_LATE, where)


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """The pushes and the staleness of both policies over the rate."""
    folder.mkdir(parents=True, exist_ok=True)
    here = {
        policy: [one for one in rows if (one["policy"], one["phone"]) == (policy, "on")]
        for policy in POLICIES
    }
    title = "Pushes of one activity in an hour"
    with plot(folder / "budget-pushes.svg", title, x="changes a second", y="pushes", log="xy") as axes:
        for policy, priority in product(POLICIES, (10, 5)):
            counts = [one[f"priority_{priority}"] for one in here[policy]]
            if any(counts):
                rates = [one["rate"] for one in here[policy]]
                axes.plot(rates, counts, "o-", label=f"{policy}, priority {priority}")
        axes.axhline(BUDGET, color="black", linestyle=":", label="budget of priority 10")
    title = "How far the card is behind (95 % of the time less)"
    with plot(folder / "budget-staleness.svg", title, x="changes a second", y="seconds", log="x") as axes:
        for policy, phone in product(POLICIES, ("on", "off")):
            some = [one for one in rows if (one["policy"], one["phone"]) == (policy, phone)]
            rates = [one["rate"] for one in some]
            axes.plot(rates, [one["behind_p95"] for one in some], "o-", label=f"{policy}, screen {phone}")


def cases(rates: Sequence[float]) -> list[Case]:
    """Every hour to be lived, the longest first, so that no core is left waiting at the end."""
    return sorted(product(rates, POLICIES, CIRCUMSTANCES), key=lambda case: (-case[0], case[1] == "naive"))


def measured(wanted: Sequence[Case], minutes: float) -> Iterator[dict[str, Any]]:
    """A row for each case, in their order; who stops listening ends the work as well."""
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=1) as pool:
        try:
            for lived in _submitted(pool, wanted, minutes):
                yield lived.result()
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def _submitted(
    pool: ProcessPoolExecutor, wanted: Sequence[Case], minutes: float
) -> list[Future[dict[str, Any]]]:
    """The workers, and the thread that starts them, begin with Ctrl-C blocked: it is the parent that ends them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return [pool.submit(measure, case, minutes) for case in wanted]
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def main(arguments: Sequence[str] | None = None) -> int:
    """Lives all hours, each in a process of its own, as many at once as there are cores; 1 if a threshold was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rates", type=amounts, default=",".join(f"{rate:g}" for rate in RATES), help="changes a second"
    )
    parser.add_argument(
        "--minutes", type=amount, default=60.0, help="of each session; the budget counts by the hour"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    wanted = cases(options.rates)
    rows: list[dict[str, Any]] = []
    for found in measured(wanted, options.minutes):
        rows.append(found)
        print(
            f"{len(rows)}/{len(wanted)} {found['policy']:<5} {found['rate']:g}/s, phone {found['phone']}",
            flush=True,
        )
    rows.sort(key=lambda one: (one["policy"] == "naive", one["phone"], one["rate"]))
    draw(rows, options.out)
    print(table(rows))
    return conclude("budget", rows, list(thresholds(rows)), folder=options.out, minutes=options.minutes)


if __name__ == "__main__":
    run(main)
