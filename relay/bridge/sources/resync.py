"""When a server is asked for what its stream did not report: after every connection, again until it answers, one pass at a time."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from random import random as system_random

from relay.backoff import Backoff
from relay.bridge.errors import OpenCodeError
from relay.log import line


class Resync(ABC):
    """A new connection begins a new one. What is asked, and when it is enough, each generation knows."""

    def __init__(
        self,
        url: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        random: Callable[[], float] = system_random,
    ) -> None:
        self._url = url
        self._sleep = sleep
        self._backoff = backoff
        self._random = random
        self._task: asyncio.Task[None] | None = None

    def start(self, since_ms: float, now_ms: float, done: Callable[[], None]) -> None:
        """The stream is connected anew; nothing before `since_ms` was missed. Returns at once.

        Both times are the server's (UNIX milliseconds), and it may have set its clock back meanwhile.
        """
        if self._task:
            self._task.cancel()
        self._task = asyncio.create_task(self._run(since_ms, now_ms, done), name="bridge-resync")

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def _run(self, since_ms: float, now_ms: float, done: Callable[[], None]) -> None: ...

    async def _wait(self, attempt: int, reason: OpenCodeError) -> None:
        """Say why it failed, and wait before the next try."""
        delay = self._backoff.delay(attempt, self._random)
        log = logging.getLogger(type(self).__module__)
        log.warning(line("resync failed", url=self._url, reason=reason, retry_in=delay))
        await self._sleep(delay)
