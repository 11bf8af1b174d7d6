"""How far a card is behind its agent, from what the agent did and what the card showed. Pure; times are seconds.

Two measures:

- behind, at every moment: since when the agent has left the very state that the card shows; 0 while it is in it.
- late, with every phase change (of the status): for how long afterwards the card showed neither that change nor
  anything newer, and the agent was not back in the phase that the card shows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from loadtests.agent import Change


@dataclass(frozen=True, slots=True)
class Showing:
    """From `at` on the card shows the change of this number."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """Seconds. Median, p95 and longest of `behind` are over the time that the card was there; `late` is the most."""

    median: float
    p95: float
    longest: float
    late: float


def staleness(
    changes: Sequence[Change], showings: Sequence[Showing], until: float, step: float = 1.0
) -> Staleness:
    """Of a card from its first showing to `until`; median and p95 from samples every `step` seconds."""
    samples = sorted(behind(changes, showings, until, step))
    ends = [one.at for one in showings[1:]] + [until]
    return Staleness(
        median=_share(samples, 0.5),
        p95=_share(samples, 0.95),
        longest=max(_behind(changes, one.number, end) for one, end in zip(showings, ends, strict=True)),
        late=max(lateness(changes, showings, until), default=0.0),
    )


def behind(
    changes: Sequence[Change], showings: Sequence[Showing], until: float, step: float = 1.0
) -> list[float]:
    """How far the card is behind, every `step` seconds from its first showing on."""
    times = [one.at for one in showings]
    count = int((until - times[0]) / step)
    instants = [times[0] + number * step for number in range(count + 1)]
    return [_behind(changes, showings[bisect_right(times, at) - 1].number, at) for at in instants]


def _behind(changes: Sequence[Change], number: int, now: float) -> float:
    left = changes[number + 1].at if number + 1 < len(changes) else now
    return max(0.0, now - left)


def lateness(changes: Sequence[Change], showings: Sequence[Showing], until: float) -> list[float]:
    """How late the card was with each phase change; with one that it never caught up with, until the end."""
    moments = _moments(changes, showings, until)
    return [
        _caught_up(changes, moments, change, until) - change.at
        for before, change in pairwise(changes)
        if change.status != before.status
    ]


Moment = tuple[float, int, int]
"""From this time on the agent is in the change of the first number, and the card shows that of the second."""


def _moments(changes: Sequence[Change], showings: Sequence[Showing], until: float) -> list[Moment]:
    begun, shown = [one.at for one in changes], [one.at for one in showings]
    instants = sorted({at for at in (*begun, *shown) if shown[0] <= at < until})
    return [
        (at, bisect_right(begun, at) - 1, showings[bisect_right(shown, at) - 1].number) for at in instants
    ]


def _caught_up(changes: Sequence[Change], moments: Sequence[Moment], change: Change, until: float) -> float:
    since = islice(moments, bisect_left(moments, (change.at, 0, 0)), None)
    for at, agent, card in since:
        if card >= change.number or changes[card].status == changes[agent].status:
            return at
    return until


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
