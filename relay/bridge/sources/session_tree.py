"""The tree of sessions: who is whose child, what is known of each, and the changes that wait for their root. Pure."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Generic, Protocol, TypeVar

from relay.bridge.notify.source import Change, Kind
from relay.bridge.notify.text import sentence
from relay.text import cut

UNTITLED = re.compile(r"(?:New|Child) session - \d{4}-\d\d-\d\dT[\d:.]+Z$")
"""OpenCode's title until its model has made one, which may be never (anomalyco/opencode#20501); generation 2 has none."""
MAX_NAME = 60
"""Characters of the first words that stand for a title; OpenCode's own titles are at most 50."""


@dataclass(slots=True)
class TreeSession:
    """What the tree knows of a session; each generation's session has more.

    - `learnt`: its parent and title are known, or cannot be; `requested`: they are being asked for.
    - `running`: its beginning was reported, and not yet its end.
    - `newest_id`: its newest message; `ended_id`: what that was when a run last ended.
    - `prompt`: the person's first words in it.
    - `pending`: open requests, oldest first, each with the number of the event that asked it.
    """

    learnt: bool = False
    requested: bool = False
    title: str | None = None
    prompt: str = ""
    parent_id: str | None = None
    directory: str | None = None
    running: bool = False
    newest_id: str = ""
    ended_id: str = ""
    pending: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """Its title; until OpenCode gives it one, the person's first words, shortened."""
        if self.title and not UNTITLED.match(self.title):
            return self.title
        return cut(sentence(self.prompt), MAX_NAME) or None

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return not self.pending and not self.running

    def end_subject(self, otherwise: str) -> str:
        """What names the end of a run: its newest message, because that is the same after a restart of anything.

        `otherwise`: for a run of which no message was seen.
        """
        if not self.newest_id or self.newest_id == self.ended_id:
            return otherwise
        self.ended_id = self.newest_id
        return self.newest_id


S = TypeVar("S", bound=TreeSession)


class Described(Protocol):
    """A session as a server describes it; what is None is not known."""

    @property
    def title(self) -> str | None:
        """Its title."""

    @property
    def parent_id(self) -> str | None:
        """The session that started it as a subagent."""

    @property
    def directory(self) -> str | None:
        """Where it works."""


CHILD_KINDS: frozenset[Kind] = frozenset({"asked", "answered"})
"""Of a child only what the user must answer is reported."""

MAX_PROJECTS = 1000
"""So many folders are told apart."""
LOOKED_AT = 64
"""So many of the least recently seen sessions are searched for one that may be forgotten."""
BUSY_FACTOR = 4
"""No server has so many times more busy sessions than are remembered; one that says so must not fill the memory."""
MAX_HELD = 100
"""Changes of one session that wait for its root; older ones are outdated by then."""


class SessionTree(Generic[S]):
    """Remembers at most `max_sessions` sessions (idle ones are forgotten first) and as many deleted ids."""

    def __init__(self, max_sessions: int, new: Callable[[], S]) -> None:
        self._max = max_sessions
        self._new = new
        self._sessions: OrderedDict[str, S] = OrderedDict()  # least recently seen first
        self._deleted: OrderedDict[str, str | None] = OrderedDict()  # each with its last title
        self._held: dict[str, list[Change]] = {}  # by session, until its root is known
        self._projects: OrderedDict[str, str | None] = OrderedDict()  # directories of roots

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[tuple[str, S]]:
        """All sessions with their ids, as they are now."""
        return iter(list(self._sessions.items()))

    def get(self, session_id: str) -> S | None:
        """The session, if it is remembered."""
        return self._sessions.get(session_id)

    def pending_below(self, root_id: str) -> bool:
        """Whether a request of a root or of one of its subagents waits."""
        return any(session.pending and self.root(session_id) == root_id for session_id, session in self)

    def deleted(self, session_id: str) -> bool:
        """Whether the session is gone; its events are a tail that OpenCode still sends."""
        return session_id in self._deleted

    def session(self, session_id: str) -> S:
        """The session, which is remembered from now on."""
        session = self._sessions.get(session_id)
        if session is not None:
            self._sessions.move_to_end(session_id)
            return session
        session = self._sessions[session_id] = self._new()
        if len(self._sessions) > self._max:
            self._forget_quiet(session_id)
        return session

    def title(self, session_id: str) -> str | None:
        """What a session is called, or was last if it is gone; with its folder's name if sessions of several are known."""
        session = self._sessions.get(session_id)
        if session is None:
            return self._deleted.get(session_id)
        name = session.name
        if name is None or not session.directory or len(self._projects) < 2:
            return name
        return f"{name} ({self._folder(session.directory)})"

    def _folder(self, directory: str) -> str:
        """The last name of a path, or its last two if another path ends in the same one."""
        parts = [part for part in re.split(r"[\\/]", directory) if part]
        alike = [
            other
            for other in self._projects
            if other != directory and parts[-1:] == re.split(r"[\\/]", other)[-1:]
        ]
        return "/".join(parts[-2:] if alike else parts[-1:]) or directory

    def root(self, session_id: str) -> str:
        """Up the chain of parents: the root, or the first session on the way that is not learnt or deleted."""
        while (session := self._sessions.get(session_id)) and session.parent_id:
            session_id = session.parent_id
        return session_id

    def learn(self, session_id: str, info: Described | None) -> list[Change]:
        """Take in what is known of a session; None: nothing can be known, so it counts as a root."""
        if session_id in self._deleted:
            return []
        session = self.session(session_id)
        session.learnt = True
        if info:
            session.title = info.title or session.title
            session.parent_id = session.parent_id or self._parent(session_id, info)
            session.directory = info.directory or session.directory
            if session.directory and not session.parent_id:
                remember(self._projects, session.directory, MAX_PROJECTS)
        return self._release()

    def _parent(self, session_id: str, info: Described) -> str | None:
        """Its parent, for good; none that descends from it, so that every chain has an end."""
        return info.parent_id if info.parent_id and self.root(info.parent_id) != session_id else None

    def delete(self, session_id: str, event_id: str) -> list[Change]:
        """Forget a session for good: what it asked is withdrawn, and if it ran, it has stopped."""
        title = self.title(session_id)
        session = self._sessions.pop(session_id, self._new())
        root = self.root(session.parent_id) if session.parent_id else session_id
        remember(self._deleted, session_id, self._max, title)
        self._held.pop(session_id, None)
        changes = [Change("answered", root, request) for request in session.pending]
        if root == session_id and session.learnt and session.running:
            changes.append(Change("stopped", root, session.end_subject(event_id)))
        return changes + self._release()

    def report(
        self,
        session_id: str,
        kind: Kind,
        subject_id: str,
        text: str = "",
        brief: str = "",
        permission_of: str = "",
    ) -> list[Change]:
        """The change as it is reported under the root, with all that waited; nothing while the root is not learnt."""
        held = self._held.setdefault(session_id, [])
        held.append(Change(kind, session_id, subject_id, text, brief, permission_of=permission_of))
        del held[:-MAX_HELD]
        return self._release([session_id])

    def ask_for(self, session_id: str) -> list[Change]:
        """`unknown`, once, if the session is not learnt."""
        session = self.session(session_id)
        if session.learnt or session.requested:
            return []
        session.requested = True
        return [Change("unknown", session_id)]

    def _release(self, session_ids: Iterable[str] | None = None) -> list[Change]:
        """What these sessions' changes waited for (None: all sessions'), if their roots are known by now."""
        changes: list[Change] = []
        for session_id in list(self._held) if session_ids is None else session_ids:
            root = self.root(session_id)
            known = self._sessions.get(root)
            if root not in self._deleted and not (known and known.learnt):
                changes += [] if known and known.requested else self.ask_for(root)
                continue
            held = self._held.pop(session_id)
            changes += [] if root in self._deleted else _under(root, held)
        return changes

    def _forget_quiet(self, newest_id: str) -> None:
        """One of the least recently seen; where none of them is quiet, the oldest only once there are far too many."""
        oldest = islice(self._sessions.items(), LOOKED_AT)
        quiet = [
            one for one, session in oldest if session.quiet and one not in self._held and one != newest_id
        ]
        if quiet:
            del self._sessions[quiet[0]]
        elif len(self._sessions) > BUSY_FACTOR * self._max:
            gone, _ = self._sessions.popitem(last=False)
            self._held.pop(gone, None)


def remember(ids: OrderedDict[str, str | None], new: str, limit: int, text: str | None = None) -> None:
    """Add an id and what is kept with it; of more than `limit` the oldest goes."""
    ids[new] = text
    if len(ids) > limit:
        ids.popitem(last=False)


def _under(root: str, held: list[Change]) -> list[Change]:
    return [
        replace(change, session_id=root)
        for change in held
        if change.session_id == root or change.kind in CHILD_KINDS
    ]
