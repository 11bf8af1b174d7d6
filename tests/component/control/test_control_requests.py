"""Requests to the control API, good and bad, over real HTTP."""

from typing import Any

import pytest

from .conftest import ACTIVITY, TOPIC, Stage

BAD = [
    ("GET", "/nowhere", None, 404, "not_found"),
    ("PUT", "/keys", None, 405, "method_not_allowed"),
    ("POST", "/keys", {"realm": "mars"}, 400, "invalid_request"),
    ("POST", "/keys", {"raelm": "sandbox"}, 400, "invalid_request"),
    ("POST", "/keys", {"related_to": "NOBODY"}, 404, "not_found"),
    ("DELETE", "/keys/NOBODY", None, 404, "not_found"),
    ("POST", "/apps", {}, 400, "invalid_request"),
    ("POST", "/apps", {"bundle_id": "no spaces"}, 400, "invalid_request"),
    ("POST", "/apps", {"bundle_id": TOPIC}, 409, "taken"),
    ("POST", "/devices", {"name": "iPhone", "bundle_id": TOPIC}, 409, "taken"),
    ("POST", "/devices", {"name": "a/b", "bundle_id": TOPIC}, 400, "invalid_request"),
    ("POST", "/devices", {"name": "", "bundle_id": TOPIC}, 400, "invalid_request"),
    ("POST", "/devices", {"name": "X", "bundle_id": "com.other"}, 404, "not_found"),
    ("POST", "/devices", {"name": "X", "bundle_id": TOPIC, "ios": "new"}, 422, "impossible"),
    ("POST", "/devices", {"name": "X", "bundle_id": TOPIC, "phone_profile": "mild"}, 422, "impossible"),
    ("GET", "/devices/nobody", None, 404, "not_found"),
    ("PATCH", "/devices/nobody", {"online": True}, 404, "not_found"),
    ("PATCH", "/devices/iPhone", {"colour": "red"}, 422, "impossible"),
    ("PATCH", "/devices/iPhone", {"online": "yes"}, 422, "impossible"),
    ("PATCH", "/devices/iPhone", [], 400, "invalid_request"),
    ("DELETE", "/devices/nobody", None, 404, "not_found"),
    ("POST", "/devices/iPhone/notifications/none/tap", None, 404, "not_found"),
    ("GET", "/devices/nobody/activities", None, 404, "not_found"),
    ("POST", "/devices/nobody/activities", ACTIVITY, 404, "not_found"),
    ("POST", "/devices/iPhone/activities", {}, 400, "invalid_request"),
    ("POST", "/devices/iPhone/activities", ACTIVITY, 409, "not_now"),
    ("POST", "/devices/iPhone/activities/none/end", {}, 404, "not_found"),
    ("POST", "/devices/iPhone/swipe", None, 409, "not_now"),
    ("POST", "/channels", {"bundle_id": "com.other"}, 404, "not_found"),
    ("POST", "/channels", {"bundle_id": TOPIC, "policy": 2}, 400, "invalid_request"),
    ("DELETE", "/channels", None, 400, "invalid_request"),
    ("DELETE", "/channels?channel_id=none", None, 404, "not_found"),
    ("POST", "/faults", {"do": {"explode": True}}, 422, "impossible"),
    ("POST", "/faults", {"do": {"answer": {"reason": "Whim"}}}, 422, "impossible"),
    ("POST", "/faults", 3, 400, "invalid_request"),
    ("DELETE", "/faults/none", None, 404, "not_found"),
    ("POST", "/connections", {"do": "explode"}, 400, "invalid_request"),
    ("PATCH", "/profile", {"patience": 1}, 422, "impossible"),
    ("PATCH", "/profile", {"stream_limit": "many"}, 422, "impossible"),
    ("POST", "/profile", {"name": "mild"}, 422, "impossible"),
    ("POST", "/clock", {"now": 0}, 422, "impossible"),
    ("POST", "/clock", {}, 400, "invalid_request"),
    ("POST", "/clock/advance", {"seconds": -1}, 400, "invalid_request"),
    ("GET", "/journal?limit=0", None, 400, "invalid_request"),
    ("GET", "/journal?since=yesterday", None, 400, "invalid_request"),
    ("GET", "/journal?wher=apns", None, 400, "invalid_request"),
    ("GET", "/deliveries?limit=-1", None, 400, "invalid_request"),
    ("GET", "/deliveries/none", None, 404, "not_found"),
    ("GET", "/events?since=1", None, 400, "invalid_request"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD)
async def test_what_is_wrong_is_said_with_an_honest_status(
    stage: Stage, method: str, path: str, body: Any, status: int, code: str
) -> None:
    before = stage.changes
    assert (await stage.call(method, path, body)).problem == (status, code)
    assert stage.changes == before


async def test_bodies_that_are_no_json(stage: Stage) -> None:
    json = {"Content-Type": "application/json"}
    assert (await stage.post("/apps", data=b"{", headers=json)).problem == (400, "invalid_json")
    assert (await stage.post("/apps", data=b"\xff", headers=json)).problem == (400, "invalid_json")
    assert (await stage.post("/apps", data=b"[" * 100_000, headers=json)).status == 400
    assert (await stage.post("/apps", data=b"{}", headers={"Content-Type": "text/plain"})).problem == (
        415, "unsupported_media_type",
    )  # fmt: skip
    assert (await stage.post("/apps", data=b" " * 2**21, headers=json)).problem == (413, "body_too_large")


WORDS = [
    ("/apps", b"{}", "bundle_id is missing in the body"),
    ("/apps", b'{"bundle_id": 7}', "bundle_id must be text, not a whole number"),
    (
        "/apps",
        b'{"bundle_id": "a b"}',
        "bundle_id does not have the form that GET /control/openapi.json describes",
    ),
    ("/apps", b"[]", "the body must be an object, not a list"),
    ("/apps", b"{", "the body is not JSON"),
    ("/apps", b'{"bundle_id": NaN}', "the body is not JSON"),
    ("/apps", b'{"bundle_id": "x", "colour": 1}', "there is no field colour in the body"),
    ("/keys", b'{"realm": "mars"}', "realm cannot be 'mars'"),
    ("/keys", b'{"team": 7}', "team must be text or null, not a whole number"),
    ("/devices", b'{"name": "", "bundle_id": "x"}', "name must be text of at least 1 character(s)"),
    ("/clock/advance", b'{"seconds": -1}', "seconds must be a number, 0.0 or more"),
]


@pytest.mark.parametrize(("path", "body", "sentence"), WORDS)
async def test_a_refusal_says_in_words_what_is_wrong(
    stage: Stage, path: str, body: bytes, sentence: str
) -> None:
    reply = await stage.post(path, data=body, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.body["error"]) == (400, sentence)


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\ude00", b"\xff"])
async def test_half_a_character_becomes_one_that_says_so(stage: Stage, half: bytes) -> None:
    """As a program sends it that cuts a text amid an emoji: garrytan/gstack#1440."""
    json = {"Content-Type": "application/json"}
    named = b'{"name": "iPhone @", "bundle_id": "TOPIC"}'.replace(b"TOPIC", TOPIC.encode()).replace(
        b"@", half
    )
    reply = await stage.post("/devices", data=named, headers=json)
    assert (reply.status, reply.body["device"]["name"]) == (201, "iPhone \ufffd")
    await stage.patch("/devices/iPhone", {"app": "foreground"})
    body = b'{"attributes_type": "SessionActivityAttributes", "attributes": {"sessionId": "s"}, "content_state": STATE}'
    state = (
        b'{"status": "working", "sessionTitle": "@", "lastMessage": "@ and on", "retryInfo": null}'.replace(
            b"@", half
        )
    )
    reply = await stage.post("/devices/iPhone/activities", data=body.replace(b"STATE", state), headers=json)
    assert reply.status == 201
    assert reply.body["activity"]["content_state"]["lastMessage"] == "\ufffd and on"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Host", "evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:3000"),
        ("Host", "10.0.0.1:80"),
        ("Host", "[::1"),
    ],
)
async def test_web_pages_are_kept_out(stage: Stage, name: str, value: str) -> None:
    assert (await stage.get("/keys", headers={name: value})).problem == (403, "foreign_origin")


@pytest.mark.parametrize("host", ["localhost:8901", "127.0.0.1", "[::1]:8901"])
async def test_programs_of_this_machine_are_not(stage: Stage, host: str) -> None:
    reply = await stage.get("/keys", headers={"Host": host, "Origin": f"http://{host}"})
    assert reply.status == 200


async def test_a_wrong_method_says_which_are_right(stage: Stage) -> None:
    reply = await stage.call("PUT", "/clock")
    assert set(reply.headers["Allow"].split(", ")) >= {"GET", "POST"}


async def test_a_defect_of_ours_is_500_and_listed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(stage.lab, "reset", broken)
    reply = await stage.post("/reset")
    assert reply.problem == (500, "internal_error")
    assert "ZeroDivisionError" in reply.body["error"]


async def test_the_root_names_the_routes_and_where_apns_listens(stage: Stage) -> None:
    reply = await stage.get("")
    assert reply["apns"]["sandbox"] == f"127.0.0.1:{stage.sandbox.ports['sandbox']}"
    assert reply["team_id"] == stage.key.team_id
    assert any(line.startswith("POST /control/reset") for line in reply["routes"])


async def test_the_document_is_served_without_an_envelope(stage: Stage) -> None:
    document = (await stage.get("/openapi.json")).body
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]["/control/keys"]) == {"get", "post"}


async def test_every_change_is_reported_and_no_question_is(stage: Stage) -> None:
    await stage.get("/devices")
    assert stage.changes == 0
    await stage.patch("/devices/iPhone", {"badge": 1})
    assert stage.changes == 1
