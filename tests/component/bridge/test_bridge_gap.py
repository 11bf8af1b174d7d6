"""Streams that are cut, servers that die: no alert is lost, and none comes twice."""

import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, now_ms
from component.bridge.fake_relay import INTERRUPTED, STARTED, STOPPED, FakeRelay
from component.bridge.running import Running, caught_up, cut
from waiting import eventually


class TestGap:
    async def test_an_end_in_the_gap_is_told_once(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
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

    async def test_a_whole_turn_in_the_gap_is_told_once(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        fake_opencode.create("ses_old", "Long done")
        fake_opencode.update("ses_old", 1000)
        async with running():
            await caught_up(fake_opencode)
            await cut(fake_opencode)
            failure = {"name": "APIError", "data": {"message": "Bad key"}}
            fake_opencode.write("ses_a", "", error=failure, time={"completed": now_ms()})
            fake_opencode.update("ses_a", now_ms())
            fake_opencode.turn("ses_a")
            await eventually(lambda: fake_relay.accepted)
            await cut(fake_opencode)
            await caught_up(fake_opencode)
        assert fake_relay.rang() == [("error", "ses_a")]
        assert (fake_relay.accepted[0].title, fake_relay.accepted[0].body) == (
            "Error: Fix the parser",
            "Bad key",
        )
        assert "/session/ses_old/message" not in fake_opencode.asked

    async def test_a_request_in_the_gap_is_told_and_a_ghost_is_not(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        for session in ("ses_a", "ses_b"):
            fake_opencode.create(session, "Fix it")
            fake_opencode.update(session, now_ms())
        async with running():
            await cut(fake_opencode)
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            fake_opencode.ask("ses_b", "per_ghost")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("permission", "ses_a")]
        assert fake_relay.accepted[0].body == "bash: npm test"

    async def test_an_answer_in_the_gap_is_noticed(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a")
        async with running():
            fake_opencode.status("ses_a", "busy")
            fake_opencode.ask("ses_a", "per_1")
            await eventually(lambda: fake_relay.accepted)
            await cut(fake_opencode)
            fake_opencode.permissions.clear()
            await eventually(lambda: len(fake_relay.cards) == 2)
        assert fake_relay.shown("ses_a")[1][:2] == ("progress", "working")

    async def test_a_session_deleted_in_the_gap_has_stopped(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a")
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
        fake_opencode.create("ses_a")
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
        fake_opencode.create("ses_a")
        fake_opencode.write("ses_a", "")
        async with running():
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await cut(fake_opencode)
            fake_opencode.status("ses_a", "idle")
            await eventually(lambda: "/session/ses_a/message" in fake_opencode.asked)
            failure = {"name": "APIError", "data": {"message": "Bad key"}}
            fake_opencode.messages["ses_a"][-1]["info"]["error"] = failure
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("error", "ses_a")]


async def not_found(request: web.Request) -> web.StreamResponse:
    return web.json_response({"name": "NotFoundError"}, status=404)
