"""OpenCode's first generation as a source: a stream that is renewed, folded into changes, and asked for what it does not say."""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp

from relay.bridge.address import Address
from relay.bridge.errors import NotFound, OpenCodeError
from relay.bridge.keyed import KeyedQueue
from relay.bridge.notify.source import Change, Known, SourceHealth
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.generations import OPENCODE_1, version_of
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.resync import Resync
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, parse, properties
from relay.bridge.sources.wire import id_ms
from relay.contract import ContentState
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode1.source")

BOUND = 1000
"""Sessions that may wait for the answer to who their parent is."""


def event_stream(opencode: OpenCode, read_deadline: float, **options: Any) -> EventStream[Event]:
    """GET /global/event, without the `sync` twins; silence longer than `read_deadline` seconds ends a connection."""
    return EventStream(
        opencode.url,
        lambda: version_of(opencode, OPENCODE_1),
        lambda: opencode.global_events(read_deadline),
        parse,
        **options,
    )


class OpenCode1:
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
        self._stream = event_stream(self._opencode, read_deadline, clock=clock)
        runs = Runs()
        self._sessions, self._catch_up = Sessions(runs), CatchUp(runs)
        self._resync = Resync(self._opencode, self._sessions, self._catch_up, self._act)
        self._questions: KeyedQueue[str] = KeyedQueue(
            "bridge-question", self._learn, bound=BOUND, dropped=self._assume_root
        )
        self._notify: Callable[[Change], None] = lambda _: None
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
        """The session's newest title, if one is known."""
        return self._sessions.title(session_id)

    def directory(self, session_id: str) -> str | None:
        """The session's directory, if it is known."""
        return self._sessions.directory(session_id)

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with message `last_id`."""
        return await self._opencode.newest_text(session_id, last_id)

    def _caught_up(self) -> None:
        self._synced, self._until = True, self._now_ms

    def _note_use(self, event: Event) -> None:
        if event.type in ("session.created", "session.updated"):
            known = properties(event)
            if known and known.info and known.info.time.updated and not known.info.parent_id:
                self._catch_up.used([known.info])

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
