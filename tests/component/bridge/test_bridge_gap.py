"""Streams that are cut, servers that die, bridges that start again: no alert is lost, and none comes twice."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, now_ms
from component.bridge.fake_relay import INTERRUPTED, STARTED, STOPPED, FakeRelay
from component.bridge.running import Running, caught_up, cut
from relay.bridge.state_file import read_state
from waiting import eventually

BAD_KEY = {"name": "APIError", "data": {"message": "Bad key"}}


class TestGap:
    @pytest.fixture(autouse=True)
    def session(self, fake_opencode: FakeOpenCode) -> None:
        fake_opencode.create("ses_a", "Fix the parser")

    async def test_an_end_in_the_gap_is_reported_once(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await cut(fake_opencode)
            fake_opencode.write("ses_a", "It is fixed.", finish="stop", time={"completed": now_ms()})
            fake_opencode.status("ses_a", "idle")
            await eventually(lambda: fake_relay.accepted)
            fake_opencode.status("ses_a", "idle")
            await cut(fake_opencode)
            await caught_up(fake_opencode)
        assert fake_relay.rang() == [("complete", "ses_a")]
        assert fake_relay.accepted[0].body == "It is fixed."

    async def test_a_whole_turn_in_the_gap_is_reported_once(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_old", "Long done")
        fake_opencode.update("ses_old", 1000)
        async with running():
            await caught_up(fake_opencode)
            await cut(fake_opencode)
            fake_opencode.write("ses_a", "", error=BAD_KEY, time={"completed": now_ms()})
            fake_opencode.update("ses_a", now_ms())
            fake_opencode.turn("ses_a")
            await eventually(lambda: fake_relay.accepted)
            await cut(fake_opencode)
            await caught_up(fake_opencode)
        (event,) = fake_relay.accepted
        assert (event.eventType, event.title, event.body) == ("error", "Error: Fix the parser", "Bad key")
        assert "/session/ses_old/message" not in fake_opencode.asked

    async def test_requests_and_answers_in_the_gap_are_noticed_and_ghosts_are_not(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_b")
        for session in ("ses_a", "ses_b"):
            fake_opencode.update(session, now_ms())
        async with running():
            await cut(fake_opencode)
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            fake_opencode.ask("ses_b", "per_ghost")
            await eventually(lambda: fake_relay.accepted)
            await cut(fake_opencode)
            before = len(fake_relay.cards)
            fake_opencode.permissions.clear()
            await eventually(lambda: len(fake_relay.cards) > before)
        assert fake_relay.rang() == [("permission", "ses_a")]
        assert fake_relay.accepted[0].body == "bash: npm test"
        assert fake_relay.shown("ses_a")[-1][:2] == ("progress", "working")

    async def test_a_session_deleted_in_the_gap_has_stopped(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        async def not_found(_: web.Request) -> web.StreamResponse:
            return web.json_response({"name": "NotFoundError"}, status=404)

        async with running():
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await cut(fake_opencode)
            del fake_opencode.statuses["ses_a"], fake_opencode.sessions["ses_a"]
            fake_opencode.broken["message"] = not_found
            await eventually(lambda: len(fake_relay.cards) == 2)
        assert fake_relay.shown("ses_a") == [STARTED, STOPPED]
        assert fake_relay.accepted == []

    async def test_a_server_that_died_interrupted_its_runs(
        self,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Running,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake_opencode.write("ses_a", "half a sen")
        async with running():
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            await eventually(lambda: fake_relay.accepted)
            await fake_opencode.crash()
            fake_opencode.version = "1.19.0"
            await fake_opencode.start()
            await eventually(lambda: len(fake_relay.accepted) == 2)
            await cut(fake_opencode)
            await caught_up(fake_opencode)
        assert fake_relay.shown("ses_a") == [STARTED]
        assert fake_relay.rang() == [("permission", "ses_a"), ("error", "ses_a")]
        assert (fake_relay.accepted[1].body, fake_relay.accepted[1].state["status"]) == (INTERRUPTED, "error")
        assert f"another OpenCode url={fake_opencode.url} version=1.19.0 before=1.18.33" in caplog.text

    async def test_an_error_that_is_written_late_is_no_interruption(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.write("ses_a", "")
        async with running():
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await cut(fake_opencode)
            fake_opencode.status("ses_a", "idle")
            await eventually(lambda: "/session/ses_a/message" in fake_opencode.asked)
            fake_opencode.messages["ses_a"][-1]["info"]["error"] = BAD_KEY
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("error", "ses_a")]


def state_files(home: Path) -> list[Path]:
    return list(home.rglob("bridge-*.json"))


class TestRestartOfTheBridge:
    async def test_what_ended_meanwhile_is_reported_and_the_rest_not_again(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running, state_home: Path
    ) -> None:
        for session in ("ses_done", "ses_asks", "ses_gone", "ses_works"):
            fake_opencode.create(session, session)
            fake_opencode.write(session, "working on it")
        async with running() as bridge:
            for session in fake_opencode.sessions:
                fake_opencode.status(session, "busy")
            fake_opencode.ask("ses_asks", "per_1")
            await eventually(lambda: fake_relay.accepted and len(fake_relay.cards) == 4)
            await bridge.kill()
        (path,) = state_files(state_home)
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(json.loads(path.read_text())["runs"]) == sorted(fake_opencode.sessions)
        assert "working" not in path.read_text().replace("ses_works", "")

        fake_opencode.write("ses_done", "All done.", finish="stop", time={"completed": now_ms()})
        fake_opencode.status("ses_done", "idle")
        del fake_opencode.statuses["ses_gone"], fake_opencode.sessions["ses_gone"]
        async with running():
            await eventually(lambda: len(fake_relay.accepted) == 2 and len(fake_relay.cards) >= 5)
            fake_opencode.status("ses_works", "idle")
            await eventually(lambda: len(fake_relay.accepted) == 3)
        assert sorted(fake_relay.rang()) == [
            ("complete", "ses_done"),
            ("complete", "ses_works"),
            ("permission", "ses_asks"),
        ]
        assert fake_relay.shown("ses_gone") == [STARTED, STOPPED]
        assert [kind for kind, _, _ in fake_relay.shown("ses_works")].count("start") == 1
        assert json.loads(path.read_text())["runs"] == ["ses_asks"]

    async def test_what_the_relay_did_not_take_is_sent_by_the_next_bridge(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix it")
        async with running(drain_seconds=0.0):
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await fake_relay.stop()
            fake_opencode.write("ses_a", "All done.", finish="stop", time={"completed": now_ms()})
            fake_opencode.status("ses_a", "idle")
            await eventually(lambda: "/session/ses_a/message" in fake_opencode.asked)
        await fake_relay.start()
        async with running():
            await eventually(lambda: fake_relay.accepted)
        async with running():
            await caught_up(fake_opencode)
        assert fake_relay.rang() == [("complete", "ses_a")]

    async def test_every_heartbeat_keeps_until_when_all_is_known(
        self, fake_opencode: FakeOpenCode, running: Running, state_home: Path
    ) -> None:
        began = now_ms()
        async with running():
            await caught_up(fake_opencode)
            fake_opencode.say("server.heartbeat")
            await eventually(lambda: state_files(state_home))
            state = read_state(state_files(state_home)[0])
        assert state is not None
        assert began <= state.seen_at <= now_ms()

    async def test_a_first_bridge_says_nothing_of_what_was_before(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix it")
        fake_opencode.write("ses_a", "Long done.", finish="stop", time={"completed": now_ms() - 60_000})
        fake_opencode.update("ses_a", now_ms() + 60_000)  # renamed, for instance
        async with running():
            await eventually(lambda: "/session/ses_a/message" in fake_opencode.asked)
        assert fake_relay.accepted == []
        assert fake_relay.cards == []
