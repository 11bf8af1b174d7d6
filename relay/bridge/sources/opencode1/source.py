"""OpenCode's first generation as a source: a stream that is renewed, folded into changes, and asked for what it does not say."""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp

from relay.bridge.address import Address
from relay.bridge.errors import NotFound, OpenCodeError
from relay.bridge.notify.source import Change, Known
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.folded_source import FoldedSource
from relay.bridge.sources.generations import OPENCODE_1, version_of
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.resync import Resync
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, parse, properties
from relay.bridge.sources.wire import id_ms

log = logging.getLogger("relay.bridge.sources.opencode1.source")


def event_stream(opencode: OpenCode, read_deadline: float, **options: Any) -> EventStream[Event]:
    """GET /global/event, without the `sync` twins; silence longer than `read_deadline` seconds ends a connection."""
    return EventStream(
        opencode.url,
        lambda: version_of(opencode, OPENCODE_1),
        lambda: opencode.global_events(read_deadline),
        parse,
        **options,
    )


class OpenCode1(FoldedSource):
    """A Source. It never stops reading: questions about a session are asked in tasks of their own."""

    _opencode: OpenCode
    _sessions: Sessions
    _resync: Resync

    def __init__(
        self,
        http: aiohttp.ClientSession,
        where: Address,
        read_deadline: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._opencode = OpenCode(http, where)
        self._stream = event_stream(self._opencode, read_deadline, clock=clock)
        runs = Runs()
        self._sessions, self._catch_up = Sessions(runs), CatchUp(runs)
        self._resync = Resync(self._opencode, self._sessions, self._catch_up, self._act)
        self._synced = False
        self._until: float | None = None
        self._now_ms = clock() * 1000  # by the server's clock, as its newest event says

    @property
    def known(self) -> Known:
        """Until when no change was missed."""
        return Known(self._until, self._catch_up.known_sessions())

    async def identity(self) -> str:
        """Where the server keeps its data (GET /path), which another port does not change; "" if it does not say."""
        try:
            paths = await self._opencode.paths()
        except OpenCodeError:
            return ""
        where = "|".join((paths.home, paths.state, paths.config))
        return hashlib.sha256(where.encode()).hexdigest()[:12] if paths.state else ""

    async def knows(self, session_id: str) -> bool:
        """Whether the server has the session."""
        try:
            await self._opencode.session(session_id)
        except NotFound:
            return False
        return True

    async def ready(self) -> None:
        """GET /global/health."""
        self._stream.version = (await self._opencode.health()).version

    def restore(self, running: Iterable[str], known: Known) -> None:
        """These root sessions ran when all was known."""
        self._catch_up.restore(running)
        self._catch_up.restore_used(known.used)
        self._until = known.until

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None:
        """Fold the stream until cancelled; after each connection, ask for what it did not say."""
        await self.fold(self._stream.events(), notify, alive)

    async def fold(
        self, events: AsyncIterator[Event], notify: Callable[[Change], None], alive: Callable[[], None]
    ) -> None:
        """Until `events` end. `alive` is called with each of OpenCode's heartbeats, every 10 s."""
        self._notify = notify
        async for event in events:
            self._now_ms = id_ms(event.id, self._clock() * 1000) or self._clock() * 1000
            self._act(self._sessions.fold(event))
            if event.type == "server.connected":
                self._synced = False
                if self._until is None:
                    self._until = self._now_ms  # what was before the first bridge is not news
                self._resync.start(self._until, self._now_ms, self._caught_up)
            elif self._synced:
                self._until = self._now_ms
                self._note_use(event)
            if event.type == "server.heartbeat":
                alive()

    def _caught_up(self) -> None:
        self._synced, self._until = True, self._now_ms

    def _note_use(self, event: Event) -> None:
        if event.type in ("session.created", "session.updated"):
            known = properties(event)
            if known and known.info and known.info.time.updated and not known.info.parent_id:
                self._catch_up.used([known.info])
