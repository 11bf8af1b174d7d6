"""The stream of all events of one OpenCode server: server-sent events out of bytes, and a connection that is renewed.

OpenCode sends only `data: <JSON>` and a blank line, several events in one chunk or one event in many, and single lines
of hundreds of kilobytes (edit diffs, tool output). The other fields, comments and line ends of the standard are
understood all the same: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from random import random as system_random

from relay.backoff import Backoff
from relay.bridge.errors import OpenCodeError, Unreachable
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.wire import Event, parse
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode1.stream")

BOM = b"\xef\xbb\xbf"


class Splitter:
    """Feed it the chunks of one connection in order; each call returns the data of the events that became complete.

    Pure, incremental, and without any cap on the length of a line.
    """

    def __init__(self) -> None:
        self._rest = bytearray()  # the line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._ended_with_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes, oldest first; lines of one event are joined by a newline."""
        searched = len(self._rest)  # so that a long line is not searched again with every chunk
        self._rest += self._unix_newlines(chunk)
        events: list[bytes] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, searched))) >= 0:
            self._line(bytes(self._rest[start:end]), events)
            start = end + 1
        del self._rest[:start]
        return events

    def _unix_newlines(self, chunk: bytes) -> bytes:
        # JSON escapes control characters, so a CR is always the end of a line, alone or before an LF.
        if self._ended_with_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._ended_with_cr = False
        if chunk:
            self._ended_with_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if self._at_start:
            line = line.removeprefix(BOM)
            self._at_start = False
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
            return
        field, _, value = line.partition(b":")
        if field == b"data":  # id, event, retry and comments (an empty field name) carry nothing for us
            self._data.append(value.removeprefix(b" "))


class EventStream:
    """GET /global/event, connected again and again. OpenCode repeats nothing: what happens in between is missed.

    Silence longer than `read_deadline` seconds ends a connection.
    """

    def __init__(
        self,
        opencode: OpenCode,
        *,
        read_deadline: float,
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
        """OpenCode's, as of the newest connection or question."""
        self.received_at: float | None = None
        """When OpenCode sent a byte last, heartbeats included; UNIX seconds."""

    async def events(self) -> AsyncIterator[Event]:
        """Every event, without the `sync` twins. Never ends; while OpenCode is away it waits and tries again."""
        failures = 0
        while True:
            try:
                async for event in self._connection():
                    failures = 0
                    yield event
                raise Unreachable(f"{self._opencode.url} ended the stream of events")
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
                    self.received_at = self._clock()
                    for data in splitter.feed(chunk):
                        event = parse(data)
                        if event is not None:
                            yield event
            finally:
                self.connected = False

    def _connect(self, version: str) -> None:
        log.info(line("connected", url=self._opencode.url, version=version))
        if self.version not in (None, version):
            log.warning(
                line("another OpenCode", url=self._opencode.url, version=version, before=self.version)
            )
        self.version, self.connected = version, True
