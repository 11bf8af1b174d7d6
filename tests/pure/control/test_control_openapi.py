"""The OpenAPI document is the table of routes, and the app is the table of routes."""

import re
from typing import Any

import pytest

from simulator.lab.control.app import PAGE_PATHS, create_app
from simulator.lab.control.route import Body, Query, Route
from simulator.lab.control.table import ROUTES, document
from simulator.lab.lab import Lab

DOCUMENT = document(ROUTES, "http://127.0.0.1:8901")
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
PARAMETER = re.compile(r"[<{]([a-z_]+)[>}]")


def _named(path: str) -> str:
    return PARAMETER.sub(r"{\1}", path)


def test_every_route_of_the_app_is_in_the_document_and_the_other_way_round(lab: Lab) -> None:
    rules = create_app(lab).url_map.iter_rules()
    served = {(method, _named(rule.rule)) for rule in rules for method in (rule.methods or set()) - {"HEAD"}}
    page = {("GET", _named(path)) for path in PAGE_PATHS}
    assert served == set(OPERATIONS) | page
    assert not page & set(OPERATIONS)
    assert len(ROUTES) == len(OPERATIONS) == len({one["operationId"] for one in OPERATIONS.values()})
    assert DOCUMENT["servers"] == [{"url": "http://127.0.0.1:8901"}]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_operation_is_described(route: Route) -> None:
    operation = OPERATIONS[route.method, route.path]
    assert operation["summary"]
    assert operation["description"]
    assert str(route.status) in operation["responses"]
    assert operation["responses"]["default"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }
    parameters = operation["parameters"]
    in_path = [one["name"] for one in parameters if one["in"] == "path"]
    in_query = {one["name"] for one in parameters if one["in"] == "query"}
    assert in_path == PARAMETER.findall(route.path) == list(route.parameters)
    assert in_query == (set(route.query.__struct_fields__) if route.query else set())
    assert all(one["required"] for one in parameters if one["in"] == "path")


def test_a_parameter_that_must_be_there_says_so() -> None:
    [channel_id] = OPERATIONS["DELETE", "/control/channels"]["parameters"]
    assert channel_id["required"] is True
    assert not any(one["required"] for one in OPERATIONS["GET", "/control/journal"]["parameters"])


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    references = set(_references(DOCUMENT))
    assert references
    assert {reference.rpartition("/")[2] for reference in references} <= set(schemas)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for one in value.values() for found in _references(one)]
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    return []


def test_bodies_are_described_by_their_types() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    bodies = {route.body for route in ROUTES if isinstance(route.body, type) and issubclass(route.body, Body)}
    assert {body.__name__ for body in bodies} <= set(schemas)
    assert set(schemas["NewKey"]["properties"]) == {
        "team",
        "realm",
        "topics",
        "related_to",
        "key_id",
        "private_key",
    }
    assert schemas["NewKey"]["additionalProperties"] is False
    assert schemas["NewApp"]["required"] == ["bundle_id"]
    free = OPERATIONS["PATCH", "/control/devices/{name}"]["requestBody"]["content"]
    assert free["application/json"]["schema"]["type"] == "object"
    assert set(OPERATIONS["GET", "/control/events"]["responses"]["200"]["content"]) == {"text/event-stream"}


def test_the_document_itself_has_no_envelope() -> None:
    content = OPERATIONS["GET", "/control/openapi.json"]["responses"]["200"]["content"]["application/json"]
    assert content["schema"]["required"] == ["openapi", "paths"]


def test_types_of_bodies_and_queries_are_kept_apart_by_name() -> None:
    kinds = [one for route in ROUTES for one in (route.body, route.query) if isinstance(one, type)]
    names = {kind.__name__: kind for kind in kinds}
    assert len(names) == len(set(kinds))
    assert all(
        issubclass(kind, Query)
        for kind in kinds
        if kind.__name__.endswith(("Query", "Filter", "Filters", "OneChannel"))
    )
