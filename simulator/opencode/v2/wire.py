"""Events as OpenCode 2 writes them, and what its versions call things. No I/O.

One envelope for all: `{id, created, metadata?, type, durable?, location?, data}`, one line of JSON after `data: `. The
simulator speaks the released words inside; a beta's words are put in place where an event leaves (`spelled`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from simulator.opencode.scheduler import Delta
from simulator.opencode.script import Json

HEARTBEAT = b": heartbeat\n\n"
PASSING = ".delta", ".progress", "session.usage.updated", "session.status", "session.idle"
"""Session events with one of these endings are sent and forgotten; all others are numbered per session."""
SECOND_SCHEMA = frozenset(
    {"session.forked", "session.deleted", "session.instructions.updated"}
    | {"session.tool.success", "session.tool.failed"}
)
"""Numbered events in the second version of their schema; all others are in the first."""

INTERNAL = "session.usage.recorded"
"""Takes a number of its session and is never sent: numbers have holes."""

_encode = msgspec.json.Encoder().encode
_DELTA: Json = {"type": "session.text.delta"}


def compact(value: Any) -> str:
    """JSON as JavaScript's JSON.stringify writes it: no spaces, UTF-8 unescaped."""
    return _encode(value).decode()


def data_line(value: Json) -> bytes:
    """One server-sent event."""
    return b"data: %b\n\n" % _encode(value)


def durable(kind: str) -> bool:
    """Whether the server numbers events of this type: those of sessions that do not merely pass."""
    return kind.startswith("session.") and not kind.endswith(PASSING)


def located(kind: str) -> bool:
    """Whether the envelope names the directory: not that of executions, of what they cost, and of the stream itself."""
    return not kind.startswith("session.execution.") and kind not in (
        "session.usage.updated",
        "server.connected",
    )


def session_of(event: Json) -> str | None:
    """The session an event belongs to; None for those of no session. Of a new form it stands inside the form."""
    data: Json = event.get("data") or {}
    found = data.get("sessionID") or data.get("form", {}).get("sessionID")
    return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, ready to be sent. `event` is what the state folds; of a word that streams it has the type alone."""

    event: Json
    line: bytes


def delta_frame(event_id: str, created: int, head: bytes, text: str) -> Frame:
    """The frame of words of a part, written from what is encoded already (`head` of a scheduler.Delta)."""
    line = b'data: {"id":"%b","created":%d,%b%b}}\n\n' % (event_id.encode(), created, head, _encode(text))
    return Frame(_DELTA, line)


@lru_cache(maxsize=1024)
def _where(directory: str) -> bytes:
    return _encode({"directory": directory})


def delta_of(kind: str, directory: str, data: Json, field: str = "delta") -> Callable[[str], Delta]:
    """The words of one part that streams: `session.text.delta` and its like. `data` is all but the words themselves.

    They stand in `field`: "text" of a `session.compaction.delta`.
    """
    where = _where(directory)
    head = b'"type":%b,"location":%b,"data":%b,%b:' % (
        _encode(kind),
        where,
        _encode(data)[:-1],
        _encode(field),
    )
    return lambda text: Delta(head, text)


_ADMITTED = "session.input.admitted"
Renaming = Callable[[Json], Json]


def _admitted(data: Json) -> Json:
    item = data["item"]
    said = {"type": item["type"], "data": item["payload"], "delivery": item["delivery"]}
    return {"sessionID": data["sessionID"], "inputID": data["inboxID"], "input": said}


def _promoted(data: Json) -> Json:
    return {"sessionID": data["sessionID"], "inputID": data["inboxID"]}


def _unstarted(data: Json) -> Json:
    return {key: value for key, value in data.items() if key != "started"}


@dataclass(frozen=True, slots=True)
class Flavour:
    """How a version differs from the newest: the names of its events and routes, and what it does not have.

    `renamed` maps a type to the older one and what its data becomes; `unsent` are types which it does not know. `batch` is
    how many seconds words of a part wait for each other; `info` is the route that names the version; `reply` is the
    field of a permission's answer. A beta has other routes, no web app and empty 401s, does not remember how turns ended.
    `resumes_killed`: the managed service resumes turns that a SIGKILL ended, too. `located_404`: a missing directory is answered with 404, not with an empty 500.
    """

    version: str
    renamed: dict[str, tuple[str, Renaming]] = field(default_factory=dict)
    unsent: frozenset[str] = frozenset()
    batch: float = 0.1
    info: str = "/api/info"
    forms: str = "/api/form"
    inbox: str = "inbox"
    reply: str = "decision"
    resumes_killed: bool = True
    beta: bool = False
    located_404: bool = True


FLAVOURS = {
    "beta": Flavour(
        "0.0.0-next-202608070013",
        {
            "session.inbox.enqueued": (_ADMITTED, _admitted),
            "session.inbox.delivered": ("session.input.promoted", _promoted),
            "session.step.started": ("session.step.started", _unstarted),
        },
        unsent=frozenset({"session.step.streamed", "session.viewed", "location.shutdown"}),
        batch=0.0,
        info="/api/health",
        forms="/api/form/request",
        inbox="pending",
        reply="reply",
        resumes_killed=False,
        beta=True,
        located_404=False,
    ),
    "2.0": Flavour("2.0.22", unsent=frozenset({"session.archived", "session.unarchived"}), located_404=False),
    "2.1": Flavour("2.1.2"),
}
"""By the word that the command line takes."""


def spelled(flavour: Flavour, event: Json) -> Json | None:
    """The event in the words of a version; None if that version does not send it."""
    kind = event["type"]
    if kind == INTERNAL or kind in flavour.unsent:
        return None
    older = flavour.renamed.get(kind)
    if older is None:
        return event
    if older[0] == _ADMITTED and event["data"]["item"]["type"] == "compaction":
        return {**event, "type": "session.compaction.admitted", "data": _promoted(event["data"])}
    return {**event, "type": older[0], "data": older[1](event["data"])}
