"""What the app does besides: tasks with a name and an owner."""

import asyncio
from collections.abc import Coroutine


class Tasks:
    """Tasks of one owner. None is lost: each ends, is cancelled, or raises from `close`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    def __len__(self) -> int:
        """How many run now."""
        return len(self._running)

    def start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run this beside everything else."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what still runs. Raises the first error that a task ended with."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._failed:
            raise self._failed[0]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)
