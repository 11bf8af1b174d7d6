"""The questions of a resync, with its pauses recorded."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from relay.bridge.backoff import Backoff
from relay.bridge.notify.changes import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import OpenCode, address
from relay.bridge.sources.opencode1.resync import LIVE_MS, SETTLE_SECONDS, Resync
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.sessions import Sessions
from waiting import eventually


class TestResync:
    """The questions it asks, with its pauses recorded."""

    @pytest.fixture
    def pauses(self) -> list[float]:
        return []

    @pytest.fixture
    def told(self) -> list[Change]:
        return []

    @pytest.fixture
    async def resync(
        self,
        fake_opencode: FakeOpenCode,
        http: aiohttp.ClientSession,
        pauses: list[float],
        told: list[Change],
    ) -> AsyncIterator[Resync]:
        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0.005)

        runs = Runs()
        made = Resync(
            OpenCode(http, address(fake_opencode.url), deadline=2.0),
            Sessions(runs),
            CatchUp(runs),
            told.extend,
            clock=lambda: 1_000_000.0,
            sleep=pause,
            backoff=Backoff(first=1.0, cap=8.0),
            random=lambda: 1.0,
        )
        yield made
        await made.close(0)

    async def test_it_settles_first_and_is_then_synced(self, resync: Resync, pauses: list[float]) -> None:
        assert resync.known_until == 1_000_000_000.0
        resync.known_until = 5.0
        resync.start()
        resync.heard()
        assert resync.known_until == 5.0  # what is heard now does not make up for what was missed
        await eventually(lambda: resync.synced)
        assert pauses == [SETTLE_SECONDS]
        assert resync.known_until == 1_000_000_000.0

    async def test_it_tries_again_until_it_succeeds(
        self,
        fake_opencode: FakeOpenCode,
        resync: Resync,
        pauses: list[float],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def fail(request: web.Request) -> web.StreamResponse:
            return web.Response(status=500)

        fake_opencode.broken["recent"] = fail
        resync.start()
        await eventually(lambda: len(pauses) >= 4)
        fake_opencode.broken.clear()
        await eventually(lambda: resync.synced)
        assert pauses[:4] == [SETTLE_SECONDS, 1.0, 2.0, 4.0]
        assert "resync failed" in caplog.text

    @pytest.mark.parametrize("route", ["recent", "status"])
    async def test_a_server_without_a_route_is_not_asked_for_ever(
        self,
        fake_opencode: FakeOpenCode,
        resync: Resync,
        pauses: list[float],
        caplog: pytest.LogCaptureFixture,
        route: str,
    ) -> None:
        async def page(request: web.Request) -> web.StreamResponse:
            return web.Response(text="<html>", content_type="text/html")

        fake_opencode.create("ses_a")
        fake_opencode.update("ses_a", 1_000_000_000.0)
        fake_opencode.broken[route] = page
        resync.start()
        await eventually(lambda: resync.synced)
        assert pauses == [SETTLE_SECONDS]
        assert ("no resync" in caplog.text) == (route == "status")

    async def test_a_new_connection_begins_a_new_one(
        self, fake_opencode: FakeOpenCode, resync: Resync
    ) -> None:
        release = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.Response()

        fake_opencode.broken["recent"] = hang
        resync.start()
        await eventually(lambda: "/experimental/session" in fake_opencode.asked)
        fake_opencode.broken.clear()
        resync.start()
        await eventually(lambda: resync.synced)
        release.set()

    async def test_only_directories_in_use_are_asked(
        self, fake_opencode: FakeOpenCode, resync: Resync, told: list[Change]
    ) -> None:
        fake_opencode.create("ses_a")
        fake_opencode.update("ses_a", 1_000_000_000.0 - LIVE_MS - 1)
        resync.start()
        await eventually(lambda: resync.synced)
        assert "/session/status" not in fake_opencode.asked
        fake_opencode.update("ses_a", 1_000_000_000.0 - LIVE_MS + 1)
        fake_opencode.statuses["ses_a"] = {"type": "busy"}
        resync.start()
        await eventually(lambda: told)
        assert told == [Change("unknown", "ses_a")]
