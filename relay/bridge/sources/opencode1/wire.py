"""OpenCode's words: the parts of its events and REST answers that the bridge reads. Pure.

Source: the `/doc` route of the server (https://opencode.ai/docs/server), observed on 1.18.
"""

from typing import Any

from msgspec import Raw

from relay.bridge.sources.wire import ID, Malformed, Wire, decode


class Event(Wire, frozen=True, kw_only=True):
    """One event: `type` as in "session.status"; `properties` are decoded only if somebody wants them."""

    type: str
    id: ID | None = None
    properties: Raw = Raw(b"{}")


class Envelope(Wire, frozen=True, kw_only=True):
    """A data line of GET /global/event; its directory does not matter, because session ids are unique."""

    payload: Event


class Status(Wire, frozen=True, kw_only=True):
    """What a session does: busy, retry or idle."""

    type: str


class Failure(Wire, frozen=True, kw_only=True):
    """Why a turn failed. `data` is left out on purpose: it can hold the provider's URL, headers and answer."""

    name: str


class Times(Wire, frozen=True, kw_only=True):
    """When things happened, in milliseconds."""

    updated: float | None = None
    completed: float | None = None


class Info(Wire, frozen=True, kw_only=True):
    """A session (id, title, parentID, directory) or a message (id, role, finish, error), as events and REST answers
    describe them."""

    id: ID
    title: str | None = None
    parent_id: ID | None = None
    directory: str | None = None
    role: str | None = None
    finish: str | None = None
    summary: Any = None  # true: the message is that of a compaction
    error: Raw = Raw(b"")
    time: Times = Times()


class Properties(Wire, frozen=True, kw_only=True):
    """All properties of all events the bridge knows; each event type has some of them."""

    session_id: ID | None = None
    id: ID | None = None
    request_id: ID | None = None
    reply: str | None = None
    status: Status | None = None
    error: Failure | None = None
    info: Info | None = None


# What texts are made of. These are read one by one, so that an odd one costs its words and never its alert.


class FailureData(Wire, frozen=True, kw_only=True):
    """An error with everything OpenCode says about it. `data` can hold the provider's URL, headers and answer."""

    name: str = ""
    data: dict[str, Any] = {}


class SessionError(Wire, frozen=True, kw_only=True):
    """The properties of session.error."""

    error: FailureData = FailureData()


class Question(Wire, frozen=True, kw_only=True):
    """One question with its options (`label`, `description`), of which `multiple` may be chosen."""

    question: str = ""
    options: list[Any] = []
    multiple: Any = False


class PendingRequest(Wire, frozen=True, kw_only=True):
    """The properties of permission.asked and question.asked; GET /permission and GET /question list the same."""

    id: ID = ""
    session_id: ID = ""
    permission: str = ""
    patterns: list[Any] = []
    metadata: dict[str, Any] = {}
    questions: list[Question] = []
    tool: Any = None

    @property
    def call_id(self) -> str:
        """The call of a tool that asks; its part says what it is called with. "" if it is not known."""
        called = self.tool.get("callID") if isinstance(self.tool, dict) else None
        return called if isinstance(called, str) else ""


class RetryStatus(Wire, frozen=True, kw_only=True):
    """A status of type retry: the `attempt` (1, 2, ...) that is made at `next` (UNIX milliseconds), and why."""

    type: str = ""
    attempt: int = 1
    message: str = ""
    next: float | None = None


class StatusChanged(Wire, frozen=True, kw_only=True):
    """The properties of session.status."""

    status: RetryStatus = RetryStatus()


class ToolState(Wire, frozen=True, kw_only=True):
    """What a tool works on; `input` is empty while it is pending."""

    input: dict[str, Any] = {}
    title: str | None = None
    status: str = ""
    metadata: Any = None


class Tool(Wire, frozen=True, kw_only=True):
    """A part that is a call of a tool, or a text."""

    type: str = ""
    tool: str = ""
    call_id: str = ""
    state: ToolState = ToolState()
    message_id: ID = ""
    text: str = ""
    synthetic: bool | None = None


class PartUpdated(Wire, frozen=True, kw_only=True):
    """The properties of message.part.updated."""

    session_id: ID = ""
    part: Tool = Tool()


class Disposed(Wire, frozen=True, kw_only=True):
    """The properties of server.instance.disposed."""

    directory: str = ""


class Paths(Wire, frozen=True, kw_only=True):
    """GET /path: where the server keeps what it keeps."""

    home: str = ""
    state: str = ""
    config: str = ""


class Part(Wire, frozen=True, kw_only=True):
    """A piece of a message; only text parts have a text. `synthetic` ones were not written by anybody.

    Of a tool that runs, `call_id` and `state` say what it is called with.
    """

    type: str
    text: str | None = None
    ignored: bool | None = None
    synthetic: bool | None = None
    tool: Any = None
    call_id: Any = None
    state: Any = None

    def as_tool(self) -> Tool | None:
        """The call of a tool in it, if it is one and is complete."""
        state = self.state if isinstance(self.state, dict) else {}
        given, status = state.get("input"), state.get("status")
        if not isinstance(self.call_id, str) or not isinstance(given, dict) or not isinstance(status, str):
            return None
        return Tool(
            type=self.type,
            tool=str(self.tool),
            call_id=self.call_id,
            state=ToolState(input=given, status=status),
        )


class SessionMessage(Wire, frozen=True, kw_only=True):
    """One message of GET /session/:id/message."""

    info: Info
    parts: list[Part] = []


class Health(Wire, frozen=True, kw_only=True):
    """GET /global/health."""

    healthy: bool
    version: str = "unknown"


def parse(data: bytes) -> Event | None:
    """The event in one data line of GET /global/event, or None if it is none, or only the `sync` twin of another."""
    try:
        event = decode(data, Envelope).payload
    except Malformed:
        return None
    return None if event.type == "sync" else event


def properties(event: Event) -> Properties | None:
    """The properties of `event`, or None if they have another shape."""
    try:
        return decode(bytes(event.properties), Properties)
    except Malformed:
        return None
