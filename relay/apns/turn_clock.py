"""Time as pushes need it: read once in a turn of the event loop, not once for each push of a burst.

Where a clock is a call into the kernel, as on many virtual machines, reading it thrice takes a quarter of the time of
a push.
"""

import asyncio
from collections.abc import Callable


class TurnClock:
    """A clock that stands still within one turn of the event loop."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._now: float | None = None

    def __call__(self) -> float:
        """Seconds, as of the first call in this turn."""
        if self._now is None:
            self._now = self._read()
            asyncio.get_running_loop().call_soon(self._forget)
        return self._now

    def _forget(self) -> None:
        self._now = None
