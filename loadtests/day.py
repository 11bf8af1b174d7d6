"""An agent at work, and a day of some households, pressed into minutes: who works when, and what happens to phones, APNs and relays.

Pure. An agent is a list of changes of its session's state, from a seed, so that every policy sees the same hour.

A household is one OpenCode server, its secret, and three phones, of which the first is always there, the second is offline for a
while, and the third changes its token or loses the app. The last household is idle: its phones are paired and get nothing.
Times are seconds since the day began.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

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


PHONES: Final = 3
ALERTING: Final[frozenset[EventType]] = frozenset({"complete", "permission", "error"})

What = Literal["offline", "online", "new token", "uninstall", "restart", "kill"]


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a household's server: its changes come `begins` seconds later than they say."""

    name: str
    household: int
    begins: float
    changes: list[Change]

    @property
    def ending(self) -> Status:
        """What its card must say at last."""
        return self.changes[-1].status


@dataclass(frozen=True, slots=True)
class Deed:
    """What befalls a phone of a household, or, without either, all relays in turn."""

    at: float
    what: What
    household: int = -1
    phone: int = -1


@dataclass(frozen=True, slots=True)
class Day:
    """`faults` are rules as the sandbox takes them (simulator.apns.faults.document)."""

    seconds: float
    sessions: list[Session]
    deeds: list[Deed]
    faults: list[dict[str, Any]]


SHARES: Final[dict[int, tuple[tuple[What, float], ...]]] = {
    1: (("offline", 0.30), ("online", 0.50)),
    2: (("new token", 0.40), ("uninstall", 0.60)),
}
"""When, as a share of the day, something befalls which phone; of the third's two, one household has the one, the next the other."""

RELAYS: Final[tuple[tuple[What, float], ...]] = (("restart", 0.35), ("kill", 0.65))

FAULTS: Final[tuple[tuple[dict[str, Any], float, float], ...]] = (
    ({"answer": {"reason": "TooManyRequests"}}, 0.10, 0.20),
    ({"answer": {"reason": "ServiceUnavailable"}}, 0.20, 0.28),
    ({"reset": "INTERNAL_ERROR"}, 0.45, 0.55),
    ({"answer": {"reason": "InternalServerError"}}, 0.55, 0.60),
    ({"close": True}, 0.75, 0.80),
)
"""What APNs does to one push in five, from and until which share of the day."""

UNLUCKY: Final = 0.2


def day(seconds: float, households: int, random: Random) -> Day:
    """At least one household that works, and an idle one."""
    busy = range(max(1, households - 1))
    return Day(
        seconds=seconds,
        sessions=[one for household in busy for one in _sessions(household, seconds, random)],
        deeds=sorted((*_deeds(busy, seconds), *_restarts(seconds)), key=lambda deed: deed.at),
        faults=[
            {"do": do, "match": {"share": UNLUCKY, "after_s": begins * seconds, "until_s": ends * seconds}}
            for do, begins, ends in FAULTS
        ],
    )


def _sessions(household: int, seconds: float, random: Random) -> Iterator[Session]:
    """Each third of the day one that works on, and a short one beside it; every fourth session fails."""
    for part in range(3):
        for beside, share in enumerate((0.28, 0.1)):
            begins = seconds * (part / 3 + random.uniform(0, 0.03) + 0.1 * beside)
            name = f"ses_{household}_{part}_{beside}"
            work = hour_of_work(1.0, seconds * share, random)
            fails = random.random() < 0.25
            yield Session(name, household, begins, [*work[:-1], _failed(work[-1])] if fails else work)


def _failed(end: Change) -> Change:
    return Change(end.number, end.at, "error", "error")


def _deeds(households: range, seconds: float) -> Iterator[Deed]:
    for household in households:
        for phone, found in SHARES.items():
            chosen = found if phone == 1 else found[household % 2 : household % 2 + 1]
            yield from (Deed(share * seconds, what, household, phone) for what, share in chosen)


def _restarts(seconds: float) -> Iterator[Deed]:
    yield from (Deed(share * seconds, what) for what, share in RELAYS)
