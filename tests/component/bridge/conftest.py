"""The bridge, and the two small real servers on loopback between which it stands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.notifying import FakeSource, Make, Sent
from component.bridge.outgoing import MakeOutbox
from component.bridge.running import SECRET, RunningBridge, Stage
from component.bridge.timers import Timers
from relay.backoff import Backoff
from relay.bridge.address import address
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.outbox import Outbox
from relay.bridge.notify.relay_client import DEADLINE, RelayClient
from relay.bridge.notify.source import Change
from relay.bridge.options import BridgeOptions
from relay.bridge.sources.opencode1.client import OpenCode
from waiting import eventually


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bridge keeps its secret and state unless its options say otherwise."""
    home = tmp_path / "state-home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture
async def fake_opencode() -> AsyncIterator[FakeOpenCode]:
    server = FakeOpenCode()
    await server.start()
    yield server
    server.cut()
    await server.stop()


@pytest.fixture
async def fake_relay() -> AsyncIterator[FakeRelay]:
    server = FakeRelay()
    await server.start()
    yield server
    server.gate.set()
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def opencode(fake_opencode: FakeOpenCode, http: aiohttp.ClientSession) -> OpenCode:
    return OpenCode(http, address(fake_opencode.url), deadline=2.0)


@pytest.fixture
def stage(fake_opencode: FakeOpenCode, fake_relay: FakeRelay) -> Stage:
    """Run the bridge; inside the block it is connected (unless `connect=False`), after it, it has stopped."""

    @asynccontextmanager
    async def run(*, connect: bool = True, **changed: Any) -> AsyncIterator[RunningBridge]:
        given: dict[str, Any] = {
            "opencode_url": fake_opencode.url,
            "relay_url": fake_relay.url,
            "relay_secret": SECRET,
            "permission_delay": 0.0,
            "card_after": 0.0,
            "bundle": 0.0,
            "keep_answered": True,
            "print_link": True,
        }
        bridge = RunningBridge(BridgeOptions(**given | changed))
        try:
            if connect:
                await eventually(lambda: fake_opencode.streams)
            yield bridge
        finally:
            await bridge.stop()

    return Stage(fake_opencode, fake_relay, run)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
async def make_outbox(
    fake_relay: FakeRelay, http: aiohttp.ClientSession, pauses: list[float]
) -> AsyncIterator[MakeOutbox]:
    """An outbox to the fake relay; its pauses are recorded and last 5 ms."""
    made: list[Outbox] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.005)

    def make(*, deadline: float = DEADLINE, **options: Any) -> Outbox:
        relay = RelayClient(http, fake_relay.url + "/", deadline=deadline)
        fixed = {"backoff": Backoff(), "sleep": pause, "random": lambda: 1.0}
        made.append(Outbox(relay, **fixed | options))
        return made[-1]

    yield make
    for outbox in made:
        await outbox.close(0)


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox()


# --- the notifier between a source and an outbox ---------------------------------------------------------------------


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def timers() -> Timers:
    return Timers(now=100.0)


@pytest.fixture
async def make(source: FakeSource, sent: Sent, timers: Timers) -> AsyncIterator[Make]:
    made: list[Notifier] = []

    def make(**options: Any) -> Notifier:
        sender = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
        given: dict[str, Any] = {"permission_delay": 2.0, "call_later": timers.call_later}
        given |= {"clock": lambda: timers.now, "monotonic": lambda: timers.now}
        made.append(Notifier(source, sender, sent, **given | options))
        return made[-1]

    yield make
    for notifier in made:
        await notifier.close(0)


@pytest.fixture
def notifier(make: Make) -> Notifier:
    return make()


@pytest.fixture
def running(notifier: Notifier, source: FakeSource) -> Notifier:
    """Session ses_a runs since now."""
    source.doing["ses_a"] = "Starting..."
    notifier.notify(Change("started", "ses_a", "evt_1"))
    return notifier
