"""Time, so that tests can turn it: everything in the relay that waits or asks what time it is goes through a Clock."""

import asyncio
import time
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


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)

    def monotonic(self) -> float:
        """Seconds since some moment, the same one for as long as the machine runs."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


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
