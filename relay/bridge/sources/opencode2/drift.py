"""How a server's API document differs from the contract that this source knows: what is missing, changed and new. Pure.

Documents are OpenAPI 3.1, as GET /openapi.json has them. An event is whatever object has a `type` of one word with a dot in it
and `data`, wherever it stands: the document hides the events in the text of a stream.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relay.bridge.sources.opencode2.contract import (
    ENVELOPE,
    EVENT_PREFIXES,
    EVENTS,
    ROUTE_PREFIXES,
    ROUTES,
    UNDOCUMENTED,
    UNUSED_ENVELOPE,
    UNUSED_EVENTS,
    UNUSED_ROUTES,
    Field,
    Route,
)

Kind = Literal["missing", "changed", "new"]
DEPTH = 12
"""Schemas within schemas that are followed."""
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Difference:
    """`where`: a route or an event type; `said`: what differs, in words."""

    kind: Kind
    where: str
    said: str


class Document:
    """A server's API document. Whatever is not as OpenAPI has it counts as absent."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.routes = dict(self._routes())
        """By method and path, whose parameters are `{}`."""
        self.events: dict[str, list[Any]] = {}
        """By type, the schemas of `data`."""
        self.envelope: set[str] = set()
        """What stands around `data`."""
        self._find_events(value)

    def reply(self, method: str, path: str) -> list[Any] | None:
        """The schemas of the JSON reply of a route; None if there is no such route."""
        route = self.routes.get((method, unnamed(path)))
        if route is None:
            return None
        content = _at(route, "responses", "200", "content", "application/json", "schema")
        return [content] if content is not None else []

    def under(self, schemas: Sequence[Any], name: str) -> list[Any]:
        """The schemas of a property of objects; of `[]` those of an array's items."""
        wholes = [whole for schema in schemas for whole in self.variants(schema)]
        if name == "[]":
            return [one["items"] for one in wholes if "items" in one]
        return [_at(one, "properties", name) for one in wholes if _at(one, "properties", name) is not None]

    def names(self, schemas: Sequence[Any]) -> set[str]:
        """The properties of objects."""
        wholes = [whole for schema in schemas for whole in self.variants(schema)]
        return {str(name) for one in wholes for name in (_at(one, "properties") or {})}

    def describes(self, schemas: Sequence[Any]) -> bool:
        """Whether they say what is in an object or array; one that may hold anything says nothing."""
        wholes = [whole for schema in schemas for whole in self.variants(schema)]
        return any(one.get("properties") or "items" in one for one in wholes)

    def kinds(self, schemas: Sequence[Any]) -> set[str]:
        """What JSON they may be; empty if they do not say."""
        wholes = [whole for schema in schemas for whole in self.variants(schema)]
        types = [one.get("type") for one in wholes]
        return {str(one) for kind in types for one in (kind if isinstance(kind, list) else [kind]) if one}

    def variants(
        self, schema: Any, depth: int = 0, seen: frozenset[str] = frozenset()
    ) -> Iterator[Mapping[str, Any]]:
        """The schemas that it refers to or consists of, without references."""
        if not isinstance(schema, dict) or depth > DEPTH:
            return
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            yield from self.variants(self._referred(reference), depth + 1, seen | {reference})
        for word in ("anyOf", "oneOf", "allOf"):
            parts = schema.get(word)
            for part in parts if isinstance(parts, list) else ():
                yield from self.variants(part, depth + 1, seen)
        if not {"$ref", "anyOf", "oneOf"} & schema.keys():
            yield schema

    def _referred(self, reference: str) -> Any:
        return _at(self._value, *reference.removeprefix("#/").split("/"))

    def _routes(self) -> Iterator[tuple[tuple[str, str], Any]]:
        paths = _at(self._value, "paths")
        for path, methods in paths.items() if isinstance(paths, dict) else ():
            for method, route in methods.items() if isinstance(methods, dict) else ():
                if method in METHODS:
                    yield (method.upper(), unnamed(path)), route

    def _find_events(self, value: Any) -> None:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, list):
                waiting += one
            elif isinstance(one, dict):
                waiting += one.values()
                kind, data = _event_type(_at(one, "properties", "type")), _at(one, "properties", "data")
                if kind and data is not None:
                    self.events.setdefault(kind, []).append(data)
                    self.envelope |= one["properties"].keys()


def unnamed(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def differences(value: Any) -> list[Difference]:
    """How the API document `value` differs: first what is missing, then what is changed and what is new."""
    document = Document(value)
    found = [*_route_differences(document), *_event_differences(document), *_new_names(document)]
    rank: dict[Kind, int] = {"missing": 0, "changed": 1, "new": 2}
    return sorted(dict.fromkeys(found), key=lambda one: rank[one.kind])


def undescribed(value: Any) -> list[str]:
    """The routes and events of which the document says nothing but that there are."""
    document = Document(value)
    routes = {str(one): document.reply(one.method, one.path) for one in ROUTES if one.reads}
    events = {name: document.events.get(name) for name, one in EVENTS.items() if one.reads}
    return [where for where, found in (routes | events).items() if found is not None and not document.describes(found)]  # fmt: skip


def _route_differences(document: Document) -> Iterator[Difference]:
    for route in ROUTES:
        reply = document.reply(route.method, route.path)
        if reply is None:
            yield _missing_route(document, route)
            continue
        yield from _field_differences(document, str(route), reply, route.reads)
        objects = _objects(document, reply, route)
        yield from _new_fields(document, str(route), objects, set(route.known.split()))


def _missing_route(document: Document, route: Route) -> Difference:
    older = route.older and document.reply(route.method, route.older) is not None
    said = f"there is {route.method} {route.older} instead, as in releases before 2.0.6" if older else "there is no such route"  # fmt: skip
    return Difference("missing", str(route), said)


def _objects(document: Document, reply: list[Any], route: Route) -> list[Any]:
    """The schemas of the object that a reply is about: in `data`, in a list, or itself."""
    path = route.reads[0].path if route.reads else ""
    if path == "data":
        reply = document.under(reply, "data")
    return document.under(reply, "[]") or reply


def _event_differences(document: Document) -> Iterator[Difference]:
    if document.events:
        for name in sorted(set(ENVELOPE) - document.envelope):
            yield Difference("missing", "every event", f"no field {name}")
        for name in sorted(document.envelope - {*ENVELOPE, *UNUSED_ENVELOPE}):
            yield Difference("new", "every event", f"a field {name}")
    for name, event in EVENTS.items():
        if name not in document.events:
            if name not in UNDOCUMENTED:
                older = event.older in document.events
                said = f"there is {event.older} instead, as in releases before 2.0.4; it is read, too" if older else "there is no such event"  # fmt: skip
                yield Difference("missing", name, said)
            continue
        data = document.events[name]
        yield from _field_differences(document, name, data, event.reads)
        known = {one.path for one in event.reads} | set(event.known.split())
        yield from _new_fields(document, name, data, known)


def _field_differences(
    document: Document, where: str, schemas: list[Any], reads: Sequence[Field]
) -> Iterator[Difference]:
    gone: list[str] = []
    for one in reads:
        if any(one.path.startswith((f"{path}.", f"{path}[")) for path in gone):
            continue
        at = _down(document, schemas, one.path)
        if at is None:
            gone.append(one.path)
            yield Difference("missing", where, f"no field {one.path}")
        elif one.kinds and (kinds := document.kinds(at) - {"null"}) and not kinds & one.kinds:
            said = f"{one.path} is {' or '.join(sorted(kinds))}, and was {' or '.join(sorted(one.kinds))}"
            yield Difference("changed", where, said)


def _down(document: Document, schemas: list[Any], path: str) -> list[Any] | None:
    """The schemas at a path such as `data[].time.idle`; None if a name in it is not there. [] if nothing is said there."""
    for name in re.findall(r"\[\]|[^.\[\]]+", path):
        if not document.describes(schemas):
            return []
        schemas = document.under(schemas, name)
        if not schemas:
            return None
    return schemas


def _new_fields(document: Document, where: str, schemas: list[Any], known: set[str]) -> Iterator[Difference]:
    if known:
        for name in sorted(document.names(schemas) - known):
            yield Difference("new", where, f"a field {name}")


def _new_names(document: Document) -> Iterator[Difference]:
    older = {unnamed(route.older) for route in ROUTES} | {event.older for event in EVENTS.values()}
    known = {unnamed(route.path) for route in ROUTES} | UNUSED_ROUTES | older
    for method, path in sorted(document.routes):
        if path.startswith(ROUTE_PREFIXES) and path not in known:
            yield Difference("new", f"{method} {path}", "a route that the bridge does not know")
    for kind in sorted(document.events):
        if kind.startswith(EVENT_PREFIXES) and kind not in {*EVENTS, *UNUSED_EVENTS, *older}:
            yield Difference("new", kind, "an event that the bridge does not know and skips")


def _event_type(schema: Any) -> str:
    """The one word that a `type` may be; "" if there are several, or it has no dot."""
    said = _at(schema, "enum") or [_at(schema, "const")]
    word = said[0] if isinstance(said, list) and len(said) == 1 else None
    return word if isinstance(word, str) and "." in word else ""


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
