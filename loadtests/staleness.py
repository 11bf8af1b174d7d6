"""How far a card is behind its agent, from what the agent did and what the card showed. Pure; times are seconds.

Two measures, as functions of time:

- behind: since when the agent has left the very state that the card shows; 0 while it is still in it.
- wrong: since when, without a break, the card has shown another phase (status) than the agent's; 0 while they agree.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loadtests.agent import Change


@dataclass(frozen=True, slots=True)
class Showing:
    """From `at` on the card shows the change of this number."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """Seconds. `median` and `p95` are over the time that the card was there; `wrong` is the longest such stretch."""

    median: float
    p95: float
    longest: float
    wrong: float


def staleness(
    changes: Sequence[Change], showings: Sequence[Showing], until: float, step: float = 1.0
) -> Staleness:
    """Of a card from its first showing to `until`; median and p95 from samples every `step` seconds."""
    samples = sorted(at_each(changes, showings, until, step))
    ends = [one.at for one in showings[1:]] + [until]
    return Staleness(
        median=_share(samples, 0.5),
        p95=_share(samples, 0.95),
        longest=max(_behind(changes, one.number, end) for one, end in zip(showings, ends, strict=True)),
        wrong=max((end - begin for begin, end in wrong_stretches(changes, showings, until)), default=0.0),
    )


def at_each(
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


def wrong_stretches(
    changes: Sequence[Change], showings: Sequence[Showing], until: float
) -> list[tuple[float, float]]:
    """Begin and end of each time in which card and agent were in different phases."""
    begun = [one.at for one in changes]
    shown = [one.at for one in showings]
    instants = sorted({at for at in (*begun, *shown) if shown[0] <= at < until} | {until})
    stretches: list[tuple[float, float]] = []
    for at, after in pairwise(instants):
        agents = changes[bisect_right(begun, at) - 1].status
        cards = changes[showings[bisect_right(shown, at) - 1].number].status
        if agents == cards:
            continue
        joined = bool(stretches) and stretches[-1][1] == at
        stretches[-1:] = [(stretches[-1][0], after)] if joined else [*stretches[-1:], (at, after)]
    return stretches


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
