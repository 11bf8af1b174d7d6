"""How long to wait before trying again: doubling, capped, and jittered so that nobody tries in step."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds: `first`, doubling up to `cap`, each multiplied by a random factor from 0.5 to 1."""

    first: float = 0.25
    cap: float = 30.0

    def delay(self, attempt: int, random: Callable[[], float]) -> float:
        """Seconds to wait after the `attempt`-th failure (1, 2, ...). `random` yields numbers in [0, 1)."""
        doublings = min(attempt - 1, 32)  # beyond that the cap has long been reached, and floats stay small
        return min(self.cap, self.first * 2.0**doublings) * (0.5 + random() / 2)
