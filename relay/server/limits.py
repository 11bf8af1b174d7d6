"""What a secret and a client address may ask of the relay: token buckets, what is taken from them, and what a refusal says. Pure.

A bucket holds as many as the limit says and is filled evenly over its time, so that whoever has used it up goes on at that pace, and never waits for
midnight. Buckets are in the memory of one relay: two relays on one database give twice as much, and a relay that starts gives all anew.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from relay.contract import RateLimits, Refusal

Limit = Literal[
    "requests",
    "address_registrations",
    "registrations",
    "phones",
    "activities",
    "answers",
    "fetches",
    "events_minute",
    "events_day",
    "connections",
    "body",
    "slow_body",
]

BUCKETS: Final = 20_000
"""Of each limit, a few megabytes. The one that nobody used for longest is given up: within the time of the limit it was full again anyway."""
KEPT_FOR_ALERTS: Final = 0.2
"""The share of a secret's events that only alerts may take: a card that moves must not cost a question its sound."""
COUNT_SECONDS: Final = 600
"""How long to wait before registering once more where a secret has all the phones or cards that it may have: nobody knows."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Words(NamedTuple):
    """What a refusal says: its stable code, and its sentence, in which `{most}` is the limit."""

    code: str
    error: str


WORDS: Final[Mapping[Limit, Words]] = {
    "requests": Words("too_many_requests", "Too many requests from this address: {most} a minute"),
    "address_registrations": Words("too_many_registrations", "Too many registrations from this address: {most} an hour"),
    "registrations": Words("too_many_registrations", "Too many registrations under this secret: {most} a minute"),
    "phones": Words("too_many_phones", "This secret has as many phones as it may: {most}"),
    "activities": Words("too_many_activities", "This secret has as many Live Activities as it may: {most}"),
    "answers": Words("too_many_answers", "Too many answers under this secret: {most} a minute"),
    "fetches": Words("too_many_fetches", "Answers were asked for too often under this secret: {most} times a minute"),
    "events_minute": Words("too_many_events", "Too many events of this secret: {most} a minute"),
    "events_day": Words("day_limit_reached", "Too many events of this secret: {most} a day"),
    "connections": Words("too_many_connections", "Too many requests at once from this address: {most}"),
}  # fmt: skip
"""By limit, those that are answered with 429."""


class Rate(NamedTuple):
    """`most` within `seconds`, at once or one after the other."""

    most: int
    seconds: float


class Buckets:
    """The buckets of one limit, by what it counts for: the hash of a secret, or an address. `now` is monotonic seconds."""

    def __init__(self, rate: Rate, most: int = BUCKETS) -> None:
        self.rate, self._most = rate, most
        self._every = rate.seconds / rate.most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Buckets that are kept."""
        return len(self._full_at)

    def wait(self, key: str, now: float, *, kept: int = 0) -> float:
        """Seconds until one can be taken so that `kept` are left; 0.0: now."""
        missing = 1 + kept - self._level(key, now)
        return missing * self._every if missing > _ROUNDING else 0.0

    def take(self, key: str, now: float) -> None:
        """One less."""
        self._full_at[key] = now + self.full_in(key, now) + self._every
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def left(self, key: str, now: float) -> int:
        """How many can be taken now."""
        return math.floor(self._level(key, now) + _ROUNDING)

    def full_in(self, key: str, now: float) -> float:
        """Seconds until it is as if nothing had been taken."""
        return max(0.0, self._full_at.get(key, now) - now)

    def _level(self, key: str, now: float) -> float:
        return self.rate.most - self.full_in(key, now) / self._every


_ROUNDING: Final = 1e-3


class Taken(NamedTuple):
    """One to be taken: from which limit, and for whom. `for_card`: only while more is left than what alerts need."""

    limit: Limit
    key: str
    for_card: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A limit was reached; after `wait` seconds it may be otherwise."""

    limit: Limit
    most: int
    wait: float

    @property
    def refusal(self) -> Refusal:
        """The reply."""
        code, error = WORDS[self.limit]
        seconds = max(1, math.ceil(self.wait))
        return Refusal(error=error.format(most=self.most), code=code, retry_after=seconds)


class Limits:
    """The buckets of all limits that are on. `now` is UNIX seconds, for what a reply says; all else goes by `monotonic`."""

    def __init__(
        self, rates: Mapping[Limit, Rate], *, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._buckets = {limit: Buckets(rate) for limit, rate in rates.items() if rate.most}
        self._alerted = Buckets(Rate(1, DAY))
        self._now, self._monotonic = now, monotonic

    def take(self, *wanted: Taken) -> Hit | None:
        """Take all of them; or none, and the one that keeps the request waiting longest."""
        now = self._monotonic()
        found = [(self._buckets[one.limit], one) for one in wanted if one.limit in self._buckets]
        hits = [
            Hit(one.limit, buckets.rate.most, wait)
            for buckets, one in found
            if (wait := buckets.wait(one.key, now, kept=_kept(buckets.rate, one)))
        ]
        if hits:
            return max(hits, key=lambda hit: hit.wait)
        for buckets, one in found:
            buckets.take(one.key, now)
        return None

    def rate_limits(self, secret_hash: str) -> RateLimits | None:
        """What is left of a secret's events of a day; None: there is no limit."""
        buckets, now = self._buckets.get("events_day"), self._monotonic()
        if buckets is None:
            return None
        full_at = time.gmtime(math.ceil(self._now() + buckets.full_in(secret_hash, now)))
        return RateLimits(
            maximum=buckets.rate.most,
            remaining=buckets.left(secret_hash, now),
            resets_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", full_at),
        )

    def first_of_day(self, secret_hash: str) -> bool:
        """Whether this is the first time within a day that the secret's limit of a day is reached."""
        now = self._monotonic()
        is_first = not self._alerted.wait(secret_hash, now)
        if is_first:
            self._alerted.take(secret_hash, now)
        return is_first


def _kept(rate: Rate, one: Taken) -> int:
    return int(rate.most * KEPT_FOR_ALERTS) if one.for_card else 0


class InProgress:
    """How many requests of each address are being answered, at most `most` (0: any number)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def begin(self, key: str) -> Hit | None:
        """One more, which must end; or the limit that it would break."""
        count = self._counts.get(key, 0)
        if self._most and count >= self._most:
            return Hit("connections", self._most, 1.0)
        self._counts[key] = count + 1
        return None

    def end(self, key: str) -> None:
        """One less."""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
