"""What the sources of all generations do alike: report what is folded, and ask for the sessions that nobody described."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from relay.bridge.errors import OpenCodeError
from relay.bridge.keyed import KeyedQueue
from relay.bridge.notify.source import Change, SourceHealth
from relay.bridge.sources.event_stream import EventStream
from relay.bridge.sources.resync import Resync
from relay.contract import ContentState
from relay.log import line

log = logging.getLogger("relay.bridge.sources.folded_source")

BOUND = 1000
"""Sessions that may wait for the answer to who their parent is."""


class Sessions(Protocol):
    """A generation's fold."""

    def title(self, session_id: str) -> str | None: ...
    def directory(self, session_id: str) -> str | None: ...
    def state(self, session_id: str, now_ms: float) -> ContentState | None: ...
    def learn(self, session_id: str, info: Any) -> list[Change]: ...


class OpenCode(Protocol):
    """A generation's client."""

    def session(self, session_id: str) -> Awaitable[Any]: ...
    def newest_text(self, session_id: str, last_id: str) -> Awaitable[str]: ...
    def decide(
        self, session_id: str, request_id: str, decision: str, directory: str | None
    ) -> Awaitable[None]: ...


class FoldedSource:
    """A Source but for its stream. It never stops reading: questions about a session are asked in tasks of their own."""

    _opencode: OpenCode
    _sessions: Sessions
    _stream: EventStream[Any]
    _resync: Resync

    def __init__(self) -> None:
        self._questions: KeyedQueue[str] = KeyedQueue(
            "bridge-question", self._learn, bound=BOUND, dropped=self._assume_root
        )
        self._notify: Callable[[Change], None] = lambda _: None

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
        """What the session is called, or what the user said first, if either is known."""
        return self._sessions.title(session_id)

    def directory(self, session_id: str) -> str | None:
        """The session's directory, if it is known."""
        return self._sessions.directory(session_id)

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with message `last_id`."""
        return await self._opencode.newest_text(session_id, last_id)

    async def decide(self, session_id: str, request_id: str, decision: str) -> None:
        """Answer a permission."""
        await self._opencode.decide(session_id, request_id, decision, self.directory(session_id))

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
