"""All sessions of one OpenCode server, folded from its events: what is worth telling the phones. Pure.

A child session (the task tool's subagent) never completes or fails for the user: its parent reports. Its questions and
permissions do reach the user, under the root session, because that is the one the app can open.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from relay.bridge.events import Event, Info, Properties, properties
from relay.bridge.turns import Phase, Signal, step

MAX_SESSIONS = 4096
"""So many sessions, deleted ids and request ids are remembered; of the sessions, idle ones are forgotten first."""

Kind = Literal["complete", "error", "asked", "answered", "unknown"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something to act on.

    - `complete`, `error`: the turn of a root session ended; `fact` is the id of OpenCode's event.
    - `asked`, `answered`: a permission or question (`fact` is its id) waits for the user, or does not wait any more,
      be it that it was answered, or that its session stopped or was deleted.
    - `unknown`: the fold has not seen this session being created and must `learn` it; other changes wait for that.

    `session_id` is a root session's, except for `unknown`.
    """

    kind: Kind
    session_id: str
    fact: str = ""


@dataclass(slots=True)
class Session:
    """What is remembered of one session. `learnt`: its parent and title are known, or cannot be."""

    phase: Phase = "unknown"
    learnt: bool = False
    wanted: bool = False
    title: str | None = None
    parent_id: str | None = None
    message_id: str | None = None
    pending: dict[str, None] = field(default_factory=dict)  # open requests, oldest first

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return self.phase in ("idle", "unknown") and not self.pending


STATUS_SIGNALS: dict[str, Signal] = {"busy": "busy", "retry": "retry", "idle": "idle"}
ERROR_SIGNALS: dict[str, Signal] = {"MessageAbortedError": "aborted", "ContextOverflowError": "overflow"}
"""Errors that do not end a turn as failed; every other name does."""
ANSWER_SIGNALS: dict[str, Signal] = {"once": "approved", "always": "approved", "reject": "rejected"}


class Sessions:
    """The fold. Feed it the events of one server in order; changes come back in order for each session."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, fresh_id: Callable[[], str] = secrets.token_hex
    ) -> None:
        self._max = max_sessions
        self._fresh_id = fresh_id  # for events without an id, which the oldest servers sent
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # least recently seen first
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._requests: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, list[Change]] = {}  # by session, until its root is known

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._sessions)

    def title(self, session_id: str) -> str | None:
        """The newest title of the session, if one is known."""
        session = self._sessions.get(session_id)
        return session.title if session else None

    def fold(self, event: Event) -> list[Change]:
        """What `event` changes. Types and shapes that are not known change nothing."""
        handle = HANDLERS.get(event.type)
        known = properties(event) if handle else None
        if handle is None or known is None:
            return []
        return handle(self, event.id or self._fresh_id(), known)

    def learn(self, session_id: str, info: Info | None) -> list[Change]:
        """Fold in the answer to an `unknown` change; None: it cannot be learnt, so the session counts as a root."""
        if session_id in self._deleted:
            return []
        session = self._session(session_id)
        session.learnt = True
        if info:
            session.title = info.title or session.title
            session.parent_id = info.parent_id or session.parent_id
        return self._release()

    def _session(self, session_id: str) -> Session:
        session = self._sessions.setdefault(session_id, Session())
        self._sessions.move_to_end(session_id)
        if len(self._sessions) > self._max:
            self._forget_quiet(session_id)
        return session

    def _forget_quiet(self, newest_id: str) -> None:
        for session_id, session in self._sessions.items():
            if session.quiet and session_id not in self._held and session_id != newest_id:
                del self._sessions[session_id]
                return

    # Handlers, one for each kind of event.

    def _on_info(self, _: str, known: Properties) -> list[Change]:
        return self.learn(known.info.id, known.info) if known.info else []

    def _on_deleted(self, _: str, known: Properties) -> list[Change]:
        session_id = known.info.id if known.info else known.session_id
        if session_id is None:
            return []
        session = self._sessions.pop(session_id, Session())
        root = self._root(session.parent_id) if session.parent_id else session_id
        _remember(self._deleted, session_id, self._max)
        self._held.pop(session_id, None)
        answered = [Change("answered", root, request) for request in session.pending]
        return answered + self._release()

    def _on_status(self, fact: str, known: Properties) -> list[Change]:
        signal = STATUS_SIGNALS.get(known.status.type) if known.status else None
        return self._signal(known, signal, fact)

    def _on_idle(self, fact: str, known: Properties) -> list[Change]:
        # The twin of a status idle, and then without effect; old servers send only this one.
        return self._signal(known, "idle", fact)

    def _on_error(self, fact: str, known: Properties) -> list[Change]:
        name = known.error.name if known.error else ""
        return self._signal(known, ERROR_SIGNALS.get(name, "error"), fact)

    def _on_message(self, fact: str, known: Properties) -> list[Change]:
        message = known.info
        if message is None or message.role != "assistant" or message.finish or message.time.completed:
            return []
        session = self._sessions.get(known.session_id or "")
        if session is None or session.message_id == message.id:
            return []
        session.message_id = message.id
        return self._signal(known, "step", fact)

    def _on_asked(self, _: str, known: Properties) -> list[Change]:
        if not known.id or not known.session_id or known.id in self._requests:
            return []
        if known.session_id in self._deleted:
            return []
        _remember(self._requests, known.id, self._max)
        self._session(known.session_id).pending[known.id] = None
        return self._tell(known.session_id, "asked", known.id)

    def _on_replied(self, fact: str, known: Properties) -> list[Change]:
        return self._answer(fact, known, ANSWER_SIGNALS.get(known.reply or "once"))

    def _on_rejected(self, fact: str, known: Properties) -> list[Change]:
        return self._answer(fact, known, "rejected")

    # What the handlers share.

    def _answer(self, fact: str, known: Properties, signal: Signal | None) -> list[Change]:
        session = self._sessions.get(known.session_id or "")
        request = known.request_id or ""
        answered: list[Change] = []
        if session and known.session_id and request in session.pending:
            del session.pending[request]
            answered = self._tell(known.session_id, "answered", request)
        return answered + self._signal(known, signal, fact)

    def _signal(self, known: Properties, signal: Signal | None, fact: str) -> list[Change]:
        session_id = known.session_id
        if signal is None or not session_id or session_id in self._deleted:
            return []
        session = self._session(session_id)
        changes = self._withdraw(session_id, session) if signal == "idle" else []
        session.phase, outcome = step(session.phase, signal)
        if outcome:
            return changes + self._tell(session_id, outcome, fact)
        return changes + self._want(session_id)

    def _withdraw(self, session_id: str, session: Session) -> list[Change]:
        # An abort leaves its requests open in the server for ever; nobody waits for an answer any more.
        pending, session.pending = session.pending, {}
        return [change for request in pending for change in self._tell(session_id, "answered", request)]

    def _tell(self, session_id: str, kind: Kind, fact: str) -> list[Change]:
        self._held.setdefault(session_id, []).append(Change(kind, session_id, fact))
        return self._release()

    def _release(self) -> list[Change]:
        changes: list[Change] = []
        for session_id in list(self._held):
            root = self._root(session_id)
            if root not in self._deleted and not self._session(root).learnt:
                changes += self._want(root)
                continue
            held = self._held.pop(session_id)
            changes += [] if root in self._deleted else _judged(held, root)
        return changes

    def _want(self, session_id: str) -> list[Change]:
        session = self._session(session_id)
        if session.learnt or session.wanted:
            return []
        session.wanted = True
        return [Change("unknown", session_id)]

    def _root(self, session_id: str) -> str:
        """Up the chain of parents: the root, or the first session on the way that is not learnt or deleted."""
        seen = {session_id}
        while (session := self._sessions.get(session_id)) and session.parent_id not in (None, *seen):
            session_id = session.parent_id or ""
            seen.add(session_id)
        return session_id


def _judged(held: list[Change], root: str) -> list[Change]:
    """`held` as told under `root`: of a child only what the user must answer."""
    return [
        Change(change.kind, root, change.fact)
        for change in held
        if change.session_id == root or change.kind in ("asked", "answered")
    ]


def _remember(ids: OrderedDict[str, None], new: str, limit: int) -> None:
    ids[new] = None
    if len(ids) > limit:
        ids.popitem(last=False)


HANDLERS: dict[str, Callable[[Sessions, str, Properties], list[Change]]] = {
    "session.created": Sessions._on_info,
    "session.updated": Sessions._on_info,
    "session.deleted": Sessions._on_deleted,
    "session.status": Sessions._on_status,
    "session.idle": Sessions._on_idle,
    "session.error": Sessions._on_error,
    "message.updated": Sessions._on_message,
    "permission.asked": Sessions._on_asked,
    "permission.replied": Sessions._on_replied,
    "question.asked": Sessions._on_asked,
    "question.replied": Sessions._on_replied,
    "question.rejected": Sessions._on_rejected,
}
"""OpenCode's event types that matter here; all others are ignored."""
