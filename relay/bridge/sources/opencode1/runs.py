"""The tree of sessions, and the runs in it: when they begin and end, what waits for the user, what they are doing. Pure.

Fed by events one at a time (`fold`), and by a snapshot after a gap in the stream (`catch_up`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator

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
from relay.bridge.sources.opencode1.wire import Info, PendingRequest, RetryStatus

CHILD_KINDS: frozenset[Kind] = frozenset({"asked", "answered"})
"""Of a child only what the user must answer is reported."""

MAX_HELD = 100
"""Changes of one session that wait for its root; older ones are outdated by then."""


class SessionTree:
    """Remembers at most `max_sessions` sessions (idle ones are forgotten first) and as many deleted ids."""

    def __init__(self, max_sessions: int) -> None:
        self._max = max_sessions
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # least recently seen first
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, list[Change]] = {}  # by session, until its root is known

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[tuple[str, Session]]:
        """All sessions with their ids, as they are now."""
        return iter(list(self._sessions.items()))

    def get(self, session_id: str) -> Session | None:
        """The session, if it is remembered."""
        return self._sessions.get(session_id)

    def deleted(self, session_id: str) -> bool:
        """Whether the session is gone; its events are a tail that OpenCode still sends."""
        return session_id in self._deleted

    def session(self, session_id: str) -> Session:
        """The session, which is remembered from now on."""
        session = self._sessions.setdefault(session_id, Session())
        self._sessions.move_to_end(session_id)
        if len(self._sessions) > self._max:
            self._forget_quiet(session_id)
        return session

    def root(self, session_id: str) -> str:
        """Up the chain of parents: the root, or the first session on the way that is not learnt or deleted."""
        while (session := self._sessions.get(session_id)) and session.parent_id:
            session_id = session.parent_id
        return session_id

    def learn(self, session_id: str, info: Info | None) -> list[Change]:
        """Take in what is known of a session; None: nothing can be known, so it counts as a root."""
        if session_id in self._deleted:
            return []
        session = self.session(session_id)
        session.learnt = True
        if info:
            session.title = info.title or session.title
            session.parent_id = session.parent_id or self._parent(session_id, info)
            session.directory = info.directory or session.directory
        return self._release()

    def _parent(self, session_id: str, info: Info) -> str | None:
        """Its parent, for good; none that descends from it, so that every chain has an end."""
        return info.parent_id if info.parent_id and self.root(info.parent_id) != session_id else None

    def delete(self, session_id: str, event_id: str) -> list[Change]:
        """Forget a session for good: what it asked is withdrawn, and if it ran, it has stopped."""
        session = self._sessions.pop(session_id, Session())
        root = self.root(session.parent_id) if session.parent_id else session_id
        remember(self._deleted, session_id, self._max)
        self._held.pop(session_id, None)
        changes = [Change("answered", root, request) for request in session.pending]
        if root == session_id and session.learnt and session.running:
            changes.append(Change("stopped", root, session.end_subject(event_id)))
        return changes + self._release()

    def report(self, session_id: str, kind: Kind, subject_id: str, text: str = "") -> list[Change]:
        """The change as it is reported under the root, with all that waited; nothing while the root is not learnt."""
        held = self._held.setdefault(session_id, [])
        held.append(Change(kind, session_id, subject_id, text))
        del held[:-MAX_HELD]
        return self._release()

    def ask_for(self, session_id: str) -> list[Change]:
        """`unknown`, once, if the session is not learnt."""
        session = self.session(session_id)
        if session.learnt or session.requested:
            return []
        session.requested = True
        return [Change("unknown", session_id)]

    def _release(self) -> list[Change]:
        changes: list[Change] = []
        for session_id in list(self._held):
            root = self.root(session_id)
            if root not in self._deleted and not self.session(root).learnt:
                changes += self.ask_for(root)
                continue
            held = self._held.pop(session_id)
            changes += [] if root in self._deleted else _under(root, held)
        return changes

    def _forget_quiet(self, newest_id: str) -> None:
        for session_id, session in self._sessions.items():
            if session.quiet and session_id not in self._held and session_id != newest_id:
                del self._sessions[session_id]
                return


def remember(ids: OrderedDict[str, None], new: str, limit: int) -> None:
    """Add an id; of more than `limit` the oldest goes."""
    ids[new] = None
    if len(ids) > limit:
        ids.popitem(last=False)


def _under(root: str, held: list[Change]) -> list[Change]:
    return [
        Change(change.kind, root, change.subject_id, change.text)
        for change in held
        if change.session_id == root or change.kind in CHILD_KINDS
    ]


MAX_SESSIONS = 4096
"""So many sessions, deleted ids and request ids are remembered; of the sessions, idle ones are forgotten first."""

STATUS_SIGNALS: dict[str, Signal] = {"busy": "busy", "retry": "retry", "idle": "idle"}


class Runs:
    """Every method returns what changed, in order. `event_id` is the id of what happened, if OpenCode gave it one."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, fresh_id: Callable[[], str] = secrets.token_hex
    ) -> None:
        self.tree = SessionTree(max_sessions)
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
