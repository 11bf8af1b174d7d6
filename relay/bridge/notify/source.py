"""The seam between a coding agent's server and the notifications: what a source reports, and what it answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from relay.contract import ContentState

Kind = Literal[
    "started", "progress", "asked", "answered", "complete", "perhaps_complete", "error", "stopped", "interrupted", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retry:
    """A model call that failed and is made again: its number, when (UNIX milliseconds), and why."""

    attempt: int
    next_ms: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a session, in words that no generation of OpenCode owns.

    - `started`: a root session's run began; `progress`: what its card shows may be different now; `retry`: what
      it, or a child, waits for.
    - `asked`, `answered`: a permission or question (`subject_id` is its id) waits for the user, or does not wait any
      more, because it was answered, or because its session stopped or was deleted. `text` says what is asked; `brief` says
      it in the few words of a card, where it is not simply shortened. Asked again: now more is known of it.
    - `complete`, `error`: the run ended; `subject_id` is the id of its newest message, or of the event that ended it if
      no message was seen. `text` holds the error's own words.
    - `perhaps_complete`: the same, unless it starts again within seconds: what it waited for has just ended.
    - `stopped`: the run ended because the user wanted it; it does not ring. `interrupted`: because the server stopped.
    - `unknown`: inside a source only: a session whose parent has to be asked for; its other changes wait for that.

    `permission_of`: of an `asked` that allows or denies something, the session that asks: a phone may answer it.

    `session_id` is a root session's, except for `unknown`. Two changes that differ in `text` alone are the same one.
    """

    kind: Kind
    session_id: str
    subject_id: str = ""
    text: str = field(default="", compare=False)
    brief: str = field(default="", compare=False)
    retry: Retry | None = field(default=None, compare=False)
    permission_of: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """Whether events come in, the server's version, and when its last byte came (UNIX seconds); None: not yet."""

    connected: bool = False
    version: str | None = None
    last_event_at: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """How far a server's sessions are known, by the server's own clock (UNIX milliseconds): two machines' clocks differ.

    `until`: everything until then, None if nothing is; `used`: when the sessions that were used last were used.
    """

    until: float | None = None
    used: Mapping[str, float] = field(default_factory=dict)


BACK_SECONDS = 2.0
"""A connection counts as back after these: what was missed has been asked for by then."""


class Absence:
    """Says when a server has been away for `after` seconds, and when it is back. Times are of a clock that only grows. Pure."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._connected: bool | None = None
        self._since = 0.0  # the connection has been as it is
        self._lost = False

    def observe(self, connected: bool, now: float) -> bool | None:
        """True: it is lost from now on; False: it is back; None: nothing new."""
        if connected != self._connected:
            self._connected, self._since = connected, now
        if connected != self._lost or now - self._since < (BACK_SECONDS if connected else self._after):
            return None
        self._lost = not connected
        return self._lost


class Source(Protocol):
    """One server. Everything that only its generation of OpenCode does is behind this; sessions are root sessions."""

    @property
    def known(self) -> Known:
        """Until when no change was missed."""

    async def ready(self) -> None:
        """Return if the server answers; raises Unreachable, Refused, or NotOpenCode if it is of another generation."""

    async def identity(self) -> str:
        """What the server is, wherever it listens: the same as long as it has the same data. "" if it does not say."""

    async def knows(self, session_id: str) -> bool:
        """Whether the server has the session. Raises OpenCodeError."""

    def restore(self, running: Iterable[str], known: Known) -> None:
        """What an earlier bridge left: the sessions that ran then. Call it before `run`, which reports their ends."""

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None:
        """Report changes, in order for each session, until cancelled; also those missed while the stream was cut.

        `alive` is called every few seconds while events come in. Both callbacks return at once. Raises OtherGeneration if
        the server was updated in its place.
        """

    async def close(self, drain_seconds: float) -> None:
        """Report what is still being asked for, within `drain_seconds`."""

    def health(self) -> SourceHealth:
        """How the connection to the server is."""

    def state(self, session_id: str, now_ms: float) -> ContentState | None:
        """What the card of a running session shows; None if it does not run."""

    def title(self, session_id: str) -> str | None:
        """The newest title of the session, if one is known."""

    def directory(self, session_id: str) -> str | None:
        """Where the session works, if that is known."""

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with message `last_id`. Raises OpenCodeError."""

    async def decide(self, session_id: str, request_id: str, decision: str) -> None:
        """Answer a permission of that session: `once`, `always` or `reject`. Raises NotFound if nobody waits for it, OpenCodeError."""
