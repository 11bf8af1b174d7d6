"""What this source knows of OpenCode 2's contract: the routes that it asks, what it reads in their replies, the events that it
folds, and the names beside them that it knows and has no use for. Pure.

A server's own GET /openapi.json is compared with it (`relay doctor --contract`). Sources: the document of 2.1.2 by way of a client
that was generated from it, that of the beta of August 2026, and recordings of a real engine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import inspect

from relay.bridge.sources.generations import Health
from relay.bridge.sources.opencode2.wire import (
    Data,
    Described,
    Enqueued,
    Failed,
    Form,
    FormCreated,
    Info,
    Interrupted,
    Location,
    Message,
    PairAnswer,
    PermissionRequest,
    Replied,
    Retrying,
    Said,
    ToolCalled,
)

JSON_KINDS: dict[type[inspect.Type], frozenset[str]] = {
    inspect.StrType: frozenset({"string"}),
    inspect.IntType: frozenset({"integer", "number"}),
    inspect.FloatType: frozenset({"integer", "number"}),
    inspect.BoolType: frozenset({"boolean"}),
    inspect.ListType: frozenset({"array"}),
    inspect.DictType: frozenset({"object"}),
    inspect.StructType: frozenset({"object"}),
}


LENIENT = {
    **dict.fromkeys(("action", "title", "message"), frozenset({"string"})),
    **dict.fromkeys(("resources", "fields"), frozenset({"array"})),
    **dict.fromkeys(("metadata", "source"), frozenset({"object"})),
}
"""What a field is that is read whatever it is: a request is shown without what cannot be read in it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is read: its path, as in `data[].time.idle`, and what JSON it may be; empty: anything."""

    path: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Route:
    """A route that is asked. `older`: what it was called before 2.0.6; `known`: other fields of the same object, as paths."""

    method: str
    path: str
    reads: tuple[Field, ...] = ()
    older: str = ""
    known: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def fields_of(kind: Any, prefix: str = "") -> Iterator[Field]:
    """The fields that a type of `wire` reads, those of lists and objects in it included."""
    described = inspect.type_info(kind) if not isinstance(kind, inspect.Type) else kind
    for shape in described.types if isinstance(described, inspect.UnionType) else (described,):
        if isinstance(shape, inspect.ListType):
            yield from fields_of(shape.item_type, f"{prefix}[]")
        if isinstance(shape, inspect.StructType):
            for one in shape.fields:
                path = f"{prefix}.{one.encode_name}".lstrip(".")
                yield Field(path, _kinds(one.type) or LENIENT.get(one.encode_name, frozenset()))
                yield from fields_of(one.type, path)


def _kinds(described: inspect.Type) -> frozenset[str]:
    shapes = described.types if isinstance(described, inspect.UnionType) else (described,)
    named = [JSON_KINDS.get(type(shape), frozenset()) for shape in shapes if not isinstance(shape, inspect.NoneType)]  # fmt: skip
    return frozenset().union(*named) if all(named) else frozenset()


def _in(prefix: str, kind: Any, *unread: str) -> tuple[Field, ...]:
    """Those below `prefix`, without the paths that end as `unread`: a type of `wire` may serve several objects."""
    whole = Field(prefix.partition("[")[0], frozenset({"array"} if "[" in prefix else {"object"}))
    return (whole, *(one for one in fields_of(kind, prefix) if not one.path.endswith(unread)))


_SESSION = "id parentID fork projectID agent model cost tokens outcome time title subpath metadata permissions revert location"
_PERMISSION = "id sessionID action resources save metadata source message"
_FORM = "id sessionID title metadata fields state"
_MESSAGE = (
    "id metadata time type agent model previous text files agents skills description skill name shellID shell command status exit "
    "output content snapshot finish rawFinish cost tokens error retry reason summary recent outcome location sessionID"
)
_ID = "{sessionID}"

ROUTES = (
    Route("GET", "/api/info", tuple(one for one in fields_of(Health) if one.path != "healthy"), "/api/health", "version pid urls paths capabilities"),
    Route("GET", "/api/event"),
    Route("GET", "/api/session", _in("data[]", Info, "time.completed"), known=_SESSION),
    Route("GET", "/api/session/active", (Field("data", frozenset({"object"})),)),
    Route("GET", f"/api/session/{_ID}", _in("data", Info, "time.completed"), known=_SESSION),
    Route("GET", f"/api/session/{_ID}/message", _in("data[]", Message, "time.updated", "time.idle"), known=_MESSAGE),
    Route("GET", "/api/debug/location", tuple(fields_of(list[Location])), known="directory workspaceID"),
    Route("GET", "/api/permission/request", _in("data[]", PermissionRequest), known=_PERMISSION),
    Route("GET", "/api/form", _in("data[]", Form), "/api/form/request", _FORM),
    Route("POST", f"/api/session/{_ID}/permission/{{requestID}}/reply"),
    Route("POST", "/api/pair", tuple(fields_of(PairAnswer)), known="code expires_in"),
)  # fmt: skip
"""What the bridge asks; `relay pair --connect` asks the last one (2.0.17 and later)."""


@dataclass(frozen=True, slots=True)
class EventType:
    """An event that is folded: the fields of its `data` that are read, others that are known, and its name before 2.0.4."""

    reads: tuple[Field, ...]
    known: str = ""
    older: str = ""


def _event(*kinds: Any, ids: str = "sessionID", known: str = "", older: str = "") -> EventType:
    named = [one for one in fields_of(Data) if one.path in ids.split()]
    read = [one for kind in kinds for one in fields_of(kind)]
    return EventType(tuple(dict.fromkeys([*named, *read])), known, older)


def _only(kind: Any, *paths: str) -> Any:
    """Those fields of a type that an event has: `wire` keeps some that belong to several events in one type."""
    return tuple(one for one in fields_of(kind) if one.path in paths)


_STEP = "sessionID assistantMessageID"
EVENTS: dict[str, EventType] = {
    "server.connected": EventType(()),
    "session.created": _event(Described, known="projectID subpath slug agent model metadata permissions version"),
    "session.renamed": EventType((*_only(Data, "sessionID"), *_only(Described, "title"))),
    "session.moved": EventType((*_only(Data, "sessionID"), *_only(Described, "location", "location.directory")), "projectID subpath"),
    "session.deleted": _event(),
    "session.inbox.enqueued": EventType(
        (*_only(Data, "sessionID", "inboxID"), *(one for one in fields_of(Enqueued) if one.path.startswith("item"))),
        older="session.input.admitted",
    ),
    "session.inbox.delivered": _event(ids="sessionID inboxID", older="session.input.promoted"),
    "session.execution.started": _event(),
    "session.execution.succeeded": _event(),
    "session.execution.failed": _event(Failed),
    "session.execution.interrupted": _event(Interrupted),
    "session.step.started": _event(ids=_STEP, known="agent model snapshot started"),
    "session.reasoning.started": _event(ids=_STEP, known="ordinal state native"),
    "session.text.ended": EventType((*_only(Data, "sessionID", "assistantMessageID"), *_only(Said, "text")), "ordinal state native"),
    "session.tool.input.started": EventType((*_only(Data, "sessionID", "id"), *_only(Said, "name")), "assistantMessageID"),
    "session.tool.called": _event(ToolCalled, ids=f"{_STEP} id", known="executed state native"),
    "session.tool.success": _event(ids="sessionID id", known="assistantMessageID content metadata executed result resultState native"),
    "session.tool.failed": _event(ids="sessionID id", known="assistantMessageID error content metadata executed result resultState native"),
    "session.retry.scheduled": _event(Retrying, ids=_STEP),
    "session.compaction.started": _event(known="reason recent inputID"),
    "session.compaction.ended": _event(known="reason text recent model cost tokens inputID"),
    "permission.asked": _event(PermissionRequest, known="save"),
    "permission.replied": _event(Replied, ids="sessionID requestID"),
    "form.created": _event(FormCreated, ids=""),
    "form.replied": _event(ids="sessionID id", known="answer"),
    "form.cancelled": _event(ids="sessionID id", known="message"),
    "location.shutdown": EventType(()),
}  # fmt: skip
"""By type. `location.shutdown` is in no document (2.1.2): the engine sends it all the same."""
UNDOCUMENTED = frozenset({"location.shutdown"})

_UNUSED_EVENTS = """
    forked archived unarchived viewed metadata.updated permissions agent.selected model.selected usage.updated usage.recorded
    inbox.cancelled inbox.delivery.changed step.streamed step.ended step.failed text.started text.delta reasoning.delta
    reasoning.ended tool.input.delta tool.input.ended tool.progress compaction.admitted compaction.delta
    compaction.failed synthetic shell.started shell.ended revert.staged revert.cleared revert.committed instructions.updated
    skill.activated status idle
"""
UNUSED_EVENTS = frozenset(f"session.{name}" for name in _UNUSED_EVENTS.split())
"""Types of the families that the bridge reads which say nothing that a phone should know."""
ENVELOPE = ("id", "created", "type", "location", "data")
"""What is read of every event."""
UNUSED_ENVELOPE = ("metadata", "durable")
EVENT_PREFIXES = ("session.", "permission.", "form.", "server.", "location.")
"""Beginnings of types of which a new one may matter; all others are the catalog's, the terminal's, the plugins' and so on."""

_UNUSED_ROUTES = """
    /api/session/import /api/session/{}/export /api/session/{}/fork /api/session/{}/agent /api/session/{}/model
    /api/session/{}/rename /api/session/{}/move /api/session/{}/prompt /api/session/{}/command /api/session/{}/skill
    /api/session/{}/synthetic /api/session/{}/shell /api/session/{}/compact /api/session/{}/wait /api/session/{}/revert
    /api/session/{}/revert/stage /api/session/{}/revert/clear /api/session/{}/revert/commit /api/session/{}/context
    /api/session/{}/pending /api/session/{}/inbox /api/session/{}/inbox/{} /api/session/{}/instructions/entries
    /api/session/{}/instructions/entries/{} /api/session/{}/generate /api/session/{}/interrupt /api/session/{}/background
    /api/session/{}/view /api/session/{}/message/{} /api/session/{}/permission /api/session/{}/permission/{}
    /api/session/{}/permission/{}/reply /api/session/{}/form /api/session/{}/form/{} /api/session/{}/form/{}/state
    /api/session/{}/form/{}/reply /api/session/{}/form/{}/cancel /api/session/{}/question /api/session/{}/question/{}/reply
    /api/session/{}/question/{}/reject /api/permission/saved /api/permission/saved/{} /api/form/request /api/location
    /api/location/reload /api/health /api/status
"""
UNUSED_ROUTES = frozenset(_UNUSED_ROUTES.split())
"""Paths of the same families which the bridge has no use for; `{}` is any parameter."""
ROUTE_PREFIXES = ("/api/session", "/api/permission", "/api/form", "/api/event", "/api/location", "/api/debug/location", "/api/info", "/api/pair")  # fmt: skip
