"""OpenCode's second generation as a source: one stream of all folders, folded into changes, and asked for what it missed."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

import aiohttp

from relay.bridge.address import DEFAULT_USERNAME, Address
from relay.bridge.errors import NotFound
from relay.bridge.notify.source import Change, Known
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.folded_source import FoldedSource
from relay.bridge.sources.generations import OPENCODE_2, version_of
from relay.bridge.sources.opencode2.catch_up import CatchUp
from relay.bridge.sources.opencode2.client import OpenCode
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.resync import Resync
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.wire import Event, data_of, parse
from relay.bridge.sources.wire import id_ms

log = logging.getLogger("relay.bridge.sources.opencode2.source")

ENDS = ("session.execution.succeeded", "session.execution.failed", "session.execution.interrupted")
CHECK_SECONDS = 5.0
"""How often runs are looked after that nothing wakes; heartbeats come every 15 s."""


class OpenCode2(FoldedSource):
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
        self._managed = where.managed
        self._opencode = OpenCode(http, replace(where, username=DEFAULT_USERNAME))  # it knows no other
        self._stream = EventStream(
            where.url,
            self._version,
            lambda: self._opencode.events(read_deadline),
            parse,
            received=self._received,
            clock=clock,
        )
        self._runs = Runs()
        self._sessions, self._catch_up = Sessions(self._runs), CatchUp(self._runs)
        self._resync = Resync(self._opencode, self._sessions, self._catch_up, self._act)
        self._alive: Callable[[], None] = lambda: None
        self._checked_at = clock()
        self._synced = False
        self._until: float | None = None
        self._now_ms = clock() * 1000  # by the server's clock, as its newest event says

    @property
    def known(self) -> Known:
        """Until when no change was missed, and when the sessions ended of which that is known."""
        return Known(self._until, self._catch_up.known_ends())

    async def identity(self) -> str:
        """The managed service is one for each user; of another one its port, for nothing that it answers names its data."""
        return f"{OPENCODE_2}, managed" if self._managed else f"{OPENCODE_2} at {self._opencode.url}"

    async def knows(self, session_id: str) -> bool:
        """Whether the server has the session."""
        try:
            await self._opencode.session(session_id)
        except NotFound:
            return False
        return True

    async def ready(self) -> None:
        """GET /api/info, as of a generation that is asked for again at each connection."""
        self._stream.version = await self._version()

    def restore(self, running: Iterable[str], known: Known) -> None:
        """These root sessions ran when all was known."""
        self._catch_up.restore(running)
        self._catch_up.restore_ends(known.used)
        self._until = known.until

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None:
        """Fold the stream until cancelled; after each connection, ask for what it did not say."""
        await self.fold(self._stream.events(), notify, alive)

    async def fold(
        self, events: AsyncIterator[Event], notify: Callable[[Change], None], alive: Callable[[], None]
    ) -> None:
        """Until `events` end. `alive` is called every few seconds while something comes in, heartbeats included."""
        self._notify, self._alive = notify, alive
        async for event in events:
            here_ms = self._clock() * 1000
            self._now_ms = event.created_ms or id_ms(event.id, here_ms) or here_ms
            self._act(self._sessions.fold(event))
            if event.type == "server.connected":
                if self._until is None:
                    self._until = self._now_ms  # what was before the first bridge is not news
                self._ask()
            elif self._synced:
                self._until = self._now_ms
                self._note_end(event)

    async def _version(self) -> str:
        return await version_of(self._opencode, OPENCODE_2)

    def _ask(self) -> None:
        self._synced = False
        self._resync.start(self._until or self._now_ms, self._now_ms, self._caught_up)

    def _note_end(self, event: Event) -> None:
        if event.type in ENDS and (data := data_of(event)):
            self._catch_up.know_end(data.session_id, event.created_ms)

    def _received(self) -> None:
        now = self._clock()
        if now - self._checked_at < CHECK_SECONDS and now >= self._checked_at:
            return
        self._checked_at = now
        if self._synced:
            self._act(self._sessions.check())
            if self._runs.unsure:
                self._ask()
        self._alive()

    def _caught_up(self) -> None:
        self._synced, self._until = True, self._now_ms
