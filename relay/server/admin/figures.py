"""The last day in figures: the chart's bars, what it says in words, and the table of reasons. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from relay.server import story
from relay.server.metrics import HOUR_MS
from relay.server.store.hours import PushHour

HOURS: Final = 24
STATUSES: Final = ("sent", "queued", "failed")
"""From the foot of a bar to its top."""
WORDS: Final = {"sent": "taken by APNs", "queued": "to be tried again", "failed": "failed"}
REASONS: Final = {
    "none": "APNs took it.",
    "not_sent": "It certainly did not reach APNs: no connection, a paused key, or it had expired.",
    "maybe_sent": "It went out, and no answer came.",
    "other": "A reason that is in no table of Apple's.",
}
"""Of the labels that are no reason of APNs."""
WIDTH, HEIGHT, STEP, BAR = 240.0, 100.0, 10.0, 7.0
SMALLEST: Final = 2.0
"""So high is at least what is not nothing: three that failed are seen beside ten thousand that did not."""


class Piece(NamedTuple):
    """A part of a bar: its status, and its place in a drawing of WIDTH by HEIGHT."""

    status: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Hour:
    """What ended in it, by status."""

    hour_at: int
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Attempts that ended."""
        return sum(self.numbers.values())

    @property
    def label(self) -> str:
        """`17:00`."""
        return story.utc(self.hour_at)[11:16]


class Row(NamedTuple):
    """One kind of end, and how often it came. `source` is '' where the sentence is our own."""

    push_type: str
    status: str
    reason: str
    number: int
    sentence: str
    source: str
    advice: str


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours. `most` is what the highest bar stands for."""

    hours: Sequence[Hour]
    pieces: Sequence[Piece]
    rows: Sequence[Row]
    totals: dict[str, int]
    most: int

    @property
    def in_words(self) -> str:
        """What the chart shows."""
        if not self.most:
            return "No attempt to push ended in the last 24 hours."
        counted = ", ".join(f"{self.totals[status]:,} {WORDS[status]}" for status in STATUSES)
        busiest = max(self.hours, key=lambda hour: hour.total)
        return f"Attempts to push in the last 24 hours, by hour: {counted}. The most, {busiest.total:,}, from {busiest.label} UTC."


def first_hour(now_ms: int) -> int:
    """When the oldest of the hours began (UTC ms)."""
    return now_ms // HOUR_MS * HOUR_MS - (HOURS - 1) * HOUR_MS


def day(found: Iterable[PushHour], now_ms: int) -> Day:
    """Made of what the relays counted."""
    begins = first_hour(now_ms)
    numbers: dict[int, dict[str, int]] = {
        begins + n * HOUR_MS: dict.fromkeys(STATUSES, 0) for n in range(HOURS)
    }
    kinds: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for one in found:
        if one.hour_at in numbers and one.status in STATUSES:
            numbers[one.hour_at][one.status] += one.number
            kinds[one.push_type, one.status, one.reason] += one.number
    hours = [Hour(at, of_hour) for at, of_hour in numbers.items()]
    most = max(hour.total for hour in hours)
    totals = {status: sum(hour.numbers[status] for hour in hours) for status in STATUSES}
    return Day(hours, _pieces(hours, most), _rows(kinds), totals, most)


def _pieces(hours: Sequence[Hour], most: int) -> list[Piece]:
    return [piece for n, hour in enumerate(hours) for piece in _bar(n * STEP + (STEP - BAR) / 2, hour, most)]


def _bar(x: float, hour: Hour, most: int) -> Iterable[Piece]:
    heights = {
        status: max(SMALLEST, number / most * HEIGHT) for status, number in hour.numbers.items() if number
    }
    over = sum(heights.values()) - HEIGHT
    if over > 0:  # the small parts were made higher, so the largest gives way
        largest = max(heights, key=lambda status: heights[status])
        heights[largest] -= over
    y = HEIGHT
    for status, height in heights.items():
        y -= height
        yield Piece(status, x, round(y, 2), round(height, 2))


def _rows(kinds: dict[tuple[str, str, str], int]) -> list[Row]:
    rows = []
    for (push_type, status, reason), number in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])):
        known = None if reason in REASONS else story.meaning(reason)
        sentence = known.sentence if known else REASONS[reason]
        rows.append(
            Row(
                push_type,
                status,
                reason,
                number,
                sentence,
                known.source if known else "",
                known.advice if known else "",
            )
        )
    return rows
