"""Pauses between attempts to connect. Pure: time and randomness are given."""

import random
from typing import Final

from relay import backoff

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
"""Seconds, doubling from one to the other. Apple, "Troubleshooting push notifications": rapid reconnects count as a
denial of service.
"""
_PAUSES: Final = backoff.Backoff(FIRST_PAUSE, LONGEST_PAUSE)

BURST: Final = 20
"""Attempts at once, more than a pool has connections; of those that fare well, too, so that a server which sends each
connection away after a few answers is not besieged.
"""
ONE_MORE_EVERY: Final = 1.0
"""Seconds after which there may be another."""


class Backoff:
    """Counts failures in a row, until something good happens, and how often there was an attempt."""

    def __init__(self, jitter: random.Random) -> None:
        self._jitter = jitter
        self._failures = 0
        self._until = float("-inf")
        self._attempts, self._last = 0.0, float("-inf")

    def tried(self, now: float) -> None:
        """An attempt begins."""
        self._attempts, self._last = self._recent(now) + 1, now

    def _recent(self, now: float) -> float:
        """Attempts that are not forgotten yet; of a clock that was set back, all are."""
        passed = now - self._last
        return 0.0 if passed < 0 else max(0.0, self._attempts - passed / ONE_MORE_EVERY)

    def failed(self, now: float) -> None:
        """Pause from `now` on: half to all of the step, so that many relays do not come back as one."""
        self._failures += 1
        self._until = now + _PAUSES.delay(self._failures, self._jitter.random)

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    def may_try(self, now: float) -> bool:
        """No pause is on. One that ends later than any can is of a clock that was set back, and does not count."""
        return not now < self._until <= now + LONGEST_PAUSE and self._recent(now) <= BURST - 1
