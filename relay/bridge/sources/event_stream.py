"""A server's stream of events, renewed whenever it ends, breaks or falls silent."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import random as system_random
from typing import Generic, TypeVar

import aiohttp

from relay.backoff import Backoff
from relay.bridge.errors import OpenCodeError, OtherGeneration, Unreachable
from relay.bridge.sources.wire import Malformed, Splitter
from relay.log import line

log = logging.getLogger("relay.bridge.sources.event_stream")

E = TypeVar("E")


class EventStream(Generic[E]):
    """A stream of events, connected again and again. OpenCode repeats nothing: what happens in between is missed.

    `version` asks the server which one it is, before each connection; `connect` opens one; `parse` makes an event of the
    data of a server-sent event, or None. `received` is called with every chunk, heartbeats included.
    """

    def __init__(
        self,
        url: str,
        version: Callable[[], Awaitable[str]],
        connect: Callable[[], AbstractAsyncContextManager[aiohttp.StreamReader]],
        parse: Callable[[bytes], E | None],
        *,
        received: Callable[[], None] = lambda: None,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._version, self._open, self._parse = url, version, connect, parse
        self._received = received
        self._backoff = backoff
        self._sleep = sleep
        self._random = random
        self._clock = clock
        self.connected = False
        self.version: str | None = None
        """OpenCode's, as of the newest connection or question."""
        self.received_at: float | None = None
        """When OpenCode sent a byte last, heartbeats included; UNIX seconds."""

    async def events(self) -> AsyncIterator[E]:
        """Every event. Never ends; while OpenCode is away it waits and tries again.

        Raises OtherGeneration if the server was updated in its place.
        """
        failures = 0
        while True:
            try:
                async for event in self._connection():
                    failures = 0
                    yield event
                raise Unreachable(f"{self._url} ended the stream of events")
            except OtherGeneration:
                raise
            except OpenCodeError as error:
                failures += 1
                delay = self._backoff.delay(failures, self._random)
                # While OpenCode is away for a night, it need not be said every half minute: tries 1, 2, 4, 8, ... do.
                level = logging.WARNING if failures & (failures - 1) == 0 else logging.DEBUG
                log.log(level, line("disconnected", url=self._url, reason=error, retry_in=delay))
                await self._sleep(delay)

    async def _connection(self) -> AsyncIterator[E]:
        version = await self._version()
        splitter = Splitter()
        async with self._open() as content:
            self._connect(version)
            try:
                async for chunk in content.iter_any():
                    self.received_at = self._clock()
                    self._received()
                    for data in self._split(splitter, chunk):
                        event = self._parse(data)
                        if event is not None:
                            yield event
            finally:
                self.connected = False

    def _split(self, splitter: Splitter, chunk: bytes) -> list[bytes]:
        try:
            return splitter.feed(chunk)
        except Malformed as error:
            raise Unreachable(f"{self._url} sends what cannot be right: {error}") from None

    def _connect(self, version: str) -> None:
        log.info(line("connected", url=self._url, version=version))
        if self.version not in (None, version):
            log.warning(line("another OpenCode", url=self._url, version=version, before=self.version))
        self.version, self.connected = version, True
