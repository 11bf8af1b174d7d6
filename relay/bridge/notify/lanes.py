"""Work that keeps its order within a key while the keys do not wait for each other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from relay.log import line

Item = TypeVar("Item")

log = logging.getLogger("relay.bridge.notify.lanes")


class Lanes(Generic[Item]):
    """Runs `work(item)` for each item: one after another for the same key, side by side for different keys.

    At most `bound` items wait or run. When one more is put, the oldest goes, even from the middle of its work,
    and `dropped` is told. Work that raises loses only its own item, and the log says so.
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
        self._tails: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Items that wait or run."""
        return len(self._tasks)

    def put(self, key: str, item: Item) -> None:
        """Do the work of `item` after all earlier items of `key`. Returns at once. Needs a running loop."""
        if len(self._tasks) >= self._bound:
            self._drop_oldest()
        turn = self._after(self._tails.get(key), item)
        task = asyncio.get_running_loop().create_task(turn, name=f"{self._name}:{key}")
        self._tasks[task] = (key, item)
        self._tails[key] = task
        task.add_done_callback(self._ended)

    def busy(self, key: str) -> bool:
        """Whether work of `key` waits or runs."""
        return key in self._tails

    def cancel(self, key: str) -> None:
        """Stop all work of `key` that has not ended; nobody is told."""
        for task in [task for task, (own, _) in self._tasks.items() if own == key]:
            task.cancel()
            self._forget(task)

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
            log.error(line("work failed", lane=task.get_name(), reason=type(error).__name__), exc_info=error)

    def _forget(self, task: asyncio.Task[None]) -> None:
        key, _ = self._tasks.pop(task, (None, None))
        if key is not None and self._tails.get(key) is task:
            del self._tails[key]
