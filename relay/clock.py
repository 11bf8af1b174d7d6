"""Time, so that tests can turn it: everything in the relay that waits or asks what time it is goes through a Clock."""

import asyncio
import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """What time it is, how much time passes, and waiting for it to pass."""

    def now(self) -> float:
        """Seconds since 1970. It jumps when somebody sets the machine's clock: no pause is measured by it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, which only pass."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when this clock has moved on by `seconds`."""
        ...


_PASSING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC goes on while the machine sleeps."""


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)

    monotonic = staticmethod(partial(time.clock_gettime, _PASSING))
    """They pass while the machine is suspended, too, so that its waking up is no jump of the clock (clock_gettime(2): CLOCK_BOOTTIME)."""

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class ClockWatch:
    """Notices when somebody sets the clock: then it moves otherwise than time passes.

    `doubtful_until`: seconds of `monotonic` until which what is stored may look older than it is, because the clock was set far off.
    """

    JUMP = 2.0
    """Seconds; less is a clock that is being corrected, or a busy machine between two readings."""
    FAR, DOUBT_SECONDS = 300.0, 3600.0
    """One of the two times was wrong by so much, nobody knows which; for so long nothing is given up for its age."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = (clock.now(), clock.monotonic())
        self.doubtful_until = float("-inf")

    def jump(self) -> float:
        """Seconds by which the clock was set since the last call, negative if it was set back; 0.0 if it was not."""
        (now_then, monotonic_then), self._seen = self._seen, (self._clock.now(), self._clock.monotonic())
        now, monotonic = self._seen
        jump = (now - now_then) - (monotonic - monotonic_then)
        if abs(jump) > self.FAR:
            self.doubtful_until = monotonic + self.DOUBT_SECONDS
        return jump if abs(jump) >= self.JUMP else 0.0


async def sleep_unless(clock: Clock, seconds: float, called: asyncio.Event) -> None:
    """Return after `seconds`, or at once when `called` is set; clears it."""
    sleeper = asyncio.ensure_future(clock.sleep(seconds))
    call = asyncio.ensure_future(called.wait())
    try:
        await asyncio.wait({sleeper, call}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeper.cancel()
        call.cancel()
    called.clear()
