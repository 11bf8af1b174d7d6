"""OpenCode's first generation as a source, and how the bridge finds and waits for it."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, hang
from loopback_server import LoopbackServer
from relay.bridge.address import address
from relay.bridge.errors import NotOpenCode, OtherGeneration, Refused, Unreachable
from relay.bridge.lookout import wait_for
from relay.bridge.notify.source import Change, Source
from relay.bridge.sources.opencode1.source import OpenCode1
from relay.bridge.sources.opencode1.wire import Event
from relay.bridge.sources.probe import find_source
from waiting import eventually


async def test_a_stop_before_the_answer_takes_an_unknown_session_for_a_root(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
) -> None:
    fake_opencode.broken["session"] = hang
    changes: list[Change] = []
    source = OpenCode1(http, address(fake_opencode.url), 30.0)

    async def events() -> AsyncIterator[Event]:
        for status in ("busy", "idle"):
            text = b'{"sessionID":"ses_a","status":{"type":"%s"}}' % status.encode()
            yield Event(type="session.status", id="evt_1", properties=msgspec.Raw(text))

    await source.fold(events(), changes.append, lambda: None)
    assert changes == []
    await source.close(0.02)
    assert changes == [Change("started", "ses_a", "evt_1"), Change("complete", "ses_a", "evt_1")]


PAGE: dict[str, Any] = {}
HEALTHY = {"healthy": True}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    # Answers of released and of early OpenCode 2, as their clients' tests have them.
    "a beta": ({"/api/health": HEALTHY | {"version": "0.0.0-next-202608070013"}, "*": 404}, "is an early OpenCode 2 .*update it to 2.0.6 or later"),
    "a beta with /api/info": (PAGE | {"/api/info": {"version": "0.0.0-next-202609170000"}}, "is an early OpenCode 2"),
    "2.0.3": (PAGE | {"/api/health": HEALTHY | {"version": "2.0.3"}}, r"is an early OpenCode 2 \(2.0.3\).*update it"),
    "2.0.4": (PAGE | {"/api/status": {"version": "2.0.4"}}, r"is an early OpenCode 2 \(2.0.4\)"),
    "a web page": (PAGE, "not as OpenCode .*answered text/html instead of application/json"),
    "another service": ({"*": 404}, "something answers at .*, but not as OpenCode: give"),
    "another service in JSON": ({"*": {"status": "up", "version": "7"}}, "not as OpenCode: give"),
    "JSON of another shape": ({"*": [1]}, "not as OpenCode .*answered something unexpected"),
}  # fmt: skip
"""By path what a server answers: JSON, a status, or (if nothing is said) a web page; "*" for all other paths."""


class TestProbe:
    async def test_the_generation_that_recognises_the_server_is_the_source(
        self, fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
    ) -> None:
        source = await find_source(http, address(fake_opencode.url))
        assert isinstance(source, OpenCode1)
        assert source.health().version == "1.18.33"
        assert not source.health().connected

    @pytest.mark.parametrize(
        ("response", "error"), [({"status": 401}, Refused), ({"text": "<html>"}, NotOpenCode)]
    )
    async def test_a_server_that_no_generation_recognises(
        self,
        fake_opencode: FakeOpenCode,
        http: aiohttp.ClientSession,
        response: dict[str, object],
        error: type[Exception],
    ) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(**response)  # type: ignore[arg-type]

        fake_opencode.broken["health"] = answer
        with pytest.raises(error):
            await find_source(http, address(fake_opencode.url))

    @pytest.mark.parametrize(("routes", "words"), OTHERS.values(), ids=OTHERS)
    async def test_what_else_answers_is_named_with_what_to_do(
        self, http: aiohttp.ClientSession, routes: dict[str, Any], words: str
    ) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            said = routes.get(request.path, routes.get("*"))
            if isinstance(said, int):
                return web.Response(status=said)
            page = web.Response(text="<html>", content_type="text/html")
            return page if said is None else web.json_response(said)

        server = LoopbackServer(web.get("/{path:.*}", answer))
        await server.start()
        try:
            with pytest.raises(NotOpenCode, match=words) as raised:
                await find_source(http, address(server.url))
        finally:
            await server.stop()
        assert (
            str(raised.value).count(
                "--opencode-url"
                if "not as OpenCode" in words or "something answers" in words
                else "opencode upgrade"
            )
            == 1
        )

    async def test_a_second_generation_that_starts_is_waited_for(self, http: aiohttp.ClientSession) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            starting = request.path == "/api/info"
            return web.json_response({"code": "starting"}, status=503 if starting else 404)

        server = LoopbackServer(web.get("/{path:.*}", answer))
        await server.start()
        try:
            with pytest.raises(Unreachable, match="/api/info answered 503"):
                await find_source(http, address(server.url))
        finally:
            await server.stop()

    async def test_a_server_that_is_updated_in_its_place_ends_its_source(
        self, fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
    ) -> None:
        source = await find_source(http, address(fake_opencode.url))
        task = asyncio.create_task(source.run(lambda _: None, lambda: None))
        try:
            await eventually(lambda: fake_opencode.streams)
            fake_opencode.info = {"version": "2.1.2", "pid": 1, "urls": [], "paths": {}}
            fake_opencode.cut()
            with pytest.raises(OtherGeneration, match=r"is OpenCode 2 \(2.1.2\)"):
                await task
        finally:
            await source.close(0)

    async def test_waiting_slows_down_and_is_announced_once(
        self, fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
    ) -> None:
        await fake_opencode.stop()
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 7:
                await fake_opencode.start()

        def find() -> asyncio.Future[Source]:
            return asyncio.ensure_future(find_source(http, address(fake_opencode.url)))

        out = io.StringIO()
        source = await wait_for(find, fake_opencode.url, out, sleep=pause, random=lambda: 1.0)
        assert isinstance(source, OpenCode1)
        assert pauses == [0.25, 0.5, 1, 2, 4, 5, 5]
        assert (
            out.getvalue() == f"Waiting for OpenCode at {fake_opencode.url} (start it with: opencode serve)\n"
        )
