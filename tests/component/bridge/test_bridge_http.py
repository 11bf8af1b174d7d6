"""The bridge's own routes, asked over a socket while the whole bridge runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import encode_basic_auth

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, Running
from simulator.loopback import free_port
from waiting import PATIENCE, eventually

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
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running, ask: Ask, port: int
    ) -> None:
        async with running(port=port):
            await eventually(lambda: fake_opencode.streams)
            status, said = await ask("GET", "/health")
            received = said.pop("lastEventAt")
            assert (status, said) == (
                200,
                {"ok": True, "stream": "connected", "version": "1.18.33", "outbox": 0, "relay": None},
            )
            fake_relay.gate.clear()
            fake_opencode.create("ses_a")
            fake_opencode.status(
                "ses_a", "busy"
            )  # what a session asks that is idle is a ghost, and taken back
            fake_opencode.ask("ses_a", "per_1")
            async with asyncio.timeout(PATIENCE):
                while (said := (await ask("GET", "/health"))[1])["outbox"] < 2:
                    pass
            assert (said["outbox"], said["relay"]) == (2, None)
            assert said["lastEventAt"] >= received
            fake_relay.answers = [(503, {})]
            fake_relay.gate.set()
            await eventually(lambda: fake_relay.accepted)
            async with asyncio.timeout(PATIENCE):
                while (said := (await ask("GET", "/health"))[1])["outbox"]:
                    pass
            assert (said["relay"]["verdict"], said["relay"]["reason"]) == ("delivered", "")
            assert said["relay"]["at"] >= received

    async def test_without_opencode_it_is_not_well(
        self, fake_opencode: FakeOpenCode, running: Running, ask: Ask, port: int
    ) -> None:
        await fake_opencode.stop()
        async with running(connect=False, port=port) as bridge:
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
            await fake_opencode.start()
            await eventually(lambda: fake_opencode.streams)
            assert (await ask("GET", "/health"))[0] == 200
            await fake_opencode.crash()
            async with asyncio.timeout(PATIENCE):
                while (await ask("GET", "/health"))[0] != 503:
                    pass
            assert (await ask("GET", "/health"))[1]["version"] == "1.18.33"


class TestPushTest:
    async def test_it_says_what_the_relay_counted(
        self, fake_relay: FakeRelay, running: Running, ask: Ask, port: int
    ) -> None:
        fake_relay.answers = [(200, {"ok": True, "sent": 2, "failed": 1, "queued": 3})]
        async with running(port=port):
            assert await ask("GET", "/experimental/push") == (200, {"enabled": True, "relaySecretSet": True})
            assert await ask("POST", "/experimental/push/test", json={"secret": SECRET}) == (
                200,
                {"ok": True, "enabled": True, "sent": 2, "failed": 1, "queued": 3},
            )
            chosen = {"secret": SECRET, "sessionID": "ses_x", "eventType": "error", "more": 1}
            assert (await ask("POST", "/experimental/push/test", json=chosen))[0] == 200
        first, second = fake_relay.posted
        assert (first.eventType, first.sessionID.startswith("test-")) == ("permission", True)
        assert first.state["status"] == "complete"  # no Live Activity begins with it
        assert (second.eventType, second.sessionID) == ("error", "ses_x")

    @pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", "ü" * 20])
    async def test_another_secret_is_refused_as_it_ever_was(
        self, fake_relay: FakeRelay, running: Running, ask: Ask, port: int, secret: str
    ) -> None:
        sentence = "Invalid push relay secret"
        async with running(port=port):
            assert await ask("POST", "/experimental/push/test", json={"secret": secret}) == (
                400,
                {
                    "ok": False, "error": sentence, "code": "invalid_secret", "success": False,
                    "data": {"enabled": True, "relaySecretSet": True}, "errors": [{"message": sentence}],
                },
            )  # fmt: skip
        assert fake_relay.posted == []

    @pytest.mark.parametrize(
        ("answer", "code", "words"),
        [
            ((401, {"error": "No", "code": "x"}), "relay_refused", "refused the test push (status 401: No)"),
            ((503, {}), "relay_unavailable", "did not take the test push (status 503)"),
            ((200, "<html>"), "relay_unavailable", "not a relay's answer"),
            ((400, {"error": f"bad {SECRET}"}), "relay_refused", "bad ***"),
        ],
    )
    async def test_ok_is_only_what_the_relay_called_ok(
        self, fake_relay: FakeRelay, running: Running, ask: Ask, port: int, answer: Any, code: str, words: str
    ) -> None:
        fake_relay.answers = [answer]
        async with running(port=port):
            status, said = await ask("POST", "/experimental/push/test", json={"secret": SECRET})
        assert (status, said["ok"], said["code"]) == (502, False, code)
        assert words in said["error"]
        assert len(fake_relay.posted) == 1

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'{"secret": 1}', b'{"secret": "x", "eventType": "ring"}']
    )
    async def test_a_body_that_is_none_has_the_relays_envelope(
        self, running: Running, ask: Ask, port: int, body: bytes
    ) -> None:
        async with running(port=port):
            status, said = await ask("POST", "/experimental/push/test", data=body)
        assert (status, said["ok"], said["error"], said["code"]) == (
            400, False, "Invalid request body", "invalid_body",
        )  # fmt: skip
        assert said["details"]


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/", 404, "not_found"),
            ("POST", "/health", 405, "method_not_allowed"),
            ("GET", "/experimental/push/test", 405, "method_not_allowed"),
            ("POST", "/experimental/push/test", 413, "body_too_large"),
        ],
    )
    async def test_every_error_has_the_envelope(
        self, running: Running, ask: Ask, port: int, method: str, path: str, status: int, code: str
    ) -> None:
        async with running(port=port):
            got, said = await ask(method, path, data=b"x" * 20_000 if status == 413 else None)
        assert (got, said["ok"], said["code"]) == (status, False, code)

    async def test_a_fault_of_ours_says_nothing_of_the_inside(
        self,
        running: Any,
        ask: Ask,
        port: int,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fault(*_: Any) -> None:
            raise RuntimeError("inside")

        monkeypatch.setattr("relay.bridge.run.bridge_health", fault)
        async with running(port=port):
            assert await ask("GET", "/health") == (
                500, {"ok": False, "error": "Internal error", "code": "internal_error"},
            )  # fmt: skip
        assert "request broken" in caplog.text

    async def test_with_a_password_the_push_routes_want_it(
        self, fake_opencode: FakeOpenCode, running: Running, ask: Ask, port: int
    ) -> None:
        fake_opencode.authorization = encode_basic_auth("opencode", "geheim")
        headers = {"Authorization": fake_opencode.authorization}
        async with running(port=port, password="geheim"):
            for method, path in (("GET", "/experimental/push"), ("POST", "/experimental/push/test")):
                status, said = await ask(method, path, json={"secret": SECRET})
                assert (status, said["code"]) == (401, "unauthorized")
                assert (await ask(method, path, json={"secret": SECRET}, headers=headers))[0] == 200
            assert (await ask("GET", "/health"))[0] == 200


class TestPort:
    async def test_a_port_that_is_taken_costs_no_push(
        self,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with running(port=fake_relay.port):
            fake_opencode.create("ses_a")
            fake_opencode.turn("ses_a")
            await eventually(lambda: fake_relay.accepted)
        assert f"no status page port={fake_relay.port}" in caplog.text

    async def test_it_is_free_again_when_the_bridge_has_stopped(
        self,
        fake_opencode: FakeOpenCode,
        running: Any,
        ask: Ask,
        port: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO, "relay.bridge")
        for _ in range(2):
            async with running(port=port):
                assert (await ask("GET", "/health"))[0] == 200
            fake_opencode.cut()
            await eventually(lambda: not fake_opencode.streams)
        assert caplog.text.count(f"listening url=http://127.0.0.1:{port}") == 2
        assert "no status page" not in caplog.text
