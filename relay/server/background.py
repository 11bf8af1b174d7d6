"""Work in tasks of its own: servers cancel a request's task when the client disconnects, and what it began must not end with it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundTasks:
    """Runs work that its caller waits for and cannot cancel. `deadline` is in seconds; None: for ever."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. TimeoutError if it takes longer than the deadline."""
        return await asyncio.shield(self.start(work))

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin. The result may be awaited later, under a shield, or by nobody."""
        task = asyncio.create_task(work if self._deadline is None else self._bounded(work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Wait for what is still running."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(self._deadline):
            return await work

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, though nobody may be waiting any more
