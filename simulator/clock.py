"""Time, real or virtual. Everything in the simulator asks a Clock; nothing calls time.time() or asyncio.sleep()."""

import asyncio
import heapq
import itertools
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


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that stands still until it is advanced; hours pass in milliseconds."""

    def __init__(self, start: float = 1_795_226_400.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds since 1970, as last set."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until somebody advances the clock far enough."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    @property
    def sleepers(self) -> int:
        """How many wait for it now: where everybody sleeps again, all that was to be done has been done."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking every sleeper at its own time and letting it act before going on."""
        target = self._now + seconds
        await _let_others_run()  # who is ready now acts now
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not future.done():
                future.set_result(None)
            await _let_others_run()
        self._now = target
        await _let_others_run()


async def _let_others_run(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
