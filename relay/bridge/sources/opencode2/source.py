"""OpenCode's second generation as a source: one stream of all folders, folded into changes, and asked for what it missed."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable

import aiohttp

from relay.bridge.address import Address
from relay.bridge.errors import OpenCodeError
from relay.bridge.keyed import KeyedQueue
from relay.bridge.notify.source import Change, SourceHealth
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.opencode2.catch_up import CatchUp
from relay.bridge.sources.opencode2.client import OpenCode
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.resync import Resync
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.wire import Event, parse
from relay.contract import ContentState
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode2.source")

BOUND = 1000
"""Sessions that may wait for the answer to who their parent is."""
CHECK_SECONDS = 5.0
"""How often runs are looked after that nothing wakes; heartbeats come every 15 s."""


class OpenCode2:
    """A Source. It never stops reading: questions about a session are asked in tasks of their own."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        where: Address,
        read_deadline: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._opencode = OpenCode(http, where)
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
        self._resync = Resync(self._opencode, self._sessions, self._catch_up, self._act, clock=clock)
        self._questions: KeyedQueue[str] = KeyedQueue(
            "bridge-question", self._learn, bound=BOUND, dropped=self._assume_root
        )
        self._notify: Callable[[Change], None] = lambda _: None
        self._alive: Callable[[], None] = lambda: None
        self._checked_at = clock()
        self._synced = False
        self.known_until = clock() * 1000

    async def ready(self) -> None:
        """GET /api/info."""
        self._stream.version = await self._version()

    def restore(self, running: Iterable[str], known_until: float) -> None:
        """These root sessions ran at `known_until` (UNIX milliseconds)."""
        self._catch_up.restore(running)
        self.known_until = known_until

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None:
        """Fold the stream until cancelled; after each connection, ask for what it did not say."""
        await self.fold(self._stream.events(), notify, alive)

    async def fold(
        self, events: AsyncIterator[Event], notify: Callable[[Change], None], alive: Callable[[], None]
    ) -> None:
        """Until `events` end. `alive` is called every few seconds while something comes in, heartbeats included."""
        self._notify, self._alive = notify, alive
        async for event in events:
            self._act(self._sessions.fold(event))
            if event.type == "server.connected":
                self._synced = False
                self._resync.start(self.known_until, self._caught_up)
            elif self._synced:
                self.known_until = self._clock() * 1000

    async def close(self, drain_seconds: float) -> None:
        """Stop a resync (the next bridge asks again), and wait for the answers about unknown sessions."""
        await self._resync.close()
        for session_id in await self._questions.close(drain_seconds):
            self._assume_root(session_id)

    def health(self) -> SourceHealth:
        """How the stream is."""
        return SourceHealth(self._stream.connected, self._stream.version, self._stream.received_at)

    def state(self, session_id: str, now_ms: float) -> ContentState | None:
        """What the card of a running root session shows."""
        return self._sessions.state(session_id, now_ms)

    def title(self, session_id: str) -> str | None:
        """The session's newest title, or what the user said first."""
        return self._sessions.title(session_id)

    def directory(self, session_id: str) -> str | None:
        """The session's directory, if it is known."""
        return self._sessions.directory(session_id)

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with message `last_id`."""
        return await self._opencode.newest_text(session_id, last_id)

    async def _version(self) -> str:
        return (await self._opencode.info()).version

    def _received(self) -> None:
        now = self._clock()
        if now - self._checked_at < CHECK_SECONDS and now >= self._checked_at:
            return
        self._checked_at = now
        if self._synced:
            self.known_until = now * 1000
            self._act(self._runs.check())
            if self._runs.unsure:
                self._synced = False
                self._resync.start(self.known_until, self._caught_up)
        self._alive()

    def _caught_up(self) -> None:
        self._synced, self.known_until = True, self._clock() * 1000

    def _act(self, changes: list[Change]) -> None:
        """Report the changes, and ask for the unknown sessions."""
        for change in changes:
            if change.kind == "unknown":
                self._questions.put(change.session_id, change.session_id)
            else:
                self._notify(change)

    async def _learn(self, session_id: str) -> None:
        try:
            info = await self._opencode.session(session_id)
        except OpenCodeError as error:
            # Better one alert too many than one too few: a session that nobody knows counts as a root.
            log.warning(line("unknown session", sessionID=session_id, reason=error))
            self._assume_root(session_id)
        else:
            self._act(self._sessions.learn(session_id, info))

    def _assume_root(self, session_id: str) -> None:
        self._act(self._sessions.learn(session_id, None))
