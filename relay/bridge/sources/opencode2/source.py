"""OpenCode's second generation as a source: one stream of all folders, folded into changes, and asked for what it missed."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

import aiohttp

from relay.bridge.address import DEFAULT_USERNAME, Address
from relay.bridge.errors import NotFound, OpenCodeError
from relay.bridge.keyed import KeyedQueue
from relay.bridge.notify.source import Change, Known, SourceHealth
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.generations import OPENCODE_2, version_of
from relay.bridge.sources.opencode2.catch_up import CatchUp
from relay.bridge.sources.opencode2.client import OpenCode
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.resync import Resync
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.wire import Event, data_of, parse
from relay.bridge.sources.wire import id_ms
from relay.contract import ContentState
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode2.source")

BOUND = 1000
"""Sessions that may wait for the answer to who their parent is."""
ENDS = ("session.execution.succeeded", "session.execution.failed", "session.execution.interrupted")
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
        self._questions: KeyedQueue[str] = KeyedQueue(
            "bridge-question", self._learn, bound=BOUND, dropped=self._assume_root
        )
        self._notify: Callable[[Change], None] = lambda _: None
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
        """Where it listens: nothing that it answers names its data, but its port is its own and stays (observed)."""
        return f"{OPENCODE_2} at {self._opencode.url}"

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
