"""One session that the app monitors, folded from OpenCode's events: what its Live Activity should say now. No I/O.

The mapping is the plan's: at work is working with the latest text, a retry says when, a request (also a subagent's) needs a
decision, an end completes, an error fails. What the events are called, and when a turn is over, each generation of OpenCode
says in its own way: opencode1.py, opencode2.py.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from simulator.phone.app.content_state import ContentState, Status, one_line

Json = dict[str, Any]

STARTING = "Starting..."
DECISION = "Needs your decision"
DONE = "Session complete."
FAILED = "OpenCode reported an error."
STOPPED = "Stopped"
INTERRUPTED = "Interrupted: OpenCode stopped before the session was done."


class MonitoredSession:
    """Feed it all events of the server, in order; `content_state` is what they come to. `over` once the turn has ended.

    `begun`: whether the turn is known to run: an end before that belongs to the turn before. `newest_id` is that of the
    newest message the server has shown, if messages of this generation have ids that ascend.
    """

    HANDLERS: ClassVar[Mapping[str, Callable[[Any, Json, float], None]]] = {}
    """The event types that the app reads, and what it does with their properties or data; all others are ignored."""
    FIELDS: ClassVar[str] = "properties"
    """Where an event says what it is about."""

    def __init__(self, session_id: str, title: str = "", *, begun: bool = False) -> None:
        self.session_id = session_id
        self.title = title
        self.begun = begun
        self.over = False
        self.newest_id = ""
        self._tree = {session_id}
        self._pending: dict[str, str] = {}
        self._text = ""
        self._retry: str | None = None
        self._failure: str | None = None
        self._stopped = False

    @property
    def content_state(self) -> ContentState:
        """What the card says."""
        if self._failure is not None:
            return ContentState("error", self.title, self._failure)
        if self.over:
            return ContentState("complete", self.title, STOPPED if self._stopped else self._text or DONE)
        if self._pending:
            return ContentState("permission", self.title, DECISION)
        status: Status = "retry" if self._retry else "working"
        return ContentState(status, self.title, self._text or STARTING, self._retry)

    @property
    def tree(self) -> frozenset[str]:
        """The session and its subagents' sessions, as far as they are known."""
        return frozenset(self._tree)

    def fold(self, event: Json, now: float) -> None:
        """Take one event; `now` is UNIX seconds. What is not known changes nothing."""
        handle = self.HANDLERS.get(event["type"])
        if handle is not None and not self.over:
            handle(self, event[self.FIELDS], now)

    def knows(self, *infos: Json) -> None:
        """Take titles and subagents from infos `{id, title?, parentID?}` of sessions; those of others change nothing."""
        for info in infos:
            if info["id"] == self.session_id:
                self.title = info.get("title") or self.title
            if info.get("parentID") in self._tree:
                self._tree.add(info["id"])

    def stop(self) -> None:
        """The person does not want to follow it any more."""
        self._stopped = self.over = True

    # What the handlers of both generations need.

    def _is_own(self, known: Json) -> bool:
        return known.get("sessionID") == self.session_id

    def _ask(self, request_id: str, asker: str | None) -> None:
        if asker in self._tree:
            self._pending[request_id] = asker or ""

    def _forget_requests(self, asker: str | None) -> None:
        """Requests of a session that is idle wait for nobody."""
        self._pending = {key: one for key, one in self._pending.items() if one != asker}

    def _say(self, text: Any) -> None:
        if isinstance(text, str):
            self._text = one_line(text) or self._text

    def _fail_with(self, message: Any) -> None:
        self._failure = one_line(message) if isinstance(message, str) else FAILED


def retry_info(attempt: int, at_ms: float, now: float) -> str:
    """`attempt` counts what is made again from 1; `at_ms` is UNIX milliseconds."""
    return f"Retry {attempt} in {max(0, math.ceil(at_ms / 1000 - now))}s"
