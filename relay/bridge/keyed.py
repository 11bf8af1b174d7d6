"""Work and timers by key, such as a session: in order for one key, independent of each other for different keys."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from relay.log import line

Item = TypeVar("Item")

log = logging.getLogger("relay.bridge.keyed")


class KeyedQueue(Generic[Item]):
    """Runs `work(item)` for each item: one after another for the same key, side by side for different keys.

    At most `bound` items wait or run. When one more is put, the oldest is given up, even in the middle of its work,
    and `dropped` is called with it. Work that raises loses only its own item, and the log says so.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Item], Awaitable[None]],
        *,
        bound: int,
        dropped: Callable[[Item], None],
    ) -> None:
        self._name = name
        self._work = work
        self._bound = bound
        self._dropped = dropped
        self._tasks: dict[asyncio.Task[None], tuple[str, Item]] = {}  # oldest first
        self._last: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Items that wait or run."""
        return len(self._tasks)

    def put(self, key: str, item: Item) -> None:
        """Do the work of `item` after all earlier items of `key`. Returns at once. Needs a running loop."""
        if len(self._tasks) >= self._bound:
            self._drop_oldest()
        turn = self._after(self._last.get(key), item)
        task = asyncio.get_running_loop().create_task(turn, name=f"{self._name}:{key}")
        self._tasks[task] = (key, item)
        self._last[key] = task
        task.add_done_callback(self._ended)

    def busy(self, key: str) -> bool:
        """Whether work of `key` waits or runs."""
        return key in self._last

    async def close(self, drain_seconds: float) -> list[Item]:
        """Let the work end, for at most `drain_seconds`, then stop it. Returns the items that did not get done."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + drain_seconds
        while self._tasks and (left_seconds := deadline - clock()) > 0:  # work may bring more work
            await asyncio.wait(list(self._tasks), timeout=left_seconds)
        left = dict(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return [item for _, item in left.values()]

    async def _after(self, earlier: asyncio.Task[None] | None, item: Item) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])  # whatever became of it: cancelled and failed ones are over, too
        await self._work(item)

    def _drop_oldest(self) -> None:
        task, (_, item) = next(iter(self._tasks.items()))
        task.cancel()
        self._forget(task)
        self._dropped(item)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._forget(task)
        if not task.cancelled() and (error := task.exception()):
            log.error(line("work failed", task=task.get_name(), reason=type(error).__name__), exc_info=error)

    def _forget(self, task: asyncio.Task[None]) -> None:
        key, _ = self._tasks.pop(task, (None, None))
        if key is not None and self._last.get(key) is task:
            del self._last[key]


class Cancellable(Protocol):
    """What `call_later` gives back; an asyncio.TimerHandle, for instance."""

    def cancel(self) -> None:
        """Do not call."""


CallLater = Callable[[float, Callable[[], None]], Cancellable]
"""Calls a function after so many seconds."""


def call_later(seconds: float, function: Callable[[], None]) -> Cancellable:
    """By the clock of the running loop."""
    return asyncio.get_running_loop().call_later(seconds, function)


class KeyedTimers(Generic[Item]):
    """Calls `due(item)` some seconds after `start`, unless the key is cancelled before or started anew.

    At most `bound` timers run. When one more is started, the oldest is given up, and `dropped` is called with its item.
    """

    def __init__(
        self,
        due: Callable[[Item], None],
        *,
        bound: int,
        dropped: Callable[[Item], None],
        call_later: CallLater = call_later,
    ) -> None:
        self._due = due
        self._bound = bound
        self._dropped = dropped
        self._call_later = call_later
        self._timers: dict[str, tuple[Cancellable, Item]] = {}  # oldest first

    def __contains__(self, key: str) -> bool:
        """Whether a timer of `key` runs."""
        return key in self._timers

    def start(self, key: str, seconds: float, item: Item) -> None:
        """Call `due(item)` then. Needs a running loop."""
        self.cancel(key)
        if len(self._timers) >= self._bound:
            self._dropped(self._stop(next(iter(self._timers))))
        self._timers[key] = (self._call_later(seconds, lambda: self._fire(key)), item)

    def cancel(self, key: str) -> Item | None:
        """`due` is not called for `key`. Returns its item, None if no timer of it runs."""
        return self._stop(key) if key in self._timers else None

    def close(self) -> list[Item]:
        """Cancel all. Returns the items that were not due yet, oldest first."""
        return [self._stop(key) for key in list(self._timers)]

    def _fire(self, key: str) -> None:
        self._due(self._stop(key))

    def _stop(self, key: str) -> Item:
        timer, item = self._timers.pop(key)
        timer.cancel()
        return item
