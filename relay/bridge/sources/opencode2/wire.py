"""OpenCode 2's words: the parts of its events and REST answers that the bridge reads. Pure.

Source: the server's own GET /openapi.json (2.1.2), recordings of a real engine, and anomalyco/opencode's source; where the
releases differ, both names are read. Every enum is open: an unknown word means nothing and breaks nothing.
"""

from typing import Annotated, Any

from msgspec import Meta, Raw

from relay.bridge.sources.wire import ID, Malformed, Wire, decode, details


class Location(Wire, frozen=True, kw_only=True):
    """A directory."""

    directory: str | None = None


class Event(Wire, frozen=True, kw_only=True):
    """One event of GET /api/event: `data` is decoded only if somebody wants it.

    `location` is missing on `session.execution.*` (recorded: 197 of 197). `created` is in UNIX milliseconds. `durable` has the
    event's number in the history of its session, if it is kept there.
    """

    type: str
    id: ID | None = None
    created: Any = None
    durable: Any = None
    location: Any = None
    data: Raw = Raw(b"{}")

    @property
    def created_ms(self) -> float | None:
        """When it happened, by the server's clock, if it says so with a number."""
        return float(self.created) if isinstance(self.created, int | float) else None

    @property
    def seq(self) -> int | None:
        """Its number in its session's history: they grow, and holes are normal (recorded). None: it has none."""
        number = self.durable.get("seq") if isinstance(self.durable, dict) else None
        return number if type(number) is int else None

    @property
    def directory(self) -> str | None:
        """The folder that it is about, if it names one."""
        where = self.location.get("directory") if isinstance(self.location, dict) else None
        return where if isinstance(where, str) else None


class Times(Wire, frozen=True, kw_only=True):
    """When things happened, in UNIX milliseconds. `idle`: when the last turn ended well, failed or was interrupted."""

    created: float | None = None
    updated: float | None = None
    idle: float | None = None
    completed: float | None = None


class Failure(Wire, frozen=True, kw_only=True):
    """Why a step or a turn failed: `type` as in "provider.auth". The provider's answer is left out on purpose."""

    type: str = ""
    message: str = ""
    status: int | None = None


class Info(Wire, frozen=True, kw_only=True):
    """A session. `outcome` (succeeded, failed, interrupted) is that of the turn that ended at `time.idle`."""

    id: ID = ""
    title: str | None = None
    parent_id: ID | None = None
    location: Location = Location()
    outcome: str | None = None
    time: Times = Times()

    @property
    def directory(self) -> str | None:
        """Where it works."""
        return self.location.directory


class InfoHead(Wire, frozen=True, kw_only=True):
    """What must be known of a session that cannot be read as a whole."""

    id: ID = ""
    parent_id: ID | None = None
    outcome: str | None = None
    time: Times = Times()


def info_of(raw: Raw) -> Info:
    """A session; where a part of it has another shape than is known, the rest of it."""
    try:
        return decode(bytes(raw), Info)
    except Malformed:
        head = details(raw, InfoHead)
        return Info(id=head.id, parent_id=head.parent_id, outcome=head.outcome, time=head.time)


class Retrying(Wire, frozen=True, kw_only=True):
    """A step that is tried again: `attempt` (the first one is 2), `at` (UNIX milliseconds), and why."""

    attempt: int = 2
    at: float | None = None
    error: Failure = Failure()


class Content(Wire, frozen=True, kw_only=True):
    """A piece of an assistant's message."""

    type: str = ""
    text: str = ""


class Message(Wire, frozen=True, kw_only=True):
    """One message of GET /api/session/:id/message. An `idle` message closes a turn and has its outcome."""

    id: ID = ""
    type: str = ""
    content: list[Content] = []
    finish: str | None = None
    error: Failure | None = None
    retry: Retrying | None = None
    outcome: str | None = None
    time: Times = Times()


class MessageHead(Wire, frozen=True, kw_only=True):
    """What says how a turn ended, of a message whose other parts cannot be read."""

    id: ID = ""
    type: str = ""
    outcome: str | None = None
    time: Times = Times()


def message_of(raw: Raw) -> Message:
    """A message; where a part of it has another shape than is known, the rest of it, so that the turn that it is of is not lost."""
    try:
        return decode(bytes(raw), Message)
    except Malformed:
        head = details(raw, MessageHead)
        return Message(id=head.id, type=head.type, outcome=head.outcome, time=head.time)


class PermissionRequest(Wire, frozen=True, kw_only=True):
    """The data of permission.asked; GET /api/permission/request lists the same."""

    id: ID = ""
    session_id: ID = ""
    action: Any = None
    resources: Any = None
    message: Any = None
    metadata: Any = None
    source: Any = None

    @property
    def call_id(self) -> str:
        """The call of a tool that asks; "" if it is not known."""
        called = self.source.get("id") if isinstance(self.source, dict) else None
        return called if isinstance(called, str) else ""


class Form(Wire, frozen=True, kw_only=True):
    """A form that waits for answers; `session_id` is "global" for one that belongs to no session.

    `fields`: objects with `title`, which is short, `description`, which asks, `type` and `options`.
    """

    id: ID = ""
    session_id: ID = ""
    title: Any = None
    fields: Any = None

    @property
    def of_a_session(self) -> bool:
        """Whether somebody who opens a session can answer it."""
        return self.session_id not in ("", "global")


class FormCreated(Wire, frozen=True, kw_only=True):
    """The data of form.created."""

    form: Form = Form()


class Payload(Wire, frozen=True, kw_only=True):
    """What a prompt says."""

    text: str = ""


class InboxItem(Wire, frozen=True, kw_only=True):
    """Something that waits for the next step: `type` is user, synthetic, compaction or move."""

    type: str = ""
    payload: Payload = Payload()


class Enqueued(Wire, frozen=True, kw_only=True):
    """The data of session.inbox.enqueued; `input` is what releases before 2.0.4 call `item`."""

    item: InboxItem | None = None
    input: InboxItem = InboxItem()


class Data(Wire, frozen=True, kw_only=True):
    """What names things in the data of all events that the bridge knows; each type has some of it.

    `input_id` is what releases before 2.0.4 call `inbox_id`.
    """

    session_id: ID = ""
    id: ID = ""
    request_id: ID = ""
    assistant_message_id: ID = ""
    inbox_id: ID = ""
    input_id: ID = ""


class Replied(Wire, frozen=True, kw_only=True):
    """The data of permission.replied: once, always or reject."""

    reply: str = ""


class Interrupted(Wire, frozen=True, kw_only=True):
    """The data of session.execution.interrupted: user, shutdown, superseded, inactivity, or what later releases add."""

    reason: str = ""


class Failed(Wire, frozen=True, kw_only=True):
    """The data of session.execution.failed."""

    error: Failure = Failure()


class Described(Wire, frozen=True, kw_only=True):
    """What session.created, session.renamed and session.moved say of a session."""

    title: str | None = None
    parent_id: ID | None = None
    location: Location = Location()

    @property
    def directory(self) -> str | None:
        """Where it works."""
        return self.location.directory


class Said(Wire, frozen=True, kw_only=True):
    """The data of session.text.ended, and the name in that of session.tool.input.started."""

    text: str = ""
    name: str = ""


class ToolCalled(Wire, frozen=True, kw_only=True):
    """The data of session.tool.called that says what a tool works on."""

    input: dict[str, Any] = {}


class SessionAnswer(Wire, frozen=True, kw_only=True):
    """GET /api/session/:id: what cannot be read of an Info costs no answer."""

    data: Raw = Raw(b"{}")


class ActiveAnswer(Wire, frozen=True, kw_only=True):
    """GET /api/session/active: by the id of each session that executes."""

    data: dict[str, Raw] = {}


class ListAnswer(Wire, frozen=True, kw_only=True):
    """A list of sessions, messages (newest first), permissions or forms: one that cannot be read costs no other."""

    data: list[Raw] = []


class PairAnswer(Wire, frozen=True, kw_only=True):
    """POST /api/pair. Whoever has the code is let in once."""

    code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.~=-]{8,256}$")]

    def __repr__(self) -> str:
        return "PairAnswer()"


SKIPPED = (b".delta", b".progress", b".updated")
"""Ends of types that never matter, at hundreds a second: their lines are not even decoded."""
_TYPE, _HEAD = b'"type":"', 256


def parse(line: bytes) -> Event | None:
    """The event in one data line of GET /api/event; None if it is none, or one of the types that never matter."""
    start = line.find(_TYPE, 0, _HEAD)
    if start >= 0 and line.find(b"{", 1, start) < 0:  # not the type of something inside
        end = line.find(b'"', start + len(_TYPE))
        if line[start:end].endswith(SKIPPED):
            return None
    try:
        return decode(line, Event)
    except Malformed:
        return None


def data_of(event: Event) -> Data | None:
    """The data of `event`, or None if it has another shape."""
    try:
        return decode(bytes(event.data), Data)
    except Malformed:
        return None
