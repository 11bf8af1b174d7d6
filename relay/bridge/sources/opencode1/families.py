"""Which sessions there are, and which belongs to which root; changes wait here until their root is known. Pure."""

from collections import OrderedDict
from collections.abc import Iterator

from relay.bridge.notify.changes import Change, Kind
from relay.bridge.sources.opencode1.events import Info
from relay.bridge.sources.opencode1.session import Session

FAMILY_KINDS: frozenset[Kind] = frozenset({"asked", "answered"})
"""Of a child only what the user must answer is told."""

MAX_HELD = 100
"""Changes of one session that wait for its root; older ones are outdated by then."""


class Families:
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

    def delete(self, session_id: str, fact: str) -> list[Change]:
        """Forget a session for good: what it asked is withdrawn, and if it ran, it has stopped."""
        session = self._sessions.pop(session_id, Session())
        root = self.root(session.parent_id) if session.parent_id else session_id
        remember(self._deleted, session_id, self._max)
        self._held.pop(session_id, None)
        changes = [Change("answered", root, request) for request in session.pending]
        if root == session_id and session.learnt and session.running:
            changes.append(Change("stopped", root, session.end_fact(fact)))
        return changes + self._release()

    def tell(self, session_id: str, kind: Kind, fact: str, text: str = "") -> list[Change]:
        """The change as it is told under the root, with all that waited; nothing while the root is not learnt."""
        held = self._held.setdefault(session_id, [])
        held.append(Change(kind, session_id, fact, text))
        del held[:-MAX_HELD]
        return self._release()

    def want(self, session_id: str) -> list[Change]:
        """`unknown`, once, if the session is not learnt."""
        session = self.session(session_id)
        if session.learnt or session.wanted:
            return []
        session.wanted = True
        return [Change("unknown", session_id)]

    def _release(self) -> list[Change]:
        changes: list[Change] = []
        for session_id in list(self._held):
            root = self.root(session_id)
            if root not in self._deleted and not self.session(root).learnt:
                changes += self.want(root)
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
        Change(change.kind, root, change.fact, change.text)
        for change in held
        if change.session_id == root or change.kind in FAMILY_KINDS
    ]
