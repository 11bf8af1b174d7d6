"""The bridge's own routes, asked over a socket while the whole bridge runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import encode_basic_auth

from component.bridge.running import SECRET, Stage
from simulator.loopback import free_port
from waiting import PATIENCE, eventually

JSON = {"Content-Type": "application/json"}

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def ask(http: aiohttp.ClientSession, port: int) -> Ask:
    """`await ask("GET", path)`: the status and the JSON."""

    async def send(method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with http.request(method, f"http://127.0.0.1:{port}{path}", **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    return send


class TestHealth:
    async def test_it_shows_the_stream_the_outbox_and_the_relay(
        self, stage: Stage, ask: Ask, port: int
    ) -> None:
        async with stage.running(port=port):
            await eventually(lambda: stage.opencode.streams)
            status, said = await ask("GET", "/health")
            received = said.pop("lastEventAt")
            assert (status, said) == (
                200,
                {"ok": True, "stream": "connected", "version": "1.18.33", "outbox": 0, "relay": None},
            )
            stage.relay.gate.clear()
            stage.opencode.create("ses_a")
            stage.opencode.status("ses_a", "busy")  # a request of an idle session is a ghost, and taken back
            stage.opencode.ask("ses_a", "per_1")
            async with asyncio.timeout(PATIENCE):
                while (said := (await ask("GET", "/health"))[1])["outbox"] < 2:
                    pass
            assert (said["outbox"], said["relay"]) == (2, None)
            assert said["lastEventAt"] >= received
            stage.relay.answers = [(503, {})]
            stage.relay.gate.set()
            await eventually(lambda: stage.relay.accepted)
            async with asyncio.timeout(PATIENCE):
                while (said := (await ask("GET", "/health"))[1])["outbox"]:
                    pass
            assert (said["relay"]["verdict"], said["relay"]["reason"]) == ("delivered", "")
            assert said["relay"]["at"] >= received

    async def test_without_opencode_it_is_not_well(self, stage: Stage, ask: Ask, port: int) -> None:
        await stage.opencode.stop()
        async with stage.running(connect=False, port=port) as bridge:
            await eventually(lambda: "Waiting for OpenCode" in bridge.out.getvalue())
            assert await ask("GET", "/health") == (
                503,
                {
                    "ok": False,
                    "stream": "waiting",
                    "version": None,
                    "lastEventAt": None,
                    "outbox": 0,
                    "relay": None,
                },
            )
            await stage.opencode.start()
            await eventually(lambda: stage.opencode.streams)
            assert (await ask("GET", "/health"))[0] == 200
            await stage.opencode.crash()
            async with asyncio.timeout(PATIENCE):
                while (await ask("GET", "/health"))[0] != 503:
                    pass
            assert (await ask("GET", "/health"))[1]["version"] == "1.18.33"


class TestPushTest:
    async def test_it_says_what_the_relay_counted(self, stage: Stage, ask: Ask, port: int) -> None:
        stage.relay.answers = [(200, {"ok": True, "sent": 2, "failed": 1, "queued": 3})]
        async with stage.running(port=port):
            assert await ask("GET", "/experimental/push") == (200, {"enabled": True, "relaySecretSet": True})
            assert await ask("POST", "/experimental/push/test", json={"secret": SECRET}) == (
                200,
                {"ok": True, "enabled": True, "sent": 2, "failed": 1, "queued": 3},
            )
            chosen = {"secret": SECRET, "sessionID": "ses_x", "eventType": "error", "more": 1}
            assert (await ask("POST", "/experimental/push/test", json=chosen))[0] == 200
        first, second = stage.relay.posted
        assert (first.eventType, first.sessionID.startswith("test-")) == ("permission", True)
        assert first.state["status"] == "complete"  # no Live Activity begins with it
        assert (second.eventType, second.sessionID) == ("error", "ses_x")

    async def test_another_secret_is_refused_as_it_ever_was(self, stage: Stage, ask: Ask, port: int) -> None:
        sentence = "Invalid push relay secret"
        async with stage.running(port=port):
            for secret in ("", "wrong", SECRET + "x", "ü" * 20):
                assert await ask("POST", "/experimental/push/test", json={"secret": secret}) == (
                    400,
                    {
                        "ok": False, "error": sentence, "code": "invalid_secret", "success": False,
                        "data": {"enabled": True, "relaySecretSet": True}, "errors": [{"message": sentence}],
                    },
                )  # fmt: skip
        assert stage.relay.posted == []

    async def test_ok_is_only_what_the_relay_called_ok(self, stage: Stage, ask: Ask, port: int) -> None:
        answers: dict[tuple[str, str], tuple[int, Any]] = {
            ("relay_refused", "refused the test push (status 401: No)"): (401, {"error": "No", "code": "x"}),
            ("relay_unavailable", "did not take the test push (status 503)"): (503, {}),
            ("relay_unavailable", "not a relay's answer"): (200, "<html>"),
            ("relay_refused", "bad ***"): (400, {"error": f"bad {SECRET}"}),
        }
        stage.relay.answers = list(answers.values())
        async with stage.running(port=port):
            for code, words in answers:
                status, said = await ask("POST", "/experimental/push/test", json={"secret": SECRET})
                assert (status, said["ok"], said["code"]) == (502, False, code)
                assert words in said["error"]
        assert len(stage.relay.posted) == len(answers)

    async def test_every_error_has_the_relays_envelope(self, stage: Stage, ask: Ask, port: int) -> None:
        async with stage.running(port=port):
            for method, path, size, status, code in (
                ("GET", "/", 0, 404, "not_found"),
                ("POST", "/health", 0, 405, "method_not_allowed"),
                ("GET", "/experimental/push/test", 0, 405, "method_not_allowed"),
                ("POST", "/experimental/push/test", 20_000, 413, "body_too_large"),
            ):
                got, said = await ask(method, path, data=b"x" * size, headers=JSON)
                assert (got, said["ok"], said["code"]) == (status, False, code)
            for body in (b"", b"{", b"[]", b'{"secret": 1}', b'{"secret": "x", "eventType": "ring"}'):
                got, said = await ask("POST", "/experimental/push/test", data=body, headers=JSON)
                refused = (got, said["ok"], said["error"], said["code"])
                assert refused == (400, False, "Invalid request body", "invalid_body")
                assert said["details"]
                assert not set("`^\\{") & set(said["details"]), (
                    "words, neither a pattern nor a library's message"
                )
            body = b'{"secret": "%s", "note": ["\\ud83d", "\xff"]}' % SECRET.encode()
            assert (await ask("POST", "/experimental/push/test", data=body, headers=JSON))[0] == 200

    async def test_with_a_password_the_push_routes_want_it(self, stage: Stage, ask: Ask, port: int) -> None:
        stage.opencode.authorization = encode_basic_auth("opencode", "geheim")
        headers = {"Authorization": stage.opencode.authorization}
        async with stage.running(port=port, password="geheim"):
            for method, path in (("GET", "/experimental/push"), ("POST", "/experimental/push/test")):
                status, said = await ask(method, path, json={"secret": SECRET})
                assert (status, said["code"]) == (401, "unauthorized")
                assert (await ask(method, path, json={"secret": SECRET}, headers=headers))[0] == 200
            assert (await ask("GET", "/health"))[0] == 200


async def test_the_document_has_every_route(stage: Stage, ask: Ask, port: int) -> None:
    async with stage.running(port=port, password="geheim"):
        status, described = await ask("GET", "/openapi.json")
        assert (status, described["openapi"]) == (200, "3.1.0")
        for path, operations in described["paths"].items():
            for method in {"GET", "POST", "PUT"}:
                status, _ = await ask(method, path)
                assert (status == 405) == (method.lower() not in operations)


class TestBrowsers:
    """What a web page in the user's browser could try: every request of it is refused, and nothing is sent."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "http://localhost:3000"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "evil.example"}, 403),  # DNS rebinding
            ({"Host": "evil.example:4097", "Origin": "http://evil.example:4097"}, 403),
            ({"Host": "[::1"}, 403),
            ({"Content-Type": "text/plain"}, 415),
            ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ],
    )
    async def test_none_gets_through(
        self, stage: Stage, ask: Ask, port: int, headers: dict[str, str], status: int
    ) -> None:
        body = b'{"relaySecret": "%s"}' % SECRET.encode()
        async with stage.running(port=port):
            await eventually(lambda: stage.opencode.streams)
            got, said = await ask("POST", "/experimental/push/test", data=body, headers=JSON | headers)
            assert (got, said["ok"]) == (status, False)
            if status == 403:
                assert (await ask("GET", "/health", headers=headers))[0] == 403
            assert stage.relay.accepted == []

    async def test_nothing_may_be_read_across_origins(
        self, http: aiohttp.ClientSession, stage: Stage, port: int
    ) -> None:
        async with stage.running(port=port):
            await eventually(lambda: stage.opencode.streams)
            async with http.get(
                f"http://127.0.0.1:{port}/health", headers={"Host": f"localhost:{port}"}
            ) as answer:
                assert answer.status == 200
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]


class TestPort:
    async def test_a_port_that_is_taken_costs_no_push(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with stage.running(port=stage.relay.port):
            stage.opencode.create("ses_a")
            stage.opencode.turn("ses_a")
            await eventually(lambda: stage.relay.accepted)
        assert f"no status page port={stage.relay.port}" in caplog.text

    async def test_it_is_free_again_when_the_bridge_has_stopped(
        self, stage: Stage, ask: Ask, port: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "relay.bridge")
        for _ in range(2):
            async with stage.running(port=port):
                assert (await ask("GET", "/health"))[0] == 200
            stage.opencode.cut()
            await eventually(lambda: not stage.opencode.streams)
        assert caplog.text.count(f"listening url=http://127.0.0.1:{port}") == 2
        assert "no status page" not in caplog.text
