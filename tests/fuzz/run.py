"""The whole run: so many requests to the three processes in turn, and whether they are as they were before."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzz.processes import Process, Usage, running
from fuzz.traffic import Traffic

MEMORY = {"relay": 48.0, "bridge": 24.0, "control": 400.0}
"""MiB that may come on top after the first requests. The relay keeps statements and connections; the control API keeps what it
is asked to: phones, keys, faults, activities, and a journal of all that happens to them."""
FILES, TASKS = 16, 16
"""Connections and what serves them come and go."""
WARM = 0.1
"""The share of the requests after which the first measure is taken: what is loaded at first use is loaded then."""


def run(number: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Everything that was wrong; `say` gets lines on how it goes."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as processes:
        traffic = [Traffic(process, seed + 1000 * place) for place, process in enumerate(processes)]
        before = _after(traffic, int(number * WARM), say)
        after = _after(traffic, number - int(number * WARM), say)
        faults = [fault for one in traffic for fault in one.faults]
        for one, first, last in zip(traffic, before, after, strict=True):
            faults += _growth(one.process.name, first, last) + _traces(one.process)
            say(_summary(one, first, last))
        faults += [f"{one.name} did not end" for one in processes if one.stop() is None]
    return faults


def _after(traffic: list[Traffic], number: int, say: Callable[[str], None]) -> list[Usage]:
    """Send so many requests in all, a portion to each process in turn; what each uses then."""
    whole = sum(one.sent for one in traffic) + number
    portion = max(1, min(200, number // len(traffic)))
    while (sent := sum(one.sent for one in traffic)) < whole:
        least = min(traffic, key=lambda one: one.sent)
        known = len(least.faults)
        least.send(min(portion, whole - sent))
        for fault in least.faults[known:]:
            say(f"fault: {fault[:1000]}")
        say(f"{sum(one.sent for one in traffic)} requests, {sum(len(one.faults) for one in traffic)} faults")
    return [one.process.usage() for one in traffic]


def _growth(name: str, before: Usage, after: Usage) -> list[str]:
    bounds = Usage(MEMORY[name], FILES, TASKS)
    return [
        f"{name}: {what} grew from {first:.0f} to {last:.0f}"
        for what, first, last, bound in zip(Usage._fields, before, after, bounds, strict=True)
        if last - first > bound
    ]


def _traces(process: Process) -> list[str]:
    log = process.log
    return (
        [f"{process.name}: a traceback in its log:\n{log[log.index('Traceback') :][:4000]}"]
        if "Traceback" in log
        else []
    )


def _summary(traffic: Traffic, before: Usage, after: Usage) -> str:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(traffic.statuses.items()))
    uses = "; ".join(
        f"{what} {first:.0f} -> {last:.0f}"
        for what, first, last in zip(Usage._fields, before, after, strict=True)
    )
    routes = len(traffic.routes)
    return f"{traffic.process.name}: {traffic.sent} requests to {routes} routes ({statuses}); slowest {traffic.slowest:.2f} s; {uses}"
