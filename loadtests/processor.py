"""How much of the processor each part of a load test used: relay, phones, database, and the generator."""

from collections.abc import Mapping, Sequence

import psutil

Seconds = dict[str, float]
"""Of processor, user and system, by the part that used them."""


def used(parts: Mapping[str, Sequence[int]]) -> Seconds:
    """What these processes have used since they began, by part."""
    return {part: sum(map(_of, pids)) for part, pids in parts.items()}


def since(before: Seconds, now: Seconds) -> Seconds:
    """What was used between two readings of the same parts."""
    return {part: seconds - before[part] for part, seconds in now.items()}


def _of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
