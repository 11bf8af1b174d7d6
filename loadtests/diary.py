"""What phones showed of a day, beside what they had to: alerts once, cards ended, dead tokens gone. Pure; UNIX seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

GRACE: Final = 75.0
"""Seconds that the relay may take over an alert that APNs refused with 429: what was told in the last of them before a phone's
token died may reach it, or not."""


class Alert(NamedTuple):
    """One event that must ring on every phone of its household, told at `at`; `text` is its id, and what rings says it."""

    text: str
    household: int
    at: float


class Stay(NamedTuple):
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
class PhoneDiary:
    """One phone's day. `not_kept`: alerts of which APNs kept only the newest while it was offline (Apple's rule).

    `waiting`: the alerts that APNs answered 5xx, and that the relay holds: Apple wants it to wait for 15 minutes then.
    """

    household: int
    stays: Sequence[Stay]
    rings: Sequence[Ring]
    cards: Sequence[Card]
    not_kept: int = 0
    waiting: frozenset[str] = frozenset()


def account(alerts: Iterable[Alert], phone: PhoneDiary, endings: Mapping[str, str]) -> dict[str, Any]:
    """The counts of one phone; `endings` are the statuses that the cards of the sessions must end with.

    `doubled` rang a second time beside the first; `in_place` rang again where it was (a resend after a relay was killed).
    """
    own = [alert for alert in alerts if alert.household == phone.household]
    must = {alert.text for alert in own if _must_ring(alert.at, phone.stays)}
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


def _must_ring(at: float, stays: Sequence[Stay]) -> bool:
    return any(stay.begins <= at < stay.ends - GRACE for stay in stays)
