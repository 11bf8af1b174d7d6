"""A server's API document beside what the bridge knows of OpenCode 2: what is missing, changed and new."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.sources.opencode2 import client
from relay.bridge.sources.opencode2.contract import EVENTS, ROUTES
from relay.bridge.sources.opencode2.drift import Difference, differences, undescribed, unnamed
from relay.bridge.sources.opencode2.fold import HANDLERS

ROOT = Path(__file__).parents[2]
BETA = json.loads((ROOT / "recordings" / "openapi2-beta.json").read_text())
NEWEST = json.loads((ROOT / "recordings" / "openapi2-2.1.json").read_text())
"""The same, with the names and fields that a client has which was generated from 2.1.2."""


@pytest.fixture
def document() -> Any:
    return copy.deepcopy(NEWEST)


def said(document: Any) -> list[str]:
    return [f"{one.kind} {one.where}: {one.said}" for one in differences(document)]


def test_the_newest_contract_that_is_known_has_all_that_the_bridge_reads() -> None:
    assert said(NEWEST) == []
    assert undescribed(NEWEST) == []


def test_the_beta_of_august_2026_differs_where_the_releases_changed() -> None:
    assert said(BETA) == [
        "missing GET /api/info: there is GET /api/health instead, as in releases before 2.0.6",
        "missing GET /api/session: no field data[].outcome",
        "missing GET /api/session: no field data[].time.idle",
        "missing GET /api/session/{sessionID}: no field data.outcome",
        "missing GET /api/session/{sessionID}: no field data.time.idle",
        "missing GET /api/session/{sessionID}/message: no field data[].outcome",
        "missing GET /api/permission/request: no field data[].message",
        "missing GET /api/form: there is GET /api/form/request instead, as in releases before 2.0.6",
        "missing POST /api/pair: there is no such route",
        "missing session.inbox.enqueued: there is session.input.admitted instead, as in releases before 2.0.4; it is read, too",
        "missing session.inbox.delivered: there is session.input.promoted instead, as in releases before 2.0.4; it is read, too",
        "missing permission.asked: no field message",
    ]


def test_every_event_that_is_folded_is_compared() -> None:
    older = {event.older for event in EVENTS.values()}
    assert set(HANDLERS) - older == set(EVENTS)


def test_every_route_that_is_asked_is_compared() -> None:
    asked = re.findall(r'f?"(/api/[^"?]*)', Path(client.__file__).read_text())
    paths = {unnamed(re.sub(r"\{_in.*", "", path)) for path in asked}
    assert paths <= {unnamed(route.path) for route in ROUTES}
    assert len(paths) >= len(ROUTES) - 1  # GET /api/info is asked before the generation is known


class TestRoutes:
    def test_one_that_is_gone(self, document: Any) -> None:
        del document["paths"]["/api/session/active"]
        assert said(document) == ["missing GET /api/session/active: there is no such route"]

    def test_one_with_another_method(self, document: Any) -> None:
        document["paths"]["/api/session/active"] = {"post": {}, "summary": "moved"}
        assert said(document)[0] == "missing GET /api/session/active: there is no such route"

    def test_a_new_one_of_the_same_kind_and_of_another(self, document: Any) -> None:
        document["paths"] |= {"/api/session/{id}/mood": {"get": {}}, "/api/weather": {"get": {}}}
        assert said(document) == ["new GET /api/session/{}/mood: a route that the bridge does not know"]

    def test_parameters_may_be_called_otherwise(self, document: Any) -> None:
        paths = document["paths"]
        paths["/api/session/{id}"] = paths.pop("/api/session/{sessionID}")
        assert said(document) == []

    def test_a_field_that_is_gone_is_named_once_and_not_what_is_in_it(self, document: Any) -> None:
        del document["components"]["schemas"]["Session.Info"]["properties"]["location"]
        assert "missing GET /api/session: no field data[].location" in said(document)
        assert not [one for one in said(document) if "location.directory" in one]

    def test_a_field_that_is_something_else(self, document: Any) -> None:
        document["components"]["schemas"]["Permission.Request"]["properties"]["resources"] = {
            "anyOf": [{"type": "string"}, {"type": "null"}]
        }
        assert "changed GET /api/permission/request: data[].resources is string, and was array" in said(
            document
        )

    def test_a_reply_without_its_envelope(self, document: Any) -> None:
        schema = document["paths"]["/api/debug/location"]["get"]["responses"]["200"]["content"]
        schema["application/json"]["schema"] = {"type": "object", "properties": {"data": {"type": "array"}}}
        assert "missing GET /api/debug/location: no field [].directory" in said(document)

    def test_a_new_field(self, document: Any) -> None:
        document["components"]["schemas"]["Session.Info"]["properties"]["mood"] = {"type": "string"}
        assert said(document) == [
            "new GET /api/session: a field mood",
            "new GET /api/session/{sessionID}: a field mood",
        ]


class TestEvents:
    def event(self, document: Any, name: str) -> Any:
        return document["components"]["schemas"][name]["properties"]

    def test_one_that_is_gone(self, document: Any) -> None:
        del document["components"]["schemas"]["session.execution.failed"]
        assert said(document) == ["missing session.execution.failed: there is no such event"]

    def test_one_that_is_new(self, document: Any) -> None:
        schemas = document["components"]["schemas"]
        for name in ("session.execution.paused", "weather.updated"):
            schemas[name] = {"properties": {"type": {"const": name}, "data": {"type": "object"}}}
        assert said(document) == [
            "new session.execution.paused: an event that the bridge does not know and skips"
        ]

    def test_fields_of_its_data(self, document: Any) -> None:
        data = self.event(document, "session.execution.interrupted")["data"]["properties"]
        data |= {"reason": {"type": "object"}, "by": {"type": "string"}}
        assert said(document) == [
            "changed session.execution.interrupted: reason is object, and was string",
            "new session.execution.interrupted: a field by",
        ]

    def test_fields_of_the_envelope(self, document: Any) -> None:
        for name in list(document["components"]["schemas"]):
            properties = document["components"]["schemas"][name].get("properties", {})
            if "data" in properties and "type" in properties:
                properties.pop("created", None)
                properties["trace"] = {"type": "string"}
        assert said(document) == ["missing every event: no field created", "new every event: a field trace"]


@pytest.mark.parametrize(
    "value", [None, [], "x", {}, {"paths": []}, {"paths": {"/api/info": 7}, "components": []}]
)
def test_what_is_no_document_lacks_everything(value: Any) -> None:
    missing = [one for one in differences(value) if one.kind == "missing"]
    assert len(missing) == len(ROUTES) + len(EVENTS) - 1


def test_a_schema_that_refers_to_itself_has_an_end(document: Any) -> None:
    document["components"]["schemas"]["Session.Info"] = {
        "anyOf": [
            {"$ref": "#/components/schemas/Session.Info"},
            {"$ref": "#/nowhere"},
            {"$ref": 7},
            {"properties": {"title": {}}},
        ]
    }
    assert Difference("missing", "GET /api/session", "no field data[].id") in differences(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["paths", "/api/info", "get", "responses", "200", "content", "application/json", "schema", "properties", "type", "data", "enum", "const", "anyOf", "$ref", "items", "x.y"]),
        inner,
        max_size=4,
    ),
    max_leaves=30,
)  # fmt: skip


@given(JSON)
def test_no_document_breaks_it(value: Any) -> None:
    for one in differences(value):
        assert one.said
