"""A phone on a virtual clock and a relay of a few lines that remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest
from aiohttp import web

from loopback_server import LoopbackServer
from passing_time import passing
from phone_pushes import BUNDLE_ID, Delivered
from phone_scene import Scene
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v1.server import OpenCodeServer
from simulator.phone.app.content_state import KINDS
from simulator.phone.phone import Phone

SECRET = "s3cret-s3cret-s3cret-24"
SERVER_ID = "0123456789abcdef"


class StandInRelay(LoopbackServer):
    """Answers every POST with the next status of `script`, then with 200; keeps paths and bodies."""

    def __init__(self) -> None:
        super().__init__(web.post("/{path:.*}", self._answer))
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.script: list[int] = []
        self.delay = asyncio.Event()
        self.delay.set()

    async def stop(self) -> None:
        self.delay.set()
        await super().stop()

    async def _answer(self, request: web.Request) -> web.Response:
        await self.delay.wait()
        self.calls.append((request.path, await request.json()))
        status = self.script.pop(0) if self.script else 200
        return web.json_response({"ok": status == 200, "error": "" if status == 200 else "no"}, status=status)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def journal(clock: VirtualClock) -> Journal:
    return Journal(clock)


@pytest.fixture
def phone(clock: VirtualClock, journal: Journal) -> Phone:
    numbers = count(1)
    return Phone(clock, journal, lambda: f"{next(numbers):064x}", name="Ada's iPhone")


@pytest.fixture
async def relay() -> AsyncIterator[StandInRelay]:
    relay = StandInRelay()
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def opencode(clock: VirtualClock, journal: Journal) -> AsyncIterator[OpenCodeServer]:
    server = OpenCodeServer(clock, journal)
    await server.start()
    yield server
    if server.running:
        await server.close()


@pytest.fixture(params=KINDS)
async def scene(
    request: pytest.FixtureRequest,
    clock: VirtualClock,
    journal: Journal,
    relay: StandInRelay,
    opencode: OpenCodeServer,
) -> AsyncIterator[Scene]:
    """A phone to be, its server and its relay; for both kinds of app."""
    scene = Scene(clock, journal, relay, opencode, request.param)
    yield scene
    for phone in scene.phones:
        await phone.app.close()


@pytest.fixture
def link(relay: StandInRelay) -> str:
    return (
        f'{{"v":1,"serverID":"{SERVER_ID}","relayURL":"{relay.url}",'
        f'"relaySecret":"{SECRET}","hosts":["http://127.0.0.1:4096"]}}'
    )


@pytest.fixture
def alert(phone: Phone) -> Callable[..., Delivered]:
    """A push for the phone as the relay sends it: the app's fields at the root and under `body`."""

    def make(
        event_type: str = "complete", session_id: str = "ses_1", title: str = "Fix it", **more: Any
    ) -> Delivered:
        fields = {
            "serverID": SERVER_ID,
            "eventType": event_type,
            "sessionID": session_id,
            "url": f"mobilevoice://session/{session_id}",
        }
        payload = {"aps": {"alert": {"title": title, "body": "All done."}}, **fields, "body": fields}
        given = {
            "payload": payload,
            "device_token": phone.app.token,
            "topic": BUNDLE_ID,
            "push_type": "alert",
        }
        return Delivered(**(given | more))

    return make


@pytest.fixture
async def ticking(clock: VirtualClock) -> AsyncIterator[None]:
    """Virtual time passes while others wait."""
    async with passing(clock, step=0.25):
        yield
