"""What was reported beside what was shown. Pure; times are UNIX seconds.

`accounts` is of a run of the generator: whether each event reached each phone once, how fast, and how late. `account` is of one
phone's day: alerts once, cards ended, dead tokens gone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, NamedTuple


class Reported(NamedTuple):
    """One event as the generator saw it; times are UNIX seconds; -1, -1, -1 if it was refused."""

    session: str
    at: float
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

    `seconds` from the first event reported to the last alert shown. Latencies in milliseconds: `accept` from reporting to the
    answer, `delivery` from reporting to each phone's screen.
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
        """Events that were reported and shown."""
        return self.events / self.seconds if self.seconds else 0.0

    def row(self) -> dict[str, Any]:
        """For a summary; times of the machine are there to be read, not to be held against it."""
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


def accounts(reported: Sequence[Reported], shown: Iterable[Shown], phones: int) -> Accounts:
    """Every event reported must be shown once on each of so many phones."""
    arrived = list(shown)
    times = {one.session: one.at for one in reported}
    reached = Counter((one.session, one.phone) for one in arrived)
    taken = [one for one in reported if not one.refused]
    promised = {one.session for one in taken}
    accept = [1000 * (one.answered - one.at) for one in taken]
    delivery = [1000 * (one.at - times[one.session]) for one in arrived if one.session in times]
    ends = [one.at for one in arrived] + [one.answered for one in reported]
    return Accounts(
        events=len(reported),
        refused=len(reported) - len(taken),
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


# --- a day ------------------------------------------------------------------------------------------------------


GRACE: Final = 75.0
"""Seconds that the relay may take over an alert that APNs refused with 429: what was reported in the last of them before a phone's
token died may reach it, or not."""


class Alert(NamedTuple):
    """One event that must ring on every phone of its household, reported at `at`; `text` is its id, and what rings says it."""

    text: str
    household: int
    at: float


class Lifetime(NamedTuple):
    """From when on, and until when, a phone was registered with one device token."""

    begins: float
    ends: float


class Ring(NamedTuple):
    """An alert on a screen; `in_place` if it took the place of itself there."""

    text: str
    in_place: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A session's card on a phone, of several the one that changed last; `running` if it has not ended."""

    session: str
    status: str
    running: bool


@dataclass(frozen=True, slots=True)
class PhoneRecord:
    """One phone's day. `not_kept`: alerts of which APNs kept only the newest while it was offline (Apple's rule).

    `waiting`: the alerts that APNs answered 5xx, and that the relay holds: Apple wants it to wait for 15 minutes then.
    """

    household: int
    lifetimes: Sequence[Lifetime]
    rings: Sequence[Ring]
    cards: Sequence[Card]
    not_kept: int = 0
    waiting: frozenset[str] = frozenset()


def account(alerts: Iterable[Alert], phone: PhoneRecord, endings: Mapping[str, str]) -> dict[str, Any]:
    """The counts of one phone; `endings` are the statuses that the cards of the sessions must end with.

    `doubled` rang a second time beside the first; `in_place` rang again where it was (a resend after a relay was killed).
    """
    own = [alert for alert in alerts if alert.household == phone.household]
    must = {alert.text for alert in own if _must_ring(alert.at, phone.lifetimes)}
    rung = Counter(ring.text for ring in phone.rings if not ring.in_place)
    return {
        "alerts": len(must),
        "lost": max(0, len(must - set(rung) - phone.waiting) - phone.not_kept),
        "waiting": len(phone.waiting - set(rung)),
        "not_kept": phone.not_kept,
        "doubled": sum(count - 1 for count in rung.values()),
        "in_place": sum(ring.in_place for ring in phone.rings),
        "strange": len(set(rung) - {alert.text for alert in own}),
        "cards": len(phone.cards),
        "cards_wrong": sum(card.running or card.status != endings.get(card.session) for card in phone.cards),
    }


def _must_ring(at: float, lifetimes: Sequence[Lifetime]) -> bool:
    return any(one.begins <= at < one.ends - GRACE for one in lifetimes)
