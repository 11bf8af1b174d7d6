"""How long to wait before trying again: doubling, capped, and jittered so that nobody tries in step. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

MOST_DOUBLINGS = 32
"""Beyond that every cap has long been reached, and two to the number of attempts would overflow a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds, or in whatever unit `first` and `cap` have: `first`, doubling with each failure in a row up to `cap`."""

    first: float = 0.25
    cap: float = 30.0

    def step(self, attempt: int) -> float:
        """The wait after the `attempt`-th failure in a row (1, 2, ...), without jitter."""
        return min(self.cap, self.first * 2.0 ** min(attempt - 1, MOST_DOUBLINGS))

    def delay(self, attempt: int, random: Callable[[], float]) -> float:
        """`step`, multiplied by a random factor from 0.5 to 1. `random` yields numbers in [0, 1)."""
        return self.step(attempt) * (0.5 + random() / 2)
