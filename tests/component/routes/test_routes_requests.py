"""Every route and every way to misuse it, over the whole app."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from component.routes.calls import (
    ACTIVITY,
    ANSWER,
    EVENT,
    FETCH,
    GOOD,
    NO_ACTIVITY,
    REGISTER,
    SECRET,
    TOKEN,
    UNREGISTER,
    Start,
    everything,
    health,
    post,
    post_event,
    post_raw,
    register,
    table,
)
from fake_gateway import FakeGateway
from outcomes import answered
from relay.answers import MAX_ANSWER

MAX_BODY = 64 * 1024


class TestDevices:
    async def test_a_phone_comes_and_goes(self, app: Quart) -> None:
        await register(app, TOKEN.upper(), apnsEnv="sandbox", bundleId="com.other", unknown=[1])
        await register(app, apnsEnv="production")
        (row,) = await table("device_registration")
        assert (row["device_token"], row["bundle_id"]) == (TOKEN, "com.example.app")
        assert row["apns_env"] == "production"
        assert SECRET not in str(row)
        for _ in range(2):
            assert await post(app, UNREGISTER, secret=SECRET, deviceToken=TOKEN) == (200, {"ok": True})
        assert await table("device_registration") == []

    async def test_health_tells_strangers_nothing_of_what_is_in_the_database(
        self, start: Start, tmp_path: Path
    ) -> None:
        """With no admin token, and with another one; who sends the right one gets the counts of the first implementation."""
        token = "t" * 32
        async with start(f"sqlite://{tmp_path}/relay.sqlite3") as app:
            await register(app)
            await post_event(app)
            assert await health(app) == await health(app, f"Bearer {token}") == {"ok": True}
        async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=token) as watched:
            for wrong in (None, "", "Bearer", f"Bearer {token}x", f"Basic {token}", token):
                assert await health(watched, wrong) == {"ok": True}
            assert await health(watched, f"Bearer {token}") == {"ok": True, "devices": 1, "deliveries": 1}

    async def test_a_log_names_no_token_and_no_secret(
        self, app: Quart, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await register(app)
        await post_event(app, title="Geheim", body="Ganz geheim")
        await post(app, UNREGISTER, secret=SECRET, deviceToken=TOKEN)
        assert "…abababab" in caplog.text
        for private in (SECRET, TOKEN, "geheim", "Geheim"):
            assert private not in caplog.text

    async def test_absent_keeps_the_push_to_start_token_and_null_takes_it_back(self, app: Quart) -> None:
        kept = []
        for fields in ({"pushToStartToken": "CD" * 80}, {}, {"pushToStartToken": None}, {}):
            await register(app, **fields)
            (row,) = await table("device_registration")
            kept.append(row["push_to_start_token"])
        assert kept == ["cd" * 80, "cd" * 80, None, None]


class TestBrokenCharacters:
    """A server in JavaScript shortens a text amid an emoji: garrytan/gstack#1440, shakacode/react_on_rails#4726."""

    async def test_an_alert_comes_with_a_replacement_character(
        self, app: Quart, gateway: FakeGateway
    ) -> None:
        await register(app)
        for broken in (rb"\ud83d", b"\xed\xa0\xbd", b"\xff"):
            body = (
                json.dumps(GOOD[EVENT] | {"title": "Done @", "body": "@ and on"})
                .encode()
                .replace(b"@", broken)
            )
            status, said = await post_raw(app, EVENT, body)
            assert (status, said["sent"]) == (200, 1)
            alert = json.loads(gateway.sent[-1].payload)["aps"]["alert"]
            assert alert == {"title": "Done \ufffd", "body": "\ufffd and on"}

    @pytest.mark.parametrize("path", GOOD)
    async def test_every_route_passes_over_them_in_what_it_does_not_know(self, app: Quart, path: str) -> None:
        body = json.dumps(GOOD[path] | {"later": ["\ud83d", {"\ude00": 1}]}).encode()
        assert (await post_raw(app, path, body))[0] == (404 if path == ANSWER else 200)


class TestATokenOfAnotherApp:
    """Apple, "Handling notification responses from APNs": DeviceTokenNotForTopic."""

    async def test_the_phone_stays_and_the_log_names_the_bundle_id(
        self, app: Quart, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
    ) -> None:
        await register(app, bundleId="com.wrong.app")
        gateway.answers = [answered(400, "DeviceTokenNotForTopic")]
        assert (await post_event(app))["failed"] == 1
        assert len(await table("device_registration")) == 1
        (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
        assert "topic=com.wrong.app" in record.getMessage()
        assert "APNS_DEFAULT_BUNDLE_ID" in record.getMessage()


BAD_VALUES: dict[str, list[Any]] = {
    "secret": [None, "", "s" * 15, "s" * 513, 7, ["s" * 24]],
    "deviceToken": [None, "", "a", "abc", "xyz", "ab" * 257, 7, {}, "ab\n"],
    "activityToken": [None, "", "a", "abc", "xyz", "ab" * 257, 7, {}, "ab\n"],
    "eventType": [None, "", "done", 1, ["complete"]],
    "sessionID": [None, "", "a b", "a\u0000b", "a\n", "é", "s" * 129, 1e300, True],
    "requestID": [None, "", "a b", "s" * 129, "é", 7],
    "nonce": [None, "", "n" * 21, "n" * 65, "n" * 21 + "=", "n" * 22 + "\n", 7],
    "decision": [None, "", "x" * 65, 7],
    "outcome": [None, "", "done", 7],
}


OPTIONAL_BAD = [
    (REGISTER, "apnsEnv", None),
    (REGISTER, "apnsEnv", "staging"),
    (REGISTER, "bundleId", "com/example"),
    (REGISTER, "bundleId", "com.example.app.voip"),
    (ACTIVITY, "bundleId", "com.example.app.push-type.liveactivity"),
    (REGISTER, "pushToStartToken", "zz"),
    (REGISTER, "activityFormat", "round"),
    (ACTIVITY, "apnsEnv", "staging"),
    (ACTIVITY, "bundleId", "com/example"),
    (ACTIVITY, "deviceToken", "zz"),
    (ACTIVITY, "activityFormat", "round"),
    (NO_ACTIVITY, "deviceToken", "zz"),
    (EVENT, "title", ""),
    (EVENT, "body", 7),
    (EVENT, "serverID", "x" * 129),
    (EVENT, "eventID", "x" * 65),
    (EVENT, "eventID", 10**30),
    (EVENT, "contentState", {"status": "working"}),
    (EVENT, "contentState", []),
    (EVENT, "request", {"id": "per_1"}),
    (EVENT, "withdraws", ["a b"]),
    (EVENT, "enc", {"kid": "x"}),
    (REGISTER, "kid", "short"),
    (ANSWER, "text", "yes"),
    (ANSWER, "deviceToken", "zz"),
    (FETCH, "wait", 26),
    (FETCH, "wait", -1),
]


RAW = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"{",
    b'{"secret": NaN}',
    b'{"secret": 1e999}',
    b"\xff\xfe{}",
    b'{"secret": "\xff"}',
    b'{"secret": "' + b"\\ud800" * 20 + b'", "deviceToken": "ab", "eventType": "complete", "sessionID": "s"}',
    b"[" * 30_000,
    b'{"a":' * 10_000,
]


def wrong_fields() -> list[tuple[str, str, Any]]:
    required = [(path, name, bad) for path, body in GOOD.items() for name in body for bad in BAD_VALUES[name]]
    return required + OPTIONAL_BAD


class TestRefusals:
    async def refused(self, answer: tuple[int, dict[str, Any]]) -> None:
        status, said = answer
        assert status == 400
        assert (said["ok"], said["code"], said["error"]) == (False, "invalid_body", "Invalid request body")
        assert said["details"]
        assert not set("`^\\{") & set(said["details"]), "words, neither a pattern nor a library's message"
        assert SECRET not in str(said)

    async def test_every_wrong_value_of_every_field(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        before = await everything()
        for path, name, bad in wrong_fields():
            await self.refused(await post(app, path, **GOOD[path] | {name: bad}))
        assert await everything() == before
        assert not gateway.sent

    async def test_every_required_field_is_required(self, app: Quart) -> None:
        for path, body in GOOD.items():
            for name in body:
                await self.refused(await post(app, path, **{key: body[key] for key in body if key != name}))
        assert await everything() == []

    @pytest.mark.parametrize("body", RAW, ids=lambda body: repr(body[:24]))
    async def test_what_is_no_object_of_the_contract(self, app: Quart, body: bytes) -> None:
        for path in GOOD:
            await self.refused(await post_raw(app, path, body))
        assert await everything() == []

    async def test_a_body_that_is_too_large(self, app: Quart) -> None:
        for path in GOOD:
            status, said = await post_raw(app, path, b" " * 2**20)
            assert (status, said) == (
                413,
                {"ok": False, "error": "Request body too large", "code": "body_too_large"},
            )
            largest = MAX_ANSWER if path == ANSWER else MAX_BODY
            body = json.dumps(GOOD[path]).encode().ljust(largest)
            assert (await post_raw(app, path, body))[0] == (404 if path == ANSWER else 200)

    @pytest.mark.parametrize(
        "path",
        ["/", "/v1", "/v1/event/", "/v1//event", "/static/x", "/health/..", "/%00", "/é" * 500],
    )
    async def test_unknown_routes(self, app: Quart, path: str) -> None:
        for method in ("GET", "POST"):
            response = await app.test_client().open(path, method=method)
            assert response.status_code == 404
            assert await response.get_json() == {"ok": False, "error": "Not found", "code": "not_found"}

    async def test_every_route_answers_a_wrong_method_with_the_envelope(self, app: Quart) -> None:
        rules = {str(rule): rule.methods for rule in app.url_map.iter_rules()}
        described = await (await app.test_client().get("/openapi.json")).get_json()
        assert set(rules) == {"/health", "/openapi.json", *GOOD} == set(described["paths"])
        for path, methods in rules.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "X"} - methods:
                response = await app.test_client().open(path, method=method)
                assert response.status_code == 405
                assert set(response.headers["Allow"].split(", ")) == methods
                said = await response.get_json()
                assert said == {"ok": False, "error": "Method not allowed", "code": "method_not_allowed"}
