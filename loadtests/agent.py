"""An agent at work, as a list of changes of its session's state: seeded, so that every policy sees the same hour. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Final

from relay.contract import EventType, Status

LEAVES: Final[dict[Status, tuple[tuple[Status, ...], float]]] = {
    "working": (("retry", "permission"), 0.05),
    "retry": (("working",), 0.5),
    "permission": (("working",), 0.5),
}
"""Where a phase leads to, and the share of changes that leave it; the other changes bring a new message only."""


@dataclass(frozen=True, slots=True)
class Change:
    """The session's state from `at` (seconds since the beginning) on. `number` stands in the card's message."""

    number: int
    at: float
    event_type: EventType
    status: Status


def hour_of_work(rate: float, seconds: float, random: Random) -> list[Change]:
    """A start, changes that come by chance `rate` times a second, and at `seconds` the end."""
    changes = [Change(0, 0.0, "start", "working")]
    at = random.expovariate(rate)
    while at < seconds:
        changes.append(_next(changes[-1], at, random))
        at += random.expovariate(rate)
    return [*changes, Change(len(changes), seconds, "complete", "complete")]


def _next(last: Change, at: float, random: Random) -> Change:
    phases, share = LEAVES[last.status]
    status = random.choice(phases) if random.random() < share else last.status
    asks = status == "permission" != last.status
    return Change(last.number + 1, at, "permission" if asks else "progress", status)
