"""How the bridge starts: it waits for OpenCode, or says in one sentence why it cannot."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, Stage
from relay.bridge.errors import NotOpenCode, OptionError, Refused
from relay.bridge.options import BridgeOptions
from relay.bridge.run import run_bridge
from waiting import PATIENCE, eventually

Started = Callable[..., Coroutine[None, None, None]]


@pytest.fixture
def started(fake_opencode: FakeOpenCode, fake_relay: FakeRelay) -> Started:
    """The bridge with options that it should refuse; it never stops by itself otherwise."""

    def run(**changed: Any) -> Coroutine[None, None, None]:
        given: dict[str, Any] = {"opencode_url": fake_opencode.url, "relay_url": fake_relay.url}
        options = BridgeOptions(**given | {"relay_secret": SECRET} | changed)
        return asyncio.wait_for(run_bridge(options, stop=asyncio.Event(), out=io.StringIO()), PATIENCE)

    return run


class TestStart:
    async def test_it_waits_for_opencode_and_says_so_once(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        await stage.opencode.stop()
        async with stage.running(connect=False) as bridge:
            await eventually(lambda: "Waiting for OpenCode" in bridge.out.getvalue())
            assert "mobilevoice:" not in bridge.out.getvalue()
            await stage.opencode.start()
            await eventually(lambda: stage.opencode.streams)
            assert bridge.out.getvalue().count(f"Waiting for OpenCode at {stage.opencode.url}") == 1
            assert "mobilevoice:///?pair=" in bridge.out.getvalue()
        assert f"waiting url={stage.opencode.url}" in caplog.text

    async def test_basic_auth(self, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
        stage.opencode.authorization = encode_basic_auth("opencode", "pässword")
        stage.opencode.create("ses_a", "Locked")
        async with stage.running(password="pässword"):
            stage.opencode.turn("ses_a")
            await eventually(lambda: stage.relay.accepted)
        assert stage.relay.accepted[0].title == "Locked"
        assert "pässword" not in caplog.text

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_a_wrong_password_is_one_clear_sentence(
        self, stage: Stage, started: Started, password: str | None
    ) -> None:
        stage.opencode.authorization = encode_basic_auth("opencode", "right")
        with pytest.raises(Refused, match="another username or password"):
            await started(password=password)

    async def test_a_web_page_is_no_opencode(self, stage: Stage, started: Started) -> None:
        with pytest.raises(NotOpenCode, match="text/html instead of application/json"):
            await started(opencode_url=stage.opencode.url + "/elsewhere")

    @pytest.mark.parametrize(
        "wrong",
        [{"opencode_url": "localhost:4096"}, {"relay_url": "relay.example.org"}, {"relay_secret": "short"}],
    )
    async def test_options_that_cannot_work(self, started: Started, wrong: dict[str, str]) -> None:
        with pytest.raises(OptionError):
            await started(**wrong)

    def test_the_options_hide_their_secrets(self) -> None:
        options = BridgeOptions("http://a", "http://b", relay_secret=SECRET, password="pässword")
        assert SECRET not in repr(options)
        assert "pässword" not in repr(options)

    async def test_a_cancelled_bridge_cleans_up(self, stage: Stage) -> None:
        options = BridgeOptions(stage.opencode.url, stage.relay.url, relay_secret=SECRET)
        task = asyncio.create_task(run_bridge(options, stop=asyncio.Event(), out=io.StringIO()))
        await eventually(lambda: stage.opencode.streams)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stage.opencode.say("server.heartbeat")
        await eventually(lambda: not stage.opencode.streams)
        assert [one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("bridge")] == []
