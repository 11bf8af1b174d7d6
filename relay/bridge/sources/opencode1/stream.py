"""The stream of all events of one OpenCode server, for as long as anybody listens."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from random import random as system_random

from relay.bridge.backoff import Backoff
from relay.bridge.errors import OpenCodeError, Unreachable
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.events import Event, parse
from relay.bridge.sources.opencode1.sse import Splitter
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode1.stream")

READ_DEADLINE = 30.0
"""Seconds of silence after which the connection counts as dead: three heartbeats of OpenCode."""


class EventStream:
    """GET /global/event, connected again and again. OpenCode repeats nothing: what happens in between is missed."""

    def __init__(
        self,
        opencode: OpenCode,
        *,
        read_deadline: float = READ_DEADLINE,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._opencode = opencode
        self._read_deadline = read_deadline
        self._backoff = backoff
        self._sleep = sleep
        self._random = random
        self._clock = clock
        self.connected = False
        self.version: str | None = None
        """OpenCode's, as of the newest connection."""
        self.heard_at: float | None = None
        """When OpenCode said something last, heartbeats included; UNIX seconds."""

    async def events(self) -> AsyncIterator[Event]:
        """Every event, without the `sync` twins. Never ends; while OpenCode is away it waits and tries again."""
        failures = 0
        while True:
            try:
                async for event in self._connection():
                    failures = 0
                    yield event
            except OpenCodeError as error:
                failures += 1
                delay = self._backoff.delay(failures, self._random)
                # While OpenCode is away for a night, it need not be said every half minute: tries 1, 2, 4, 8, ... do.
                level = logging.WARNING if failures & (failures - 1) == 0 else logging.DEBUG
                log.log(level, line("disconnected", url=self._opencode.url, reason=error, retry_in=delay))
                await self._sleep(delay)

    async def _connection(self) -> AsyncIterator[Event]:
        health = await self._opencode.health()
        splitter = Splitter()
        async with self._opencode.global_events(self._read_deadline) as content:
            self._connect(health.version)
            try:
                async for chunk in content.iter_any():
                    self.heard_at = self._clock()
                    for data in splitter.feed(chunk):
                        event = parse(data)
                        if event is not None:
                            yield event
            finally:
                self.connected = False
        raise Unreachable(f"{self._opencode.url} ended the stream of events")

    def _connect(self, version: str) -> None:
        log.info(line("connected", url=self._opencode.url, version=version))
        if self.version not in (None, version):
            log.warning(
                line("another OpenCode", url=self._opencode.url, version=version, before=self.version)
            )
        self.version, self.connected = version, True
