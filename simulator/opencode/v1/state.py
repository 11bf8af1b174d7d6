"""What an OpenCode server knows, folded from the events it has sent. No I/O.

Two kinds of knowledge, as in the real server (observed on OpenCode 1.18.33): sessions, messages and parts are in its
database and survive a restart; statuses and pending requests are in memory and are lost. A busy session's text is
empty in the database until the part ends: `message.part.delta` is broadcast and never stored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from simulator.opencode.script import Json

GLOBAL_DIRECTORY = "global"
"""The directory in the envelope of events that belong to the whole server."""


@dataclass(slots=True)
class Message:
    """One message with its parts, in the order in which they first appeared."""

    info: Json
    parts: dict[str, Json] = field(default_factory=dict)

    def json(self) -> Json:
        """As GET /session/:id/message spells it."""
        return {"info": self.info, "parts": list(self.parts.values())}


@dataclass(frozen=True, slots=True)
class Pending:
    """A permission or question that waits for an answer, and the instance (directory) that asked."""

    directory: str
    request: Json

    @property
    def session_id(self) -> str:
        """The session that waits."""
        return str(self.request["sessionID"])


@dataclass(slots=True)
class State:
    """A fold over events. `fold` is the only way in; everything else reads."""

    projects: dict[str, Json] = field(default_factory=dict)
    worktrees: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, dict[str, Message]] = field(default_factory=dict)
    todos: dict[str, list[Json]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, Json] = field(default_factory=dict)
    permissions: dict[str, Pending] = field(default_factory=dict)
    questions: dict[str, Pending] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)

    def fold(self, directory: str, event: Json) -> None:
        """Take in one event `{"type", "properties", ...}` of an instance; types that change nothing are ignored."""
        folding = _FOLDINGS.get(event["type"])
        if folding is not None:
            folding(self, directory, event.get("properties") or event)

    def restart(self) -> None:
        """Forget what a server process keeps in memory; the database stays."""
        self.statuses.clear()
        self.permissions.clear()
        self.questions.clear()
        self.deleted.clear()

    def session_status(self, directory: str) -> dict[str, Json]:
        """Statuses of the sessions of one directory that are not idle (GET /session/status)."""
        return {
            session_id: status
            for session_id, status in self.statuses.items()
            if self.directory_of(session_id) == directory
        }

    def root_of(self, session_id: str) -> str:
        """The session at the top of its chain of parents; itself if it has none."""
        seen = {session_id}
        while (parent := self.sessions.get(session_id, {}).get("parentID")) and parent not in seen:
            session_id = str(parent)
            seen.add(session_id)
        return session_id

    def directory_of(self, session_id: str) -> str | None:
        """The directory a session belongs to, or belonged to when it was deleted; None for an unknown one."""
        session = self.sessions.get(session_id)
        return self.deleted.get(session_id) if session is None else str(session["directory"])

    def newest_sessions(self) -> list[Json]:
        """All sessions, last updated first."""
        return sorted(self.sessions.values(), key=lambda info: int(info["time"]["updated"]), reverse=True)

    def children(self, session_id: str) -> list[Json]:
        """Sessions started by a session's task tool, oldest first."""
        return [info for info in self.sessions.values() if info.get("parentID") == session_id]

    def message_list(self, session_id: str, limit: int | None = None) -> list[Json]:
        """The newest `limit` messages (all if None), oldest first."""
        messages = list(self.messages.get(session_id, {}).values())
        newest = messages if limit is None else messages[max(0, len(messages) - limit) :]
        return [message.json() for message in newest]

    def seed(self, session: Json, messages: Iterable[Json] = ()) -> None:
        """Put a session and its messages into the database, without any event."""
        self.sessions[session["id"]] = session
        self.messages[session["id"]] = {
            message["info"]["id"]: Message(message["info"], {part["id"]: part for part in message["parts"]})
            for message in messages
        }


def pending_in(directory: str, pending: Mapping[str, Pending]) -> list[Json]:
    """The requests that an instance waits for, oldest first (GET /permission, GET /question)."""
    return [waiting.request for waiting in pending.values() if waiting.directory == directory]


def _project(state: State, _directory: str, properties: Json) -> None:
    state.projects[properties["id"]] = properties
    state.worktrees[properties["worktree"]] = properties["id"]


def _session(state: State, _directory: str, properties: Json) -> None:
    state.sessions[properties["sessionID"]] = properties["info"]


def _session_deleted(state: State, directory: str, properties: Json) -> None:
    """Its turn may still run, and then goes on being listed as busy: the directory is kept."""
    session_id = properties["sessionID"]
    state.deleted[session_id] = directory
    for table in (state.sessions, state.messages, state.todos):
        table.pop(session_id, None)


def _status(state: State, _directory: str, properties: Json) -> None:
    if properties["status"]["type"] == "idle":
        state.statuses.pop(properties["sessionID"], None)
    else:
        state.statuses[properties["sessionID"]] = properties["status"]


def _message(state: State, _directory: str, properties: Json) -> None:
    info = properties["info"]
    messages = state.messages.setdefault(properties["sessionID"], {})
    known = messages.get(info["id"])
    if known is None:
        messages[info["id"]] = Message(info)
    else:
        known.info = info


def _message_removed(state: State, _directory: str, properties: Json) -> None:
    state.messages.get(properties["sessionID"], {}).pop(properties["messageID"], None)


def _part(state: State, _directory: str, properties: Json) -> None:
    part = properties["part"]
    message = state.messages.get(properties["sessionID"], {}).get(part["messageID"])
    if message is not None:
        message.parts[part["id"]] = part


def _part_removed(state: State, _directory: str, properties: Json) -> None:
    message = state.messages.get(properties["sessionID"], {}).get(properties["messageID"])
    if message is not None:
        message.parts.pop(properties["partID"], None)


def _todo(state: State, _directory: str, properties: Json) -> None:
    state.todos[properties["sessionID"]] = properties["todos"]


def _permission_asked(state: State, directory: str, properties: Json) -> None:
    state.permissions[properties["id"]] = Pending(directory, properties)


def _permission_answered(state: State, _directory: str, properties: Json) -> None:
    state.permissions.pop(properties["requestID"], None)


def _question_asked(state: State, directory: str, properties: Json) -> None:
    state.questions[properties["id"]] = Pending(directory, properties)


def _question_answered(state: State, _directory: str, properties: Json) -> None:
    state.questions.pop(properties["requestID"], None)


def _disposed(state: State, _directory: str, properties: Json) -> None:
    """An instance went away: its sessions run no more and nothing in it waits."""
    directory = properties["directory"]
    for session_id in state.session_status(directory):
        del state.statuses[session_id]
    for table in (state.permissions, state.questions):
        for request_id in [key for key, waiting in table.items() if waiting.directory == directory]:
            del table[request_id]


def _sync(state: State, _directory: str, event: Json) -> None:
    """The durable twin of an event repeats it; only its sequence number is new."""
    sync = event["syncEvent"]
    state.sequences[sync["aggregateID"]] = sync["seq"]


_FOLDINGS: dict[str, Callable[[State, str, Json], None]] = {
    "project.updated": _project,
    "session.created": _session,
    "session.updated": _session,
    "session.deleted": _session_deleted,
    "session.status": _status,
    "message.updated": _message,
    "message.removed": _message_removed,
    "message.part.updated": _part,
    "message.part.removed": _part_removed,
    "todo.updated": _todo,
    "permission.asked": _permission_asked,
    "permission.replied": _permission_answered,
    "question.asked": _question_asked,
    "question.replied": _question_answered,
    "question.rejected": _question_answered,
    "server.instance.disposed": _disposed,
    "sync": _sync,
}
