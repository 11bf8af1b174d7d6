"""The one table of all routes, and the API described as OpenAPI 3.1, made from it. No I/O."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from simulator.lab.control import account, activities, behaviour, devices, history, pushes, screen
from simulator.lab.control.route import Body, Call, Fields, Raw, Route
from simulator.lab.ready import describe

_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final[Fields] = {
    "type": "object",
    "required": ["ok", "error", "code"],
    "properties": {
        "ok": {"const": False},
        "error": {"type": "string", "description": "one sentence for people"},
        "code": {"type": "string", "description": "stable, for programs"},
    },
}
_OK: Final[Fields] = {"type": "object", "required": ["ok"], "properties": {"ok": {"const": True}}}
_DOCUMENT: Final = "/control/openapi.json"
_UNENVELOPED: Final[dict[str, Fields]] = {
    "/control/events": {"text/event-stream": {"schema": {"type": "string"}}},
    _DOCUMENT: {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}},
}
"""What these routes reply with, which is without `ok`."""


def document(routes: Sequence[Route], url: str = "/") -> Fields:
    """The whole document; `url` is where the API is served."""
    bodies = sorted({route.body for route in routes if _is_named(route.body)}, key=lambda one: one.__name__)
    _, schemas = msgspec.json.schema_components(bodies, ref_template=_REF)
    paths: dict[str, Fields] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Control API of the APNs sandbox", "version": "1"},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": schemas | {"Ok": _OK, "Problem": _PROBLEM}},
    }


def _is_named(body: Any) -> bool:
    return isinstance(body, type) and issubclass(body, Body)


def _operation(route: Route) -> Fields:
    operation: Fields = {
        "operationId": f"{route.method.lower()} {route.path}",
        "summary": route.summary,
        "description": (route.handle.__doc__ or "").strip(),
        "parameters": [*map(_in_path, route.parameters), *_in_query(route)],
        "responses": {
            str(route.status): _reply(route),
            "default": {"description": "what is wrong", "content": _json(_ref("Problem"))},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"content": _json(_body(route)), "required": False}
    return operation


def _in_path(name: str) -> Fields:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(route: Route) -> list[Fields]:
    if route.query is None:
        return []
    _, schemas = msgspec.json.schema_components([route.query], ref_template=_REF)
    found = schemas[route.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in found.get("required", ()), "schema": schema}
        for name, schema in found["properties"].items()
    ]


def _body(route: Route) -> Fields:
    return _ref(route.body.__name__) if _is_named(route.body) else msgspec.json.schema(route.body)


def _reply(route: Route) -> Fields:
    return {"description": route.summary, "content": _UNENVELOPED.get(route.path) or _json(_ref("Ok"))}


def _ref(name: str) -> Fields:
    return {"$ref": _REF.format(name=name)}


def _json(schema: Fields) -> Fields:
    return {"application/json": {"schema": schema}}


async def index(call: Call) -> Fields:
    """What there is to call, where APNs listens, and what a provider needs to push."""
    needed = describe(call.lab)
    return {
        **needed,
        "apns": {realm: f"{needed['host']}:{port}" for realm, port in call.lab.sandbox.ports.items()},
        "routes": [f"{route.method} {route.path}  {route.summary}" for route in ROUTES],
    }


async def openapi(_: Call) -> Raw:
    """This document."""
    return Raw(document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/control", "what there is", index),
    Route("GET", _DOCUMENT, "the same as OpenAPI 3.1", openapi),
    *account.KEY_ROUTES,
    *account.APP_ROUTES,
    *account.CERTIFICATE_ROUTES,
    *devices.ROUTES,
    *activities.ROUTES,
    *screen.ROUTES,
    *account.CHANNEL_ROUTES,
    *behaviour.FAULT_ROUTES,
    *behaviour.PROFILE_ROUTES,
    *pushes.PUSH_ROUTES,
    *pushes.TOKEN_ROUTES,
    *history.CLOCK_ROUTES,
    *history.JOURNAL_ROUTES,
    *history.DELIVERY_ROUTES,
    *history.RESET_ROUTES,
)
