"""The runs in the tree of sessions: when they begin and end, what waits for the user, what they are doing. Pure.

Fed by events one at a time (`fold`), and by a snapshot after a gap in the stream (`catch_up`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable

from relay.bridge.notify.source import Change, Kind
from relay.bridge.sources.opencode1.session import (
    RUNNING,
    STARTING,
    Outcome,
    Retry,
    Session,
    Signal,
    request_words,
    retry_words,
    step,
)
from relay.bridge.sources.opencode1.wire import PendingRequest, RetryStatus
from relay.bridge.sources.session_tree import SessionTree, remember

MAX_SESSIONS = 4096
"""So many sessions, deleted ids and request ids are remembered; of the sessions, idle ones are forgotten first."""

STATUS_SIGNALS: dict[str, Signal] = {"busy": "busy", "retry": "retry", "idle": "idle"}


class Runs:
    """Every method returns what changed, in order. `event_id` is the id of what happened, if OpenCode gave it one."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, fresh_id: Callable[[], str] = secrets.token_hex
    ) -> None:
        self.tree = SessionTree(max_sessions, Session)
        self.fresh_id = fresh_id
        self.events = 0  # so much has happened,
        self.connected_at = 0  # and so much of it before the stream was connected
        self._max = max_sessions
        self._requests: OrderedDict[str, None] = OrderedDict()

    def signal(
        self, session_id: str | None, signal: Signal | None, event_id: str, words: str = ""
    ) -> list[Change]:
        """One step of the session's turn; `words` are those of an error. None: nothing that matters."""
        if signal is None or not session_id or self.tree.deleted(session_id):
            return []
        session = self.tree.session(session_id)
        self._touch(session)
        changes = self.withdraw(session_id, session) if signal == "idle" else []
        before = session.phase
        session.phase, outcome = step(before, signal)
        if session.unsure and outcome != "error":
            return (
                changes  # an abort, an error and a yes may be in the gap: the newest message knows (catch_up)
            )
        if kind := _turned(session, outcome):
            return changes + self._turn(session_id, session, kind, event_id, words)
        if session.phase != before or signal == "retry":
            changes += self.progress(session_id, event_id)
        return changes + self.tree.ask_for(session_id)

    def status(self, session_id: str, status: RetryStatus, event_id: str) -> list[Change]:
        """The session is busy, idle, or tries again; other words mean nothing."""
        signal = STATUS_SIGNALS.get(status.type)
        if signal == "retry" and not self.tree.deleted(session_id):
            reason = retry_words(status)
            self.tree.session(session_id).retry = Retry(status.attempt, status.next, reason)
        return self.signal(session_id, signal, event_id)

    def ask(self, asking: PendingRequest) -> list[Change]:
        """A permission or question waits for the user. The same one is reported once."""
        if not asking.id or asking.id in self._requests:
            return []
        if self.tree.deleted(self.tree.root(asking.session_id)):
            return []  # it is not reported, so there is nothing to withdraw later
        remember(self._requests, asking.id, self._max)
        session = self.tree.session(asking.session_id)
        session.pending[asking.id] = self._touch(session)
        words = request_words(asking, session.directory)
        return self.tree.report(asking.session_id, "asked", asking.id, words)

    def answer(self, session_id: str, request: str) -> list[Change]:
        """A request was answered, or nobody waits for the answer any more."""
        remember(self._requests, request, self._max)  # a snapshot of a moment ago may still list it
        session = self.tree.get(session_id)
        if session is None or session.pending.pop(request, None) is None:
            return []
        return self.tree.report(session_id, "answered", request)

    def withdraw(self, session_id: str, session: Session) -> list[Change]:
        """All requests of a session whose turn is over."""
        # An abort leaves them open in the server for ever; nobody waits for an answer any more.
        return [change for request in list(session.pending) for change in self.answer(session_id, request)]

    def progress(self, session_id: str, event_id: str) -> list[Change]:
        """What the card of the session's root shows may be different now."""
        root_id = self.tree.root(session_id)
        root = self.tree.get(root_id)
        return [Change("progress", root_id, event_id)] if root and root.learnt and root.running else []

    def _turn(self, session_id: str, session: Session, kind: Kind, event_id: str, words: str) -> list[Change]:
        session.running = kind == "started"
        if session.running:
            session.doing = STARTING
        else:
            event_id = session.end_subject(event_id)
            session.ended_at = self.events
        return self.tree.report(session_id, kind, event_id, words)

    def _touch(self, session: Session) -> int:
        self.events += 1
        session.touched = self.events
        return self.events


def _turned(session: Session, outcome: Outcome | None) -> Kind | None:
    """Whether a run began or ended with the phase that the session is in now."""
    if outcome:
        return outcome
    if session.phase in RUNNING and not session.running:
        return "started"
    return "stopped" if session.phase == "idle" and session.running else None
