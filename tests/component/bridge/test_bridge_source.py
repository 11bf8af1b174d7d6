"""OpenCode's first generation as a source, and how the bridge finds and waits for it."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, hang
from relay.bridge.address import address
from relay.bridge.errors import NotOpenCode, Refused
from relay.bridge.notify.source import Change, Source
from relay.bridge.run import wait_for_source
from relay.bridge.sources.opencode1.source import OpenCode1
from relay.bridge.sources.opencode1.wire import Event
from relay.bridge.sources.probe import find_source


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
        source = await wait_for_source(find, fake_opencode.url, out, sleep=pause, random=lambda: 1.0)
        assert isinstance(source, OpenCode1)
        assert pauses == [0.25, 0.5, 1, 2, 4, 5, 5]
        assert (
            out.getvalue() == f"Waiting for OpenCode at {fake_opencode.url} (start it with: opencode serve)\n"
        )
