"""A budget: so many in a window of time. It begins with the first one and then resets as a whole, or, as a bucket of
tokens, gives one back whenever the window's share of one is over. No I/O.

Observed in reports of iOS' behaviour: the window; a start needs one left, but every start that arrives is counted, so that
it may go below zero; an update that finds none left is not counted but waits. Assumed: the bucket, which takes as many.
"""

from dataclasses import dataclass
from typing import Literal

Refill = Literal["window", "bucket"]


@dataclass(slots=True)
class Budget:
    """How much was used since `began` (UNIX seconds; None: nothing yet). Capacity, window and refill belong to the profile;
    `capacity` is that of the last use.
    """

    used: int = 0
    began: float | None = None
    capacity: int = 0

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
        self.capacity = capacity
        return left

    def refills_at(self, window: float, by: Refill) -> float | None:
        """When there is more again; None while nothing is used. `window` is in seconds."""
        return None if self.began is None else self.began + self._pause(window, by)

    def refill(self, window: float, by: Refill) -> None:
        """What comes back at that time: all, or one."""
        if by == "window" or self.used <= 1 or self.began is None:
            self.reset()
        else:
            self.used, self.began = self.used - 1, self.began + self._pause(window, by)

    def reset(self) -> None:
        """Nothing is used any more."""
        self.used, self.began, self.capacity = 0, None, 0

    def _pause(self, window: float, by: Refill) -> float:
        return window if by == "window" else window / max(1, self.capacity)
