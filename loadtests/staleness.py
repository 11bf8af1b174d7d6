"""How far a card is behind its agent, from what the agent did and what the card showed. Pure; times are seconds.

Three measures:

- behind, at every moment: since when the agent has left the very state that the card shows; 0 while it is in it.
- late, with every phase change (of the status): for how long afterwards the card showed neither that change nor
  anything newer, and the agent was not back in the phase that the card shows.
- wrong: the longest time in a row, from the card's first showing on, for which its phase was not the agent's.

"Never more than 15 s late" says: look at any moment, and at any phase change more than 15 s old then; the card shows that change or
a newer one, or had the agent's phase at some moment in those 15 s. It hides no change that a newer one overtook, because each
change is measured from its own time on; but of an agent that changes its phase again before the card has caught up, the card
may be wrong for longer than each single change is late, which is why `wrong` is given beside it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from loadtests.day import Change


@dataclass(frozen=True, slots=True)
class Showing:
    """From `at` on the card shows the change of this number."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """Seconds. Median, p95 and longest of `behind` are over the time that the card was there; `late` and `wrong` the most."""

    median: float
    p95: float
    longest: float
    late: float
    wrong: float


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
        wrong=wrong(changes, showings, until),
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


def wrong(changes: Sequence[Change], showings: Sequence[Showing], until: float) -> float:
    """The longest time in a row for which the card showed another phase than the agent's."""
    longest, since = 0.0, None
    for at, agent, card in [*_moments(changes, showings, until), (until, 0, 0)]:
        if since is not None:
            longest = max(longest, at - since)
        differs = changes[card].status != changes[agent].status
        since = (at if since is None else since) if differs else None
    return longest


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
