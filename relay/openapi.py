"""The routes of an HTTP process as data, and as an OpenAPI 3.1 document made from the types that validate requests. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from relay.contract import Message, Refusal

DOCUMENT_PATH: Final = "/openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One route. `reply` is that of status 200, `others` those of further statuses; what is wrong is a Refusal.

    `authorized`: it wants HTTP Basic credentials where the process has a password.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    reply: type[Message]
    body: type[Message] | None = None
    others: Mapping[int, tuple[type[Message], ...]] = field(default_factory=dict)
    authorized: bool = False


def document(title: str, routes: Sequence[Route]) -> bytes:
    """The document as JSON; it describes itself, too."""
    types: set[type[Message]] = {Refusal}.union(*map(_types, routes))
    named = sorted(types, key=lambda one: one.__name__)
    _, schemas = msgspec.json.schema_components(named, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {DOCUMENT_PATH: {"get": _DESCRIBED}}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    components: dict[str, Any] = {"schemas": schemas}
    if any(route.authorized for route in routes):
        components["securitySchemes"] = {"password": {"type": "http", "scheme": "basic"}}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": components,
    }
    return msgspec.json.encode(whole)


def _operation(route: Route) -> dict[str, Any]:
    replies = {200: (route.reply,), **route.others}
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()} {route.path}",
        "summary": route.summary,
        "responses": {str(status): _described(kinds) for status, kinds in sorted(replies.items())}
        | {"default": _described((Refusal,))},
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content((route.body,))}
    if route.authorized:
        operation["security"] = [{"password": []}, {}]
    return operation


def _types(route: Route) -> list[type[Message]]:
    replies = [kind for kinds in route.others.values() for kind in kinds]
    return [route.reply, *replies, *([route.body] if route.body else [])]


def _described(kinds: Sequence[type[Message]]) -> dict[str, Any]:
    words = " Or: ".join((kind.__doc__ or "").partition("\n")[0] for kind in kinds)
    return {"description": words, "content": _content(kinds)}


def _content(kinds: Sequence[type[Message]]) -> dict[str, Any]:
    schemas = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in kinds]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}


_DESCRIBED: Final[dict[str, Any]] = {
    "operationId": f"get {DOCUMENT_PATH}",
    "summary": "this document",
    "responses": {
        "200": {
            "description": "OpenAPI 3.1",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
}
