"""Streams that are cut, servers that die, bridges that start again: no alert is lost, and none comes twice."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, now_ms
from component.bridge.fake_relay import INTERRUPTED, STARTED, STOPPED
from component.bridge.running import Stage, caught_up, cut
from relay.bridge.state_file import read_state
from waiting import eventually

BAD_KEY = {"name": "APIError", "data": {"message": "Bad key"}}


class TestGap:
    @pytest.fixture(autouse=True)
    def session(self, fake_opencode: FakeOpenCode) -> None:
        fake_opencode.create("ses_a", "Fix the parser")

    async def test_an_end_in_the_gap_is_reported_once(self, stage: Stage) -> None:
        async with stage.running():
            stage.opencode.status("ses_a", "busy")
            await eventually(lambda: stage.relay.cards)
            await cut(stage.opencode)
            stage.opencode.write("ses_a", "It is fixed.", finish="stop", time={"completed": now_ms()})
            stage.opencode.status("ses_a", "idle")
            await eventually(lambda: stage.relay.accepted)
            stage.opencode.status("ses_a", "idle")
            await cut(stage.opencode)
            await caught_up(stage.opencode)
        assert stage.relay.rang() == [("complete", "ses_a")]
        assert stage.relay.accepted[0].body == "It is fixed."

    async def test_a_whole_turn_in_the_gap_is_reported_once(self, stage: Stage) -> None:
        stage.opencode.create("ses_old", "Long done")
        stage.opencode.update("ses_old", 1000)
        async with stage.running():
            await caught_up(stage.opencode)
            await cut(stage.opencode)
            stage.opencode.write("ses_a", "", error=BAD_KEY, time={"completed": now_ms()})
            stage.opencode.update("ses_a", now_ms())
            stage.opencode.turn("ses_a")
            await eventually(lambda: stage.relay.accepted)
            await cut(stage.opencode)
            await caught_up(stage.opencode)
        (event,) = stage.relay.accepted
        assert (event.eventType, event.title, event.body) == ("error", "Error: Fix the parser", "Bad key")
        assert "/session/ses_old/message" not in stage.opencode.asked

    async def test_requests_and_answers_in_the_gap_are_noticed_and_ghosts_are_not(self, stage: Stage) -> None:
        stage.opencode.create("ses_b")
        for session in ("ses_a", "ses_b"):
            stage.opencode.update(session, now_ms())
        async with stage.running():
            await cut(stage.opencode)
            stage.opencode.status("ses_a", "busy")
            stage.opencode.ask("ses_a", "per_1")
            stage.opencode.ask("ses_b", "per_ghost")
            await eventually(lambda: stage.relay.accepted)
            await cut(stage.opencode)
            before = len(stage.relay.cards)
            stage.opencode.permissions.clear()
            await eventually(lambda: len(stage.relay.cards) > before)
        assert stage.relay.rang() == [("permission", "ses_a")]
        assert stage.relay.accepted[0].body == "bash: npm test"
        assert stage.relay.shown("ses_a")[-1][:2] == ("progress", "working")

    async def test_a_session_deleted_in_the_gap_has_stopped(self, stage: Stage) -> None:
        async def not_found(_: web.Request) -> web.StreamResponse:
            return web.json_response({"name": "NotFoundError"}, status=404)

        async with stage.running():
            stage.opencode.status("ses_a", "busy")
            await eventually(lambda: stage.relay.cards)
            await cut(stage.opencode)
            del stage.opencode.statuses["ses_a"], stage.opencode.sessions["ses_a"]
            stage.opencode.broken["message"] = not_found
            await eventually(lambda: len(stage.relay.cards) == 2)
        assert stage.relay.shown("ses_a") == [STARTED, STOPPED]
        assert stage.relay.accepted == []

    async def test_a_server_that_died_interrupted_its_runs(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        stage.opencode.write("ses_a", "half a sen")
        async with stage.running():
            stage.opencode.status("ses_a", "busy")
            stage.opencode.ask("ses_a", "per_1")
            await eventually(lambda: stage.relay.accepted)
            await stage.opencode.crash()
            stage.opencode.version = "1.19.0"
            await stage.opencode.start()
            await eventually(lambda: len(stage.relay.accepted) == 2)
            await cut(stage.opencode)
            await caught_up(stage.opencode)
        assert stage.relay.shown("ses_a") == [STARTED]
        assert stage.relay.rang() == [("permission", "ses_a"), ("error", "ses_a")]
        assert (stage.relay.accepted[1].body, stage.relay.accepted[1].state["status"]) == (
            INTERRUPTED,
            "error",
        )
        assert f"another OpenCode url={stage.opencode.url} version=1.19.0 before=1.18.33" in caplog.text

    async def test_while_a_server_stays_away_the_cards_say_so_and_what_waits_rings_once_more(
        self, stage: Stage
    ) -> None:
        stage.opencode.create("ses_b")
        async with stage.running(lost_after=0.1):
            for session in ("ses_a", "ses_b"):
                stage.opencode.status(session, "busy")
            stage.opencode.ask("ses_b", "per_1")
            await eventually(lambda: stage.relay.accepted and len(stage.relay.cards) == 2)
            await stage.opencode.crash()
            await eventually(lambda: len(stage.relay.accepted) == 2 and len(stage.relay.cards) == 3)
            await stage.opencode.start()
            await eventually(lambda: len(stage.relay.accepted) == 4)
        assert stage.relay.shown("ses_a") == [STARTED, ("progress", "retry", "Connection lost")]
        assert stage.relay.cards[-1].state["stale"] is True
        assert stage.relay.rang()[:2] == [("permission", "ses_b"), ("permission", "ses_b")]
        assert sorted(stage.relay.rang()[2:]) == [("error", "ses_a"), ("error", "ses_b")]

    async def test_an_error_that_is_written_late_is_no_interruption(self, stage: Stage) -> None:
        stage.opencode.write("ses_a", "")
        async with stage.running():
            stage.opencode.status("ses_a", "busy")
            await eventually(lambda: stage.relay.cards)
            await cut(stage.opencode)
            stage.opencode.status("ses_a", "idle")
            await eventually(lambda: "/session/ses_a/message" in stage.opencode.asked)
            stage.opencode.messages["ses_a"][-1]["info"]["error"] = BAD_KEY
            await eventually(lambda: stage.relay.accepted)
        assert stage.relay.rang() == [("error", "ses_a")]


HOUR_MS = 3_600_000


class TestClockSetBack:
    """The machine's clock is set back by an hour while the stream is cut, or while no bridge runs (NTP after a suspend)."""

    def run_by_the_new_clock(self, opencode: FakeOpenCode, session: str) -> None:
        ended = now_ms() - HOUR_MS
        opencode.write(session, "It is fixed.", finish="stop", time={"completed": ended})
        opencode.update(session, ended)
        opencode.turn(session)

    @pytest.mark.parametrize("restart", [False, True])
    async def test_a_run_within_the_gap_is_reported_once(self, stage: Stage, restart: bool) -> None:
        for session in ("ses_a", "ses_old"):
            stage.opencode.create(session)
            stage.opencode.write(session, "Before.", finish="stop", time={"completed": now_ms() - 1000})
            stage.opencode.update(session, now_ms() - 500)
        async with stage.running() as bridge:
            await caught_up(stage.opencode)
            stage.opencode.say("server.heartbeat")
            await eventually(lambda: stage.opencode.streams)
            if restart:
                await bridge.stop()
            else:
                await cut(stage.opencode)
            stage.opencode.create("ses_new")
            for session in ("ses_a", "ses_new"):
                self.run_by_the_new_clock(stage.opencode, session)
            if not restart:
                await eventually(lambda: len(stage.relay.accepted) == 2)
        if restart:
            async with stage.running():
                await eventually(lambda: len(stage.relay.accepted) == 2)
                await cut(stage.opencode)
                await caught_up(stage.opencode)
        assert sorted(stage.relay.rang()) == [("complete", "ses_a"), ("complete", "ses_new")]


class TestAnotherPort:
    """The state belongs to the server, not to where it listens (`opencode serve` without --port chooses a port)."""

    @pytest.fixture
    async def moved(self, fake_opencode: FakeOpenCode) -> AsyncIterator[FakeOpenCode]:
        """The same server elsewhere: the same paths, the same sessions."""
        server = FakeOpenCode()
        server.sessions, server.messages = fake_opencode.sessions, fake_opencode.messages
        await server.start()
        yield server
        server.cut()
        await server.stop()

    async def killed_while_it_works(self, stage: Stage, *sessions: str) -> None:
        async with stage.running() as bridge:
            for session in sessions:
                stage.opencode.create(session)
                stage.opencode.write(session, "half a sen")
                stage.opencode.status(session, "busy")
            await eventually(lambda: len(stage.relay.cards) == len(sessions))
            await bridge.kill()

    async def test_a_run_that_its_server_broke_off_is_reported_wherever_it_listens_next(
        self, stage: Stage, moved: FakeOpenCode, state_home: Path
    ) -> None:
        await self.killed_while_it_works(stage, "ses_a")
        await stage.opencode.crash()
        async with stage.running(opencode_url=moved.url, connect=False):
            await eventually(lambda: stage.relay.accepted)
        assert stage.relay.rang() == [("error", "ses_a")]
        assert [read_state(path).url for path in state_files(state_home)] == [moved.url]  # type: ignore[union-attr]

    async def test_a_second_server_with_the_same_data_takes_nothing_from_the_first(
        self, stage: Stage, moved: FakeOpenCode
    ) -> None:
        await self.killed_while_it_works(stage, "ses_a")
        async with stage.running(opencode_url=moved.url, connect=False):
            await caught_up(moved)
        assert stage.relay.accepted == []
        async with stage.running():
            stage.opencode.write("ses_a", "Done.", finish="stop", time={"completed": now_ms()})
            stage.opencode.status("ses_a", "idle")
            await eventually(lambda: stage.relay.accepted)
        assert stage.relay.rang() == [("complete", "ses_a")]

    async def test_a_server_without_those_sessions_takes_nothing_either(
        self, stage: Stage, moved: FakeOpenCode
    ) -> None:
        await self.killed_while_it_works(stage, "ses_a")
        await stage.opencode.crash()
        moved.sessions = {}
        async with stage.running(opencode_url=moved.url, connect=False):
            await caught_up(moved)
        assert stage.relay.shown("ses_a") == [STARTED]
        assert stage.relay.accepted == []

    async def test_a_server_that_another_one_has_taken_the_place_of_is_found_elsewhere(
        self, stage: Stage, moved: FakeOpenCode
    ) -> None:
        await self.killed_while_it_works(stage, "ses_a")
        sessions, state = dict(stage.opencode.sessions), stage.opencode.paths
        stage.opencode.sessions.clear()
        stage.opencode.statuses.clear()
        stage.opencode.paths = {"home": "/home/other", "state": "/home/other/state", "config": "/c"}
        async with stage.running():
            await caught_up(stage.opencode)
        assert stage.relay.shown("ses_a") == [STARTED]
        moved.sessions, moved.paths = sessions, state
        async with stage.running(opencode_url=moved.url, connect=False):
            await eventually(lambda: stage.relay.accepted)
        assert stage.relay.rang() == [("error", "ses_a")]


def state_files(home: Path) -> list[Path]:
    return list(home.rglob("bridge-*.json"))


class TestRestartOfTheBridge:
    async def test_what_ended_meanwhile_is_reported_and_the_rest_not_again(
        self, stage: Stage, state_home: Path
    ) -> None:
        for session in ("ses_done", "ses_asks", "ses_gone", "ses_works"):
            stage.opencode.create(session, session)
            stage.opencode.write(session, "working on it")
        async with stage.running() as bridge:
            for session in stage.opencode.sessions:
                stage.opencode.status(session, "busy")
            stage.opencode.ask("ses_asks", "per_1")
            await eventually(lambda: stage.relay.accepted and len(stage.relay.cards) == 4)
            await bridge.kill()
        (path,) = state_files(state_home)
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(json.loads(path.read_text())["runs"]) == sorted(stage.opencode.sessions)
        assert "working" not in path.read_text().replace("ses_works", "")

        stage.opencode.write("ses_done", "All done.", finish="stop", time={"completed": now_ms()})
        stage.opencode.status("ses_done", "idle")
        del stage.opencode.statuses["ses_gone"], stage.opencode.sessions["ses_gone"]
        async with stage.running():
            await eventually(lambda: len(stage.relay.accepted) == 2 and len(stage.relay.cards) >= 5)
            stage.opencode.status("ses_works", "idle")
            await eventually(lambda: len(stage.relay.accepted) == 3)
        assert sorted(stage.relay.rang()) == [
            ("complete", "ses_done"),
            ("complete", "ses_works"),
            ("permission", "ses_asks"),
        ]
        assert stage.relay.shown("ses_gone") == [STARTED, STOPPED]
        assert [kind for kind, _, _ in stage.relay.shown("ses_works")].count("start") == 1
        assert json.loads(path.read_text())["runs"] == ["ses_asks"]

    async def test_what_the_relay_did_not_take_is_sent_by_the_next_bridge(self, stage: Stage) -> None:
        stage.opencode.create("ses_a", "Fix it")
        async with stage.running(drain_seconds=0.0):
            stage.opencode.status("ses_a", "busy")
            await eventually(lambda: stage.relay.cards)
            await stage.relay.stop()
            stage.opencode.write("ses_a", "All done.", finish="stop", time={"completed": now_ms()})
            stage.opencode.status("ses_a", "idle")
            await eventually(lambda: "/session/ses_a/message" in stage.opencode.asked)
        await stage.relay.start()
        async with stage.running():
            await eventually(lambda: stage.relay.accepted)
        async with stage.running():
            await caught_up(stage.opencode)
        assert stage.relay.rang() == [("complete", "ses_a")]

    async def test_every_heartbeat_keeps_until_when_all_is_known(
        self, stage: Stage, state_home: Path
    ) -> None:
        began = now_ms()
        async with stage.running():
            await caught_up(stage.opencode)
            stage.opencode.say("server.heartbeat")
            await eventually(lambda: state_files(state_home))
            state = read_state(state_files(state_home)[0])
        assert state is not None
        assert state.seen_at is not None
        assert began <= state.seen_at <= now_ms()

    async def test_a_first_bridge_says_nothing_of_what_was_before(self, stage: Stage) -> None:
        stage.opencode.create("ses_a", "Fix it")
        stage.opencode.write("ses_a", "Long done.", finish="stop", time={"completed": now_ms() - 60_000})
        stage.opencode.update("ses_a", now_ms() + 60_000)  # renamed, for instance
        async with stage.running():
            await eventually(lambda: "/session/ses_a/message" in stage.opencode.asked)
        assert stage.relay.accepted == []
        assert stage.relay.cards == []
