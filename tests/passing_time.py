"""Virtual time that passes by itself, for tests in which something waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.clock import VirtualClock


@asynccontextmanager
async def passing(clock: VirtualClock, step: float) -> AsyncIterator[None]:
    """In steps of so many seconds, as fast as the machine lets everybody else act in between."""

    async def tick() -> None:
        while True:
            await clock.advance(step)
            await asyncio.sleep(0)

    task = asyncio.create_task(tick(), name="tick")
    try:
        yield
    finally:
        task.cancel()


class RunningClock(VirtualClock):
    """Virtual time that passes by itself, and may be turned besides: no two moments are the same, and hours pass at once.

    `speed` 1 is that of the machine's time. At a low one hardly any passes, however long a busy machine takes.
    """

    def __init__(self, start: float = 1_795_226_400.0, speed: float = 1.0) -> None:
        super().__init__(start)
        self._speed = speed
        self._read = time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now + (time.monotonic() - self._read) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Until so much time has passed, by itself or because the clock was turned."""
        self._keep()
        due = self.now() + seconds
        turned = asyncio.ensure_future(super().sleep(seconds))
        try:
            while not turned.done() and (left := due - self.now()) > 0:
                await asyncio.wait({turned}, timeout=left / self._speed)
        finally:
            turned.cancel()

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, beside the time that passes meanwhile."""
        self._keep()
        await super().advance(seconds)

    def _keep(self) -> None:
        """Write down what has passed since the clock was last read."""
        self._now, self._read = self.now(), time.monotonic()
