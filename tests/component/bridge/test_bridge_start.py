"""How the bridge starts: it waits for OpenCode, or says in one sentence why it cannot."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, Running
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
        self,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Running,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await fake_opencode.stop()
        async with running(connect=False) as bridge:
            await eventually(lambda: "Waiting for OpenCode" in bridge.out.getvalue())
            assert "mobilevoice:" not in bridge.out.getvalue()
            await fake_opencode.start()
            await eventually(lambda: fake_opencode.streams)
            assert bridge.out.getvalue().count(f"Waiting for OpenCode at {fake_opencode.url}") == 1
            assert "mobilevoice:///?pair=" in bridge.out.getvalue()
        assert f"waiting url={fake_opencode.url}" in caplog.text

    async def test_it_can_be_stopped_while_it_waits(
        self, fake_opencode: FakeOpenCode, running: Running
    ) -> None:
        await fake_opencode.stop()
        async with running(connect=False) as bridge:
            await eventually(lambda: "Waiting" in bridge.out.getvalue())

    async def test_basic_auth(
        self,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Running,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake_opencode.authorization = encode_basic_auth("opencode", "pässword")
        fake_opencode.create("ses_a", "Locked")
        async with running(password="pässword"):
            fake_opencode.turn("ses_a")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.accepted[0].title == "Locked"
        assert "pässword" not in caplog.text

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_a_wrong_password_is_one_clear_sentence(
        self, fake_opencode: FakeOpenCode, started: Started, password: str | None
    ) -> None:
        fake_opencode.authorization = encode_basic_auth("opencode", "right")
        with pytest.raises(Refused, match="another username or password"):
            await started(password=password)

    async def test_a_web_page_is_no_opencode(self, fake_opencode: FakeOpenCode, started: Started) -> None:
        with pytest.raises(NotOpenCode, match="text/html instead of application/json"):
            await started(opencode_url=fake_opencode.url + "/elsewhere")

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

    async def test_a_cancelled_bridge_cleans_up(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay
    ) -> None:
        options = BridgeOptions(fake_opencode.url, fake_relay.url, relay_secret=SECRET)
        task = asyncio.create_task(run_bridge(options, stop=asyncio.Event(), out=io.StringIO()))
        await eventually(lambda: fake_opencode.streams)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        fake_opencode.say("server.heartbeat")
        await eventually(lambda: not fake_opencode.streams)
        assert [one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("bridge")] == []
