"""Work that goes on when its caller is gone, and requests that are worked on together."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Any, Generic, TypeVar

from relay.server.store.sql import Unavailable
from relay.server.turns import Turns

T = TypeVar("T")
Q = TypeVar("Q")
R = TypeVar("R")


class BackgroundTasks:
    """Runs work that its caller waits for and cannot cancel. `deadline` is in seconds; None: for ever.

    Servers cancel a request's task when the client disconnects, and what it began must not end with it.
    """

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


class Batches(Generic[Q, R]):
    """Requests that come while others are worked on are worked on together: by one statement for all of them. Where more wait than
    that, their owners take turns.

    `work` gets up to `most` requests and gives as many results, in their order; a result that is an exception is raised for its
    caller. A batch that fails is taken apart, so that only the callers get the fault whose requests have it; but not where the
    database is away, which all of them wait for.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Q]], Awaitable[Sequence[R | Exception]]],
        *,
        most: int,
        owner: Callable[[Q], Hashable],
    ) -> None:
        self._work, self._most, self._owner = work, most, owner
        self._waiting: Turns[Hashable, tuple[Q, asyncio.Future[R]]] = Turns()
        self._working: asyncio.Task[None] | None = None

    def __call__(self, request: Q) -> asyncio.Future[R]:
        """The result, to be awaited. Work on it never began before the request came."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(self._owner(request), (request, result))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._run(), name="batches")
        return result

    async def close(self) -> None:
        """Wait for what is still being worked on."""
        if self._working:
            await asyncio.wait([self._working])

    async def _run(self) -> None:
        while self._waiting:
            batch = self._waiting.take(self._most)
            results = await self._worked([request for request, _ in batch])
            for (_, result), found in zip(batch, results, strict=True):
                if result.done():
                    continue
                if isinstance(found, Exception):
                    result.set_exception(found)
                else:
                    result.set_result(found)

    async def _worked(self, requests: Sequence[Q]) -> Sequence[R | Exception]:
        """The results; where all of them together fail, of each half alone."""
        try:
            return await self._work(requests)
        except Exception as error:
            if len(requests) == 1 or isinstance(error, Unavailable):
                return [error] * len(requests)
        middle = len(requests) // 2
        return [*await self._worked(requests[:middle]), *await self._worked(requests[middle:])]
