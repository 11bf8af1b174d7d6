"""The questions of a resync, with its pauses recorded."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from relay.backoff import Backoff
from relay.bridge.address import address
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.resync import LIVE_MS, SNAPSHOT_DELAY, Resync
from relay.bridge.sources.opencode1.runs import Runs
from waiting import eventually

NOW_MS = 1_000_000_000.0


async def completed(resync: Resync) -> None:
    done = asyncio.Event()
    resync.start(NOW_MS, NOW_MS, done.set)
    await eventually(done.is_set)


class TestResync:
    """The questions it asks, with its pauses recorded."""

    @pytest.fixture
    def pauses(self) -> list[float]:
        return []

    @pytest.fixture
    def changes(self) -> list[Change]:
        return []

    @pytest.fixture
    async def resync(
        self,
        fake_opencode: FakeOpenCode,
        http: aiohttp.ClientSession,
        pauses: list[float],
        changes: list[Change],
    ) -> AsyncIterator[Resync]:
        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0.005)

        runs = Runs()
        made = Resync(
            OpenCode(http, address(fake_opencode.url), deadline=2.0),
            Sessions(runs),
            CatchUp(runs),
            changes.extend,
            sleep=pause,
            backoff=Backoff(first=1.0, cap=8.0),
            random=lambda: 1.0,
        )
        yield made
        await made.close()

    async def test_it_waits_until_the_stream_is_not_deaf_any_more(
        self, resync: Resync, pauses: list[float]
    ) -> None:
        await completed(resync)
        assert pauses == [SNAPSHOT_DELAY]

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
        done = asyncio.Event()
        resync.start(NOW_MS, NOW_MS, done.set)
        await eventually(lambda: len(pauses) >= 4)
        assert not done.is_set()
        fake_opencode.broken.clear()
        await eventually(done.is_set)
        assert pauses[:4] == [SNAPSHOT_DELAY, 1.0, 2.0, 4.0]
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
        fake_opencode.update("ses_a", NOW_MS)
        fake_opencode.broken[route] = page
        await completed(resync)
        assert pauses == [SNAPSHOT_DELAY]
        assert ("no resync" in caplog.text) == (route == "status")

    async def test_a_new_connection_begins_a_new_one(
        self, fake_opencode: FakeOpenCode, resync: Resync
    ) -> None:
        release = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.Response()

        fake_opencode.broken["recent"] = hang
        resync.start(NOW_MS, NOW_MS, pytest.fail)
        await eventually(lambda: "/experimental/session" in fake_opencode.asked)
        fake_opencode.broken.clear()
        await completed(resync)
        release.set()

    async def test_only_directories_in_use_are_asked(
        self, fake_opencode: FakeOpenCode, resync: Resync, changes: list[Change]
    ) -> None:
        fake_opencode.create("ses_a")
        fake_opencode.update("ses_a", NOW_MS - LIVE_MS - 1)
        await completed(resync)
        assert "/session/status" not in fake_opencode.asked
        fake_opencode.update("ses_a", NOW_MS - LIVE_MS + 1)
        fake_opencode.statuses["ses_a"] = {"type": "busy"}
        await completed(resync)
        # What runs is placed first: it might be a subagent in the background of a session that is known.
        assert [(change.kind, change.session_id) for change in changes] == [("started", "ses_a")]
