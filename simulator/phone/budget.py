"""A budget: so many in a window of time, which begins with the first one and then resets as a whole. No I/O.

Observed in reports of iOS' behaviour: a start needs one left, but every start that arrives is counted, so that it may go
below zero; an update that finds none left is not counted but waits.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """How much was used since `began` (UNIX seconds; None: nothing yet). Capacity and window belong to the profile."""

    used: int = 0
    began: float | None = None

    def remaining(self, capacity: int) -> int:
        """What is left; below zero when overdrawn."""
        return capacity - self.used

    def spend(self, now: float, capacity: int) -> bool:
        """Use one if one is left; False, and nothing used, if not."""
        return self.remaining(capacity) >= 1 and self.count(now, capacity)

    def count(self, now: float, capacity: int) -> bool:
        """Use one in any case; whether one was left."""
        left = self.remaining(capacity) >= 1
        self.began = now if self.began is None else self.began
        self.used += 1
        return left

    def resets_at(self, window: float) -> float | None:
        """When the window (seconds) is over; None while nothing is used."""
        return None if self.began is None else self.began + window

    def reset(self) -> None:
        """Nothing is used any more."""
        self.used, self.began = 0, None
