"""Streams that are cut, servers that die, bridges that start again: no alert is lost, and none comes twice."""

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.bridge.backoff import Backoff
from relay.bridge.catch_up import CatchUp
from relay.bridge.changes import Change
from relay.bridge.opencode import OpenCode, address
from relay.bridge.resync import LIVE_MS, SETTLE_SECONDS, Resync
from relay.bridge.run import BridgeOptions, run_bridge
from relay.bridge.runs import Runs
from relay.bridge.sessions import Sessions
from relay.bridge.state_file import State, StateWriter, read_state, state_file, write_state

Until = Callable[[Callable[[], Any]], Awaitable[None]]
Running = Callable[..., AbstractAsyncContextManager[asyncio.Task[None]]]
SECRET = "s3cret-s3cret-s3cret"
STOPPED = ("progress", "complete", "Stopped")
INTERRUPTED = ("progress", "error", "Interrupted: OpenCode stopped before the session was done.")
STARTED = ("start", "working", "Starting...")


def now_ms() -> float:
    return time.time() * 1000


def state_files(home: Path) -> list[Path]:
    return list(home.rglob("bridge-*.json"))


@pytest.fixture
def running(fake_opencode: Any, fake_relay: Any, until: Until) -> Running:
    """Run the bridge; inside the block it has caught up; after it, it has stopped, or was killed before."""

    @asynccontextmanager
    async def run(**changed: Any) -> AsyncIterator[asyncio.Task[None]]:
        options = {"relay_secret": SECRET, "permission_delay": 0.0} | changed
        stop = asyncio.Event()
        bridge = run_bridge(
            BridgeOptions(fake_opencode.url, fake_relay.url, **options), stop=stop, out=io.StringIO()
        )
        task = asyncio.create_task(bridge)
        try:
            await until(lambda: fake_opencode.streams)
            yield task
        finally:
            stop.set()
            await asyncio.wait([task])

    return run


async def caught_up(fake_opencode: Any, until: Until) -> None:
    """One resync after now: its first question is the list of sessions, its last the questions of a directory."""
    before = fake_opencode.asked.count("/experimental/session")
    await until(lambda: fake_opencode.asked.count("/experimental/session") > before)
    await until(lambda: fake_opencode.asked[-1] in ("/question", "/experimental/session"))


async def cut(fake_opencode: Any, until: Until) -> None:
    """End the stream, so that nobody hears what is said until the bridge is back."""
    fake_opencode.cut()
    await until(lambda: not fake_opencode.streams)


class TestGap:
    async def test_an_end_in_the_gap_is_told_once(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        async with running():
            fake_opencode.status("ses_a", "busy")
            await until(lambda: fake_relay.cards)
            await cut(fake_opencode, until)
            fake_opencode.write("ses_a", "It is fixed.", finish="stop", time={"completed": now_ms()})
            fake_opencode.status("ses_a", "idle")
            await until(lambda: fake_relay.accepted)
            fake_opencode.status("ses_a", "idle")
            await cut(fake_opencode, until)
            await caught_up(fake_opencode, until)
        assert fake_relay.told() == [("complete", "ses_a")]
        assert fake_relay.accepted[0].body == "It is fixed."

    async def test_a_whole_turn_in_the_gap_is_told_once(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        fake_opencode.create("ses_old", "Long done")
        fake_opencode.update("ses_old", 1000)
        async with running():
            await caught_up(fake_opencode, until)
            await cut(fake_opencode, until)
            failure = {"name": "APIError", "data": {"message": "Bad key"}}
            fake_opencode.write("ses_a", "", error=failure, time={"completed": now_ms()})
            fake_opencode.update("ses_a", now_ms())
            fake_opencode.turn("ses_a")
            await until(lambda: fake_relay.accepted)
            await cut(fake_opencode, until)
            await caught_up(fake_opencode, until)
        assert fake_relay.told() == [("error", "ses_a")]
        assert (fake_relay.accepted[0].title, fake_relay.accepted[0].body) == (
            "Error: Fix the parser",
            "Bad key",
        )
        assert "/session/ses_old/message" not in fake_opencode.asked

    async def test_a_request_in_the_gap_is_told_and_a_ghost_is_not(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        for session in ("ses_a", "ses_b"):
            fake_opencode.create(session, "Fix it")
            fake_opencode.update(session, now_ms())
        async with running():
            await cut(fake_opencode, until)
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            fake_opencode.ask("ses_b", "per_ghost")
            await until(lambda: fake_relay.accepted)
        assert fake_relay.told() == [("permission", "ses_a")]
        assert fake_relay.accepted[0].body == "bash: npm test"

    async def test_an_answer_in_the_gap_is_noticed(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a")
        async with running():
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            await until(lambda: fake_relay.accepted)
            await cut(fake_opencode, until)
            fake_opencode.permissions.clear()
            await until(lambda: len(fake_relay.cards) == 2)
        assert fake_relay.shown("ses_a")[1][:2] == ("progress", "working")

    async def test_a_session_deleted_in_the_gap_has_stopped(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a")
        async with running():
            fake_opencode.status("ses_a", "busy")
            await until(lambda: fake_relay.cards)
            await cut(fake_opencode, until)
            del fake_opencode.statuses["ses_a"], fake_opencode.sessions["ses_a"]
            fake_opencode.broken["message"] = not_found
            await until(lambda: len(fake_relay.cards) == 2)
        assert fake_relay.shown("ses_a") == [STARTED, STOPPED]
        assert fake_relay.accepted == []

    async def test_a_server_that_died_interrupted_its_runs(
        self,
        fake_opencode: Any,
        fake_relay: Any,
        running: Running,
        until: Until,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake_opencode.create("ses_a")
        fake_opencode.write("ses_a", "half a sen")
        async with running():
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            await until(lambda: fake_relay.accepted)
            await fake_opencode.crash()
            fake_opencode.version = "1.19.0"
            await fake_opencode.start()
            await until(lambda: len(fake_relay.cards) == 2)
        assert fake_relay.shown("ses_a") == [STARTED, INTERRUPTED]
        assert fake_relay.told() == [("permission", "ses_a")]
        assert f"another OpenCode url={fake_opencode.url} version=1.19.0 before=1.18.33" in caplog.text

    async def test_an_error_that_is_written_late_is_no_interruption(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a")
        fake_opencode.write("ses_a", "")
        async with running():
            fake_opencode.status("ses_a", "busy")
            await until(lambda: fake_relay.cards)
            await cut(fake_opencode, until)
            fake_opencode.status("ses_a", "idle")
            await until(lambda: "/session/ses_a/message" in fake_opencode.asked)
            failure = {"name": "APIError", "data": {"message": "Bad key"}}
            fake_opencode.messages["ses_a"][-1]["info"]["error"] = failure
            await until(lambda: fake_relay.accepted)
        assert fake_relay.told() == [("error", "ses_a")]


class TestRestartOfTheBridge:
    async def kill(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait([task])

    async def test_what_ended_meanwhile_is_told_and_the_rest_not_again(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until, state_home: Path
    ) -> None:
        for session in ("ses_done", "ses_asks", "ses_gone", "ses_works"):
            fake_opencode.create(session, session)
            fake_opencode.write(session, "working on it")
        async with running() as task:
            for session in fake_opencode.sessions:
                fake_opencode.status(session, "busy")
            fake_opencode.ask("ses_asks", "per_1")
            await until(lambda: fake_relay.accepted and len(fake_relay.cards) == 4)
            await self.kill(task)
        (path,) = state_files(state_home)
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(json.loads(path.read_text())["runs"]) == sorted(fake_opencode.sessions)
        assert "working" not in path.read_text().replace("ses_works", "")

        fake_opencode.write("ses_done", "All done.", finish="stop", time={"completed": now_ms()})
        fake_opencode.status("ses_done", "idle")
        del fake_opencode.statuses["ses_gone"], fake_opencode.sessions["ses_gone"]
        async with running():
            await until(lambda: len(fake_relay.accepted) == 2 and len(fake_relay.cards) >= 5)
            fake_opencode.status("ses_works", "idle")
            await until(lambda: len(fake_relay.accepted) == 3)
        assert sorted(fake_relay.told()) == [
            ("complete", "ses_done"),
            ("complete", "ses_works"),
            ("permission", "ses_asks"),
        ]
        assert fake_relay.shown("ses_gone") == [STARTED, STOPPED]
        assert [kind for kind, _, _ in fake_relay.shown("ses_works")].count("start") == 1
        assert json.loads(path.read_text())["runs"] == ["ses_asks"]

    async def test_what_the_relay_did_not_take_is_told_by_the_next_bridge(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a", "Fix it")
        async with running(drain_seconds=0.0):
            fake_opencode.status("ses_a", "busy")
            await until(lambda: fake_relay.cards)
            await fake_relay.stop()
            fake_opencode.write("ses_a", "All done.", finish="stop", time={"completed": now_ms()})
            fake_opencode.status("ses_a", "idle")
            await until(lambda: "/session/ses_a/message" in fake_opencode.asked)
        await fake_relay.start()
        async with running():
            await until(lambda: fake_relay.accepted)
        async with running():
            await caught_up(fake_opencode, until)
        assert fake_relay.told() == [("complete", "ses_a")]

    async def test_every_heartbeat_keeps_until_when_all_is_known(
        self, fake_opencode: Any, running: Running, until: Until, state_home: Path
    ) -> None:
        began = now_ms()
        async with running():
            await caught_up(fake_opencode, until)
            fake_opencode.say("server.heartbeat")
            await until(lambda: state_files(state_home))
            state = read_state(state_files(state_home)[0])
        assert state is not None
        assert began <= state.seen_at <= now_ms()

    async def test_a_first_bridge_says_nothing_of_what_was_before(
        self, fake_opencode: Any, fake_relay: Any, running: Running, until: Until
    ) -> None:
        fake_opencode.create("ses_a", "Fix it")
        fake_opencode.write("ses_a", "Long done.", finish="stop", time={"completed": now_ms() - 60_000})
        fake_opencode.update("ses_a", now_ms() + 60_000)  # renamed, for instance
        async with running():
            await until(lambda: "/session/ses_a/message" in fake_opencode.asked)
        assert fake_relay.accepted == []
        assert fake_relay.cards == []


async def not_found(request: web.Request) -> web.StreamResponse:
    return web.json_response({"name": "NotFoundError"}, status=404)


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
        self, fake_opencode: Any, http: aiohttp.ClientSession, pauses: list[float], told: list[Change]
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

    async def test_it_settles_first_and_is_then_synced(
        self, resync: Resync, pauses: list[float], until: Until
    ) -> None:
        assert resync.known_until == 1_000_000_000.0
        resync.known_until = 5.0
        resync.start()
        resync.heard()
        assert resync.known_until == 5.0  # what is heard now does not make up for what was missed
        await until(lambda: resync.synced)
        assert pauses == [SETTLE_SECONDS]
        assert resync.known_until == 1_000_000_000.0

    async def test_it_tries_again_until_it_succeeds(
        self,
        fake_opencode: Any,
        resync: Resync,
        pauses: list[float],
        until: Until,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def fail(request: web.Request) -> web.StreamResponse:
            return web.Response(status=500)

        fake_opencode.broken["recent"] = fail
        resync.start()
        await until(lambda: len(pauses) >= 4)
        fake_opencode.broken.clear()
        await until(lambda: resync.synced)
        assert pauses[:4] == [SETTLE_SECONDS, 1.0, 2.0, 4.0]
        assert "resync failed" in caplog.text

    @pytest.mark.parametrize("route", ["recent", "status"])
    async def test_a_server_without_a_route_is_not_asked_for_ever(
        self,
        fake_opencode: Any,
        resync: Resync,
        pauses: list[float],
        until: Until,
        caplog: pytest.LogCaptureFixture,
        route: str,
    ) -> None:
        async def page(request: web.Request) -> web.StreamResponse:
            return web.Response(text="<html>", content_type="text/html")

        fake_opencode.create("ses_a")
        fake_opencode.update("ses_a", 1_000_000_000.0)
        fake_opencode.broken[route] = page
        resync.start()
        await until(lambda: resync.synced)
        assert pauses == [SETTLE_SECONDS]
        assert ("no resync" in caplog.text) == (route == "status")

    async def test_a_new_connection_begins_a_new_one(
        self, fake_opencode: Any, resync: Resync, until: Until
    ) -> None:
        release = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.Response()

        fake_opencode.broken["recent"] = hang
        resync.start()
        await until(lambda: "/experimental/session" in fake_opencode.asked)
        fake_opencode.broken.clear()
        resync.start()
        await until(lambda: resync.synced)
        release.set()

    async def test_only_directories_in_use_are_asked(
        self, fake_opencode: Any, resync: Resync, told: list[Change], until: Until
    ) -> None:
        fake_opencode.create("ses_a")
        fake_opencode.update("ses_a", 1_000_000_000.0 - LIVE_MS - 1)
        resync.start()
        await until(lambda: resync.synced)
        assert "/session/status" not in fake_opencode.asked
        fake_opencode.update("ses_a", 1_000_000_000.0 - LIVE_MS + 1)
        fake_opencode.statuses["ses_a"] = {"type": "busy"}
        resync.start()
        await until(lambda: told)
        assert told == [Change("unknown", "ses_a")]


class TestStateFile:
    def test_what_is_written_can_be_read(self, tmp_path: Path) -> None:
        path = state_file(tmp_path / "deep" / "relay-secret", "http://127.0.0.1:4096")
        assert read_state(path) is None
        for state in (State(seen_at=1.5, runs=["ses_a"]), State(seen_at=2.5)):
            write_state(path, state)
            assert read_state(path) == state
        assert path.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    def test_every_server_has_its_own(self, tmp_path: Path) -> None:
        names = {state_file(tmp_path / "secret", f"http://127.0.0.1:{port}") for port in (4096, 4097)}
        assert len(names) == 2

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"runs":[]}', b"\xff"])
    def test_a_broken_file_counts_as_none(
        self, tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "bridge.json"
        path.write_bytes(text)
        assert read_state(path) is None
        assert f"state lost path={path}" in caplog.text

    def test_a_write_that_fails_leaves_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "bridge.json").mkdir()
        with pytest.raises(IsADirectoryError):
            write_state(tmp_path / "bridge.json", State(seen_at=1.0))
        assert [one.name for one in tmp_path.iterdir()] == ["bridge.json"]

    async def test_it_is_written_soon_but_not_too_often(self, tmp_path: Path, until: Until) -> None:
        release = asyncio.Event()
        states = iter(State(seen_at=float(number)) for number in range(9))

        async def pause(seconds: float) -> None:
            await release.wait()

        path = tmp_path / "bridge.json"
        writer = StateWriter(path, states.__next__, sleep=pause)
        await writer.close(0)
        assert not path.exists()
        writer.start()
        for _ in range(3):
            writer.touch()
        await until(path.exists)
        writer.touch()
        assert read_state(path) == State(seen_at=0.0)
        release.set()
        await until(lambda: read_state(path) == State(seen_at=1.0))
        await writer.close(0)
        assert read_state(path) == State(seen_at=2.0)

    async def test_a_folder_that_cannot_be_written_is_one_line(
        self, tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "deeper" / "bridge.json"
        writer = StateWriter(path, lambda: State(seen_at=1.0), sleep=lambda _: asyncio.sleep(0))
        writer.start()
        for _ in range(3):
            writer.touch()
            await asyncio.sleep(0.005)
        await writer.close(0)
        lines = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert [record.getMessage() for record in lines] == [
            f'state not kept path={path} reason="Not a directory"'
        ]
