"""What was told beside what was shown: whether each event reached each phone once, how fast, and how late. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple


class Told(NamedTuple):
    """One event as the generator saw it; times are UNIX seconds; -1, -1, -1 if it was refused."""

    session: str
    told: float
    answered: float
    sent: int
    failed: int
    queued: int

    @property
    def refused(self) -> bool:
        """Whether the relay did not take it."""
        return self.sent < 0


class Shown(NamedTuple):
    """One alert on one phone's screen."""

    session: str
    phone: str
    at: float


@dataclass(frozen=True, slots=True)
class Accounts:
    """`lost` and `doubled` count alerts on phones, `miscounted` events whose reply does not add up to their phones.

    `seconds` from the first event told to the last alert shown. Latencies in milliseconds: `accept` from telling to the
    answer, `delivery` from telling to each phone's screen.
    """

    events: int
    refused: int
    lost: int
    doubled: int
    miscounted: int
    seconds: float
    accept_median: float
    accept_p95: float
    delivery_median: float
    delivery_p95: float

    @property
    def faults(self) -> int:
        """Everything that must be zero."""
        return self.refused + self.lost + self.doubled + self.miscounted

    @property
    def events_per_second(self) -> float:
        """Events that were told and shown."""
        return self.events / self.seconds if self.seconds else 0.0

    def row(self) -> dict[str, Any]:
        """For a summary; times of the machine are there to be read, not to be judged."""
        return {
            "events": self.events,
            "events_per_second": round(self.events_per_second, 2),
            "refused": self.refused,
            "lost": self.lost,
            "doubled": self.doubled,
            "miscounted": self.miscounted,
            "accept_ms_median": round(self.accept_median, 1),
            "accept_ms_p95": round(self.accept_p95, 1),
            "delivery_ms_median": round(self.delivery_median, 1),
            "delivery_ms_p95": round(self.delivery_p95, 1),
        }


def accounts(told: Sequence[Told], shown: Iterable[Shown], phones: int) -> Accounts:
    """Every event told must be shown once on each of so many phones."""
    arrived = list(shown)
    times = {one.session: one.told for one in told}
    reached = Counter((one.session, one.phone) for one in arrived)
    taken = [one for one in told if not one.refused]
    promised = {one.session for one in taken}
    accept = [1000 * (one.answered - one.told) for one in taken]
    delivery = [1000 * (one.at - times[one.session]) for one in arrived if one.session in times]
    ends = [one.at for one in arrived] + [one.answered for one in told]
    return Accounts(
        events=len(told),
        refused=len(told) - len(taken),
        lost=len(taken) * phones - sum(session in promised for session, _ in reached),
        doubled=len(arrived) - sum(session in times for session, _ in reached),
        miscounted=sum(one.sent + one.queued != phones or one.failed != 0 for one in taken),
        seconds=max(ends, default=0.0) - min(times.values(), default=0.0),
        accept_median=_at(accept, 0.5),
        accept_p95=_at(accept, 0.95),
        delivery_median=_at(delivery, 0.5),
        delivery_p95=_at(delivery, 0.95),
    )


def _at(values: Sequence[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """The median of the ratios of single rounds; NaN if a round measured nothing."""
    return median(one / other if other else float("nan") for one, other in pairs)
