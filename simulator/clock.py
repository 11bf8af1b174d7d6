"""Time, real or virtual. Everything in the simulator asks a Clock; nothing calls time.time() or asyncio.sleep()."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """UNIX time in seconds, and waiting for it to pass."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, which only pass."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when this clock has moved on by `seconds`."""
        ...


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, which only pass."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class _Sleeper(NamedTuple):
    """Ordered by when it wakes, then by who came first."""

    due: float
    order: int
    seconds: float
    future: asyncio.Future[None]


class VirtualClock:
    """A clock that stands still until it is advanced; hours pass in milliseconds."""

    def __init__(self, start: float = 1_795_226_400.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[_Sleeper] = []

    def now(self) -> float:
        """Seconds since 1970, as last set."""
        return self._now

    def monotonic(self) -> float:
        """The same: nobody sets this clock, it is only advanced."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until somebody advances the clock far enough."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, _Sleeper(self._now + seconds, next(self._order), seconds, future))
        await future

    def next_alarm(self, at_least: float) -> float | None:
        """Seconds until the next one wakes who sleeps for `at_least` seconds or longer; None if nobody does."""
        return min(
            (
                sleeper.due - self._now
                for sleeper in self._sleepers
                if sleeper.seconds >= at_least and not sleeper.future.done()
            ),
            default=None,
        )

    @property
    def sleepers(self) -> int:
        """How many wait for it now: where everybody sleeps again, all that was to be done has been done."""
        return sum(not sleeper.future.done() for sleeper in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking every sleeper at its own time and letting it act before going on."""
        target = self._now + seconds
        await _let_others_run()  # who is ready now acts now
        while self._sleepers and self._sleepers[0].due <= target:
            sleeper = heapq.heappop(self._sleepers)
            self._now = max(self._now, sleeper.due)
            if not sleeper.future.done():
                sleeper.future.set_result(None)
            await _let_others_run()
        self._now = target
        await _let_others_run()


class TurnableClock(VirtualClock):
    """A virtual clock that begins at the machine's time, in a world where providers keep a time of their own."""

    def __init__(self, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._began = machine()
        super().__init__(self._began)

    def outside(self) -> tuple[float, float]:
        """What others may take the time to be: the machine's, and the machine's with all that this clock was turned."""
        now = self._machine()
        return now, now + self.now() - self._began


async def _let_others_run(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
