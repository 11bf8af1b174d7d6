"""The OpenAPI documents of relay and bridge: every route is in its document, and the document says what the routes take."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from component.routes.calls import GOOD
from relay.bridge.http import app as bridge
from relay.openapi import DOCUMENT_PATH, Route, document
from relay.server.routes.table import ROUTES

DOCUMENTS: dict[str, tuple[tuple[Route, ...], Any]] = {
    "Relay": (ROUTES, json.loads(document("Relay", ROUTES))),
    "Bridge": (bridge.ROUTES, json.loads(document("Bridge", bridge.ROUTES))),
}
CASES = [
    pytest.param(name, route, id=f"{name} {route.path}")
    for name, (routes, _) in DOCUMENTS.items()
    for route in routes
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_has_every_route_and_itself_and_nothing_else(name: str) -> None:
    routes, described = DOCUMENTS[name]
    assert (described["openapi"], described["info"]["title"]) == ("3.1.0", name)
    operations = {(method.upper(), path) for path, one in described["paths"].items() for method in one}
    assert operations == {(one.method, one.path) for one in routes} | {("GET", DOCUMENT_PATH)}


@pytest.mark.parametrize(("name", "route"), CASES)
def test_every_operation_says_what_it_takes_and_replies(name: str, route: Route) -> None:
    operation = DOCUMENTS[name][1]["paths"][route.path][route.method.lower()]
    assert operation["summary"] == route.summary
    assert set(operation["responses"]) == {"200", "default", *map(str, route.others)}
    assert ("requestBody" in operation) == (route.body is not None)
    assert ("security" in operation) == route.authorized
    assert all(one["description"] for one in operation["responses"].values())


def resolved(described: Any) -> dict[str, Any]:
    """The schema of each request's body, by path."""
    components = {"components": described["components"]}
    return {
        path: operation["post"]["requestBody"]["content"]["application/json"]["schema"] | components
        for path, operation in described["paths"].items()
        if "post" in operation
    }


@pytest.mark.parametrize("path", GOOD)
def test_a_good_body_fits_its_schema(path: str) -> None:
    schema = resolved(DOCUMENTS["Relay"][1])[path]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(GOOD[path])


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("/v1/device/register", {"deviceToken": "abc"}),
    ("/v1/device/register", {"bundleId": "com.example.app.voip"}),
    ("/v1/device/register", {"bundleId": "com.example.app\n"}),
    ("/v1/device/register", {"apnsEnv": "dev"}),
    ("/v1/event", {"eventType": "done"}),
    ("/v1/event", {"title": ""}),
    ("/v1/event", {"contentState": {"status": "working"}}),
]


@pytest.mark.parametrize(("path", "fields"), WRONG)
def test_what_the_route_refuses_does_not_fit_its_schema(path: str, fields: dict[str, Any]) -> None:
    schema = resolved(DOCUMENTS["Relay"][1])[path]
    assert not Draft202012Validator(schema).is_valid(GOOD[path] | fields)


def test_only_where_a_password_may_be_wanted_it_is_described() -> None:
    schemes = {
        name: "securitySchemes" in described["components"] for name, (_, described) in DOCUMENTS.items()
    }
    assert schemes == {"Relay": False, "Bridge": True}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_to_a_schema(name: str) -> None:
    described = DOCUMENTS[name][1]
    references = {part.split('"')[0] for part in json.dumps(described).split("#/components/schemas/")[1:]}
    assert references == set(described["components"]["schemas"])
