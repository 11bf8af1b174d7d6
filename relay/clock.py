"""Time, so that tests can turn it: everything in the relay that waits or asks what time it is goes through a Clock."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """UNIX time in seconds, and waiting for it to pass."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when this clock has moved on by `seconds`."""
        ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)

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
