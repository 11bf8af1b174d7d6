"""The OpenCode 2 of a few lines that tests of the bridge drive answers as the simulator's does, which is held to recordings.

It stays beside it because it also answers what no OpenCode does: broken frames, routes that fail once, odd versions.
"""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from component.bridge.fake_opencode import DIRECTORY
from component.bridge.fake_opencode2 import PASSWORD, FakeOpenCode2
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.opencode.v2.server import OpenCode2Server
from waiting import PATIENCE, eventually

HEADERS = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD, "utf-8")}
PATHS = (
    "/api/info",
    "/api/session?parentID=null&limit=5",
    "/api/session/active",
    "/api/session/ses_a",
    "/api/session/ses_a/message?limit=5",
    "/api/debug/location",
    f"/api/permission/request?location[directory]={DIRECTORY}",
    f"/api/form?location[directory]={DIRECTORY}",
)


def differences(few: Any, whole: Any, path: str = "") -> list[str]:
    """Where `few` says something that `whole` does not say, or in another type."""
    if isinstance(few, dict) and isinstance(whole, dict):
        found = [f"{path}{key} is not there" for key in few if key not in whole]
        both = [key for key in few if key in whole]
        return found + [one for key in both for one in differences(few[key], whole[key], f"{path}{key}.")]
    if isinstance(few, list) and isinstance(whole, list):
        pairs = zip(few, whole, strict=False)
        return [one for number, (a, b) in enumerate(pairs) for one in differences(a, b, f"{path}{number}.")]
    if isinstance(few, int | float) and isinstance(whole, int | float):
        return []
    return [] if type(few) is type(whole) else [f"{path} {few!r} is no {type(whole).__name__}"]


def play_few(double: FakeOpenCode2) -> None:
    """A turn that ended, and another that waits for a permission and a form."""
    double.begin("ses_a")
    double.end("ses_a", "succeeded", "It is fixed.")
    double.begin("ses_a")
    double.ask("ses_a", "per_1")
    double.question("ses_a", "frm_1")


def play_whole(server: OpenCode2Server) -> None:
    """The same."""
    for number in (1, 2):
        owner = {"sessionID": "ses_a"}
        server.api.prompt("ses_a", {"id": f"msg_{number}", "text": "Fix it"})
        step = {**owner, "assistantMessageID": f"msg_{number}a"}
        publish = server.process.publish
        publish("session.execution.started", owner)
        publish("session.inbox.delivered", {**owner, "inboxID": f"msg_{number}"})
        publish("session.step.started", {**step, "agent": "build", "model": {"id": "m", "providerID": "p"}})
        if number == 1:
            publish("session.text.started", {**step, "ordinal": 0})
            publish("session.text.ended", {**step, "ordinal": 0, "text": "It is fixed."})
            publish("session.step.ended", {**step, "finish": "stop", "cost": 0, "tokens": {}})
            publish("session.execution.succeeded", owner)
    server.api.ask_permission("ses_a", {"action": "shell", "resources": ["npm test"]})
    options = [{"value": "Red", "label": "Red"}]
    fields = [{"key": "q0", "type": "string", "description": "Which?", "options": options}]
    server.api.ask_form("ses_a", {"title": "Questions", "fields": fields})


class Heard:
    """What is on a stream from now on, by type, the first of each."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.task = asyncio.create_task(self._read(http, url))

    async def _read(self, http: aiohttp.ClientSession, url: str) -> None:
        async with http.get(f"{url}/api/event", headers=HEADERS) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    self.events.setdefault(event["type"], event)


@pytest.fixture
async def both(http: aiohttp.ClientSession):
    clock = RealClock()
    double = FakeOpenCode2()
    server = OpenCode2Server(clock, Journal(clock), password=PASSWORD, directory=DIRECTORY)
    await double.start()
    await server.start()
    double.create("ses_a", "Fix the parser")
    server.api.create({"id": "ses_a", "title": "Fix the parser", "location": {"directory": DIRECTORY}})
    heard = Heard(http, double.url), Heard(http, server.url)
    async with asyncio.timeout(PATIENCE):
        await eventually(lambda: all("server.connected" in one.events for one in heard))
    play_few(double)
    play_whole(server)
    yield double, server, heard
    for one in heard:
        one.task.cancel()
    double.cut()
    await double.stop()
    await server.close()


@pytest.mark.parametrize("path", PATHS)
async def test_its_answers_say_nothing_that_the_simulator_does_not(both, http, path: str) -> None:
    said = []
    for server in both[:2]:
        async with http.get(server.url + path, headers=HEADERS) as response:
            said.append((response.status, await response.json()))
    (status, few), (also, whole) = said
    assert (status, status) == (also, 200)
    assert differences(few, whole) == []


async def test_its_events_say_nothing_that_the_simulator_does_not(both) -> None:
    few, whole = (one.events for one in both[2])
    await eventually(lambda: "form.created" in few and "form.created" in whole)
    assert set(few) <= set(whole)
    for kind, event in few.items():
        assert differences(event, whole[kind]) == []
        assert ("location" in event) == ("location" in whole[kind])
