"""What an OpenCode 2 server knows, folded from the events it has sent. No I/O.

Two kinds of knowledge: sessions, transcripts, inboxes, sequence numbers, saved rules and claims (turns to be resumed) are in
its database and survive a restart; running executions, pending requests and loaded locations are in memory and are lost.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from simulator.opencode.script import Json
from simulator.opencode.v2 import messages, sessions
from simulator.opencode.v2.messages import Transcript

SETTLED_FOR_MS = 600_000
"""How long a form that is answered or cancelled can still be looked up, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A permission that waits for an answer, and the directory that asked."""

    directory: str
    request: Json

    @property
    def session_id(self) -> str:
        """The session that waits."""
        return str(self.request["sessionID"])


@dataclass(slots=True)
class Form:
    """A form, the directory that asked, and what became of it: `{"status": pending | answered | cancelled}`, when (ms)."""

    directory: str
    info: Json
    state: Json = field(default_factory=lambda: {"status": "pending"})
    settled_at: int | None = None

    @property
    def session_id(self) -> str:
        """The session that waits; "global" for one of none."""
        return str(self.info["sessionID"])

    @property
    def pending(self) -> bool:
        """Whether it still waits."""
        return self.settled_at is None


@dataclass(slots=True)
class State:
    """A fold over events. `fold` is the only way in; everything else reads.

    `outcomes` False: a session does not remember how its last turn ended (the beta).
    """

    outcomes: bool = True
    sessions: dict[str, Json] = field(default_factory=dict)
    transcripts: dict[str, Transcript] = field(default_factory=dict)
    inboxes: dict[str, dict[str, Json]] = field(default_factory=dict)
    admitted: dict[str, Json] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    saved: dict[str, Json] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)
    active: dict[str, Json] = field(default_factory=dict)
    locations: list[str] = field(default_factory=list)
    permissions: dict[str, Pending] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)

    def fold(self, directory: str, event: Json) -> None:
        """Take in one event (an envelope, in the released words) of a directory; types that change nothing are ignored."""
        data = event.get("data") or {}
        if (numbered := event.get("durable")) is not None:
            self.sequences[numbered["aggregateID"]] = numbered["seq"]
        session_id = data.get("sessionID", "")
        if session_id in self.sessions:
            sessions.fold(self.sessions[session_id], event)
            messages.fold(self.transcripts[session_id], event)
        folding = FOLDINGS.get(event["type"])
        if folding is not None:
            folding(self, directory, event)

    def restart(self) -> None:
        """Forget what a server process keeps in memory; the database stays."""
        self.active.clear()
        self.locations.clear()
        self.permissions.clear()
        self.forms.clear()

    def root_of(self, session_id: str) -> str:
        """The session at the top of its chain of parents; itself if it has none."""
        seen = {session_id}
        while (parent := self.sessions.get(session_id, {}).get("parentID")) and parent not in seen:
            session_id = str(parent)
            seen.add(session_id)
        return session_id

    def directory_of(self, session_id: str) -> str | None:
        """The directory a session belongs to; None for an unknown one."""
        session = self.sessions.get(session_id)
        return None if session is None else str(session["location"]["directory"])

    def children(self, session_id: str) -> list[Json]:
        """Sessions started by a session's subagent tool, oldest first."""
        return [info for info in self.sessions.values() if info.get("parentID") == session_id]

    def newest_messages(self, session_id: str) -> list[Json]:
        """The transcript, newest first."""
        return list(self.transcripts.get(session_id, {}).values())[::-1]

    def inbox(self, session_id: str) -> list[Json]:
        """What was said and is not delivered yet, oldest first."""
        return list(self.inboxes.get(session_id, {}).values())

    def pending_forms(self) -> list[Form]:
        """All forms that wait, oldest first."""
        return [form for form in self.forms.values() if form.pending]

    def form(self, session_id: str, form_id: str, now_ms: int) -> Form | None:
        """A form of a session, also a settled one for ten minutes."""
        found = self.forms.get(form_id)
        if found is None or found.session_id != session_id:
            return None
        settled = found.settled_at
        return found if settled is None or now_ms - settled < SETTLED_FOR_MS else None

    def seed(self, session: Json, transcript: Iterable[Json] = ()) -> None:
        """Put a session and its messages (oldest first) into the database, without any event."""
        self.sessions[session["id"]] = session
        self.transcripts[session["id"]] = {message["id"]: message for message in transcript}
        self.inboxes.setdefault(session["id"], {})


def requests_of(session_id: str, pending: Mapping[str, Pending]) -> list[Json]:
    """The permissions that a session waits for, oldest first."""
    return [waiting.request for waiting in pending.values() if waiting.session_id == session_id]


def _created(state: State, _directory: str, event: Json) -> None:
    state.seed(sessions.created(event))


def _forked(state: State, _directory: str, event: Json) -> None:
    """A new session with the source's transcript up to the boundary; it is nobody's child."""
    data = event["data"]
    if (source := state.sessions.get(data["parentID"])) is None:
        return
    forks = sum(1 for one in state.sessions.values() if one.get("fork", {}).get("sessionID") == source["id"])
    said = messages.until(state.transcripts[source["id"]], data["boundary"])
    state.seed(sessions.forked(source, forks + 1, event), said)


def _deleted(state: State, _directory: str, event: Json) -> None:
    session_id = event["data"]["sessionID"]
    for table in (state.sessions, state.transcripts, state.inboxes, state.active):
        table.pop(session_id, None)
    state.claims.discard(session_id)
    _forget(state, lambda one: one.session_id == session_id)


def _forget(state: State, gone: Callable[[Pending], bool]) -> None:
    for request_id in [key for key, one in state.permissions.items() if gone(one)]:
        del state.permissions[request_id]


def _enqueued(state: State, _directory: str, event: Json) -> None:
    data, item = event["data"], event["data"]["item"]
    said = {
        "id": data["inboxID"],
        "sessionID": data["sessionID"],
        "time": {"created": event["created"]},
        **item,
    }
    state.inboxes.setdefault(data["sessionID"], {})[data["inboxID"]] = said
    state.admitted[data["inboxID"]] = dict(said)


def _delivered(state: State, _directory: str, event: Json) -> None:
    data = event["data"]
    item = state.inboxes.get(data["sessionID"], {}).pop(data["inboxID"], None)
    transcript = state.transcripts.get(data["sessionID"])
    if item is not None and transcript is not None:
        messages.delivered(transcript, item, event)


def _summarized(state: State, _directory: str, event: Json) -> None:
    """A summary that a person asked for begins: it is never delivered."""
    state.inboxes.get(event["data"]["sessionID"], {}).pop(event["data"].get("inputID"), None)


def _uninvited(state: State, _directory: str, event: Json) -> None:
    state.inboxes.get(event["data"]["sessionID"], {}).pop(event["data"]["inboxID"], None)


def _delivery(state: State, _directory: str, event: Json) -> None:
    data = event["data"]
    if (item := state.inboxes.get(data["sessionID"], {}).get(data["inboxID"])) is not None:
        item["delivery"] = data["delivery"]


def _started(state: State, _directory: str, event: Json) -> None:
    state.active[event["data"]["sessionID"]] = {"type": "running"}
    state.claims.add(event["data"]["sessionID"])


def _ended(outcome: str) -> Callable[[State, str, Json], None]:
    """An execution's end; one by a stop of the server, a refusal or a dismissed question keeps its claim and no outcome.

    What a tool of it asked waits no more; what a client asked itself does.
    """

    def fold(state: State, _directory: str, event: Json) -> None:
        session_id = event["data"]["sessionID"]
        state.active.pop(session_id, None)
        _forget(state, lambda one: one.session_id == session_id and "source" in one.request)
        if event["data"].get("reason") == "shutdown":
            return
        state.claims.discard(session_id)
        session, transcript = state.sessions.get(session_id), state.transcripts.get(session_id)
        if session is not None and transcript is not None and state.outcomes:
            sessions.ended(session, event, outcome)
            messages.ended(transcript, event, outcome)

    return fold


def _asked(state: State, directory: str, event: Json) -> None:
    state.permissions[event["data"]["id"]] = Pending(directory, event["data"])


def _replied(state: State, _directory: str, event: Json) -> None:
    state.permissions.pop(event["data"]["requestID"], None)


def _form(state: State, directory: str, event: Json) -> None:
    state.forms[event["data"]["form"]["id"]] = Form(directory, event["data"]["form"])


def _form_settled(status: str, key: str) -> Callable[[State, str, Json], None]:
    def fold(state: State, _directory: str, event: Json) -> None:
        data = event["data"]
        if (form := state.forms.get(data["id"])) is not None:
            form.state = {"status": status, **({key: data[key]} if key in data else {})}
            form.settled_at = event["created"]

    return fold


def _shut(state: State, directory: str, _event: Json) -> None:
    """A location is unloaded, and nothing in it waits any more."""
    if directory in state.locations:
        state.locations.remove(directory)
    _forget(state, lambda one: one.directory == directory)


FOLDINGS: dict[str, Callable[[State, str, Json], None]] = {
    "session.created": _created,
    "session.forked": _forked,
    "session.deleted": _deleted,
    "session.inbox.enqueued": _enqueued,
    "session.inbox.delivered": _delivered,
    "session.inbox.cancelled": _uninvited,
    "session.compaction.started": _summarized,
    "session.inbox.delivery.changed": _delivery,
    "session.execution.started": _started,
    "session.execution.succeeded": _ended("succeeded"),
    "session.execution.failed": _ended("failed"),
    "session.execution.interrupted": _ended("interrupted"),
    "permission.asked": _asked,
    "permission.replied": _replied,
    "form.created": _form,
    "form.replied": _form_settled("answered", "answer"),
    "form.cancelled": _form_settled("cancelled", "message"),
    "location.shutdown": _shut,
}
