"""A bridge that starts again: what ended meanwhile is told, and the rest not again."""

import json
from pathlib import Path

from component.bridge.fake_opencode import FakeOpenCode, now_ms
from component.bridge.fake_relay import STARTED, STOPPED, FakeRelay
from component.bridge.running import Running, caught_up
from relay.bridge.state_file import read_state
from waiting import eventually


def state_files(home: Path) -> list[Path]:
    return list(home.rglob("bridge-*.json"))


class TestRestartOfTheBridge:
    async def test_what_ended_meanwhile_is_told_and_the_rest_not_again(
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

    async def test_what_the_relay_did_not_take_is_told_by_the_next_bridge(
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
