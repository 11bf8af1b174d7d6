"""The APNs sandbox as a library: `ApnsSandbox` in a thread of its own, for any test, and `AsyncApnsSandbox` on the running event loop."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar, Unpack

from simulator.lab.errors import NotNow
from simulator.lab.loop_thread import LoopThread, has_running_loop
from simulator.lab.sandbox import WAIT_SECONDS, Sandbox
from simulator.lab.sent import Push, Wanted

T = TypeVar("T")


class AsyncApnsSandbox(Sandbox):
    """On the event loop that runs: `async with AsyncApnsSandbox() as apns:`. Only for the tasks of that loop."""

    async def start(self) -> Self:
        """Listen. OSError if a port is taken."""
        await self._open()
        return self

    async def close(self) -> None:
        """Close all connections. What was sent can still be read."""
        await self._shut()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_for_push(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """The first push that fits, as soon as there is one; at once if it was sent before. PushTimeout after so many seconds of real time.

        `wait_for_push(topic="com.example.app", accepted=True)`: what is wanted are fields of Push, and `where` any further condition.
        """
        return (await self._wait(1, where, timeout, wanted))[0]

    async def wait_for_pushes(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """The first `count` pushes that fit, as `wait_for_push` has it."""
        return await self._wait(count, where, timeout, wanted)

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass on a virtual clock. LabError on a real one."""
        await self._lab.advance(seconds)


class ApnsSandbox(Sandbox):
    """In a thread of its own: `with ApnsSandbox() as apns:`. For any thread, and for the tasks of any event loop."""

    _thread: LoopThread | None = None

    def start(self) -> Self:
        """Listen. OSError if a port is taken."""
        thread = LoopThread()
        try:
            thread.wait(self._open())
        except BaseException:
            thread.stop()
            raise
        self._thread = thread
        return self

    def close(self) -> None:
        """Close all connections and end the thread. What was sent can still be read."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.wait(self._shut())
            finally:
                thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, function: Callable[[], T], /) -> T:
        if self._thread is None or self._thread.is_current:
            return function()

        async def call() -> T:
            return function()

        return self._thread.wait(call())

    def wait_for_push(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """The first push that fits, as soon as there is one; at once if it was sent before. PushTimeout after so many seconds.

        `wait_for_push(topic="com.example.app", accepted=True)`: what is wanted are fields of Push, and `where` any further condition.
        In a coroutine `await wait_for_push_async(...)`.
        """
        return self._wait_here(1, where, timeout, wanted)[0]

    def wait_for_pushes(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """The first `count` pushes that fit, as `wait_for_push` has it."""
        return self._wait_here(count, where, timeout, wanted)

    async def wait_for_push_async(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """As `wait_for_push`, for a coroutine: the loop goes on meanwhile."""
        return (await self.wait_for_pushes_async(1, where=where, timeout=timeout, **wanted))[0]

    async def wait_for_pushes_async(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """As `wait_for_pushes`, for a coroutine."""
        thread = self._running()
        return await asyncio.wrap_future(thread.begin(self._wait(count, where, timeout, wanted)))

    def _wait_here(
        self, count: int, where: Callable[[Push], bool] | None, timeout: float, wanted: Wanted
    ) -> tuple[Push, ...]:
        thread = self._running()
        found = self._run(lambda: self._found(where, wanted))
        if len(found) >= count:
            return found[:count]
        if has_running_loop():
            raise NotNow(
                "an event loop runs in this thread, and a provider on it would stand still: `await apns.wait_for_push_async(...)`"
            )
        return thread.wait(self._wait(count, where, timeout, wanted))

    def _running(self) -> LoopThread:
        if self._thread is None:
            raise NotNow("the sandbox is not up: no push can come")
        return self._thread

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass on a virtual clock. LabError on a real one."""
        self._running().wait(self._lab.advance(seconds))
