"""`relay doctor --contract` beside running servers: what it prints, its JSON, its exit status."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_opencode2 import PASSWORD, FakeOpenCode2
from relay.__main__ import _parser
from relay.bridge.errors import NotOpenCode, OptionError
from relay.bridge.options import BridgeOptions
from relay.doctor.command import contract_drift
from relay.doctor.finding import Case
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.opencode.v2.server import OpenCode2Server

NEWEST = json.loads((Path(__file__).parents[2] / "recordings" / "openapi2-2.1.json").read_text())
BETA = json.loads((Path(__file__).parents[2] / "recordings" / "openapi2-beta.json").read_text())

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`await run(url)`: the exit status, and what is printed."""

    async def compare(url: str, *, as_json: bool = False, stopped: bool = False) -> tuple[int, str]:
        out, stop = io.StringIO(), asyncio.Event()
        if stopped:
            stop.set()
        options = BridgeOptions(url, "http://127.0.0.1:9", password=PASSWORD)
        case = Case(options, {"XDG_STATE_HOME": str(tmp_path)})
        return await contract_drift(case, stop=stop, out=out, as_json=as_json), out.getvalue()

    return compare


@pytest.fixture
async def documented() -> AsyncIterator[Callable[[Any], Awaitable[FakeOpenCode2]]]:
    """`await documented(value)`: a server whose API document is this."""
    servers: list[FakeOpenCode2] = []

    async def start(value: Any) -> FakeOpenCode2:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(value)

        server = FakeOpenCode2(web.get("/openapi.json", answer))
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


async def test_a_server_that_has_everything(
    run: Run, documented: Callable[[Any], Awaitable[FakeOpenCode2]]
) -> None:
    server = await documented(NEWEST)
    assert await run(server.url) == (
        0,
        f"OpenCode 2.1.2 (server generation 2, in the foreground) at {server.url}, compared with what the bridge knows "
        "of OpenCode 2:\nEverything that the bridge reads is there.\n",
    )
    status, text = await run(server.url, as_json=True)
    assert status == 0
    said = {"ok": True, "url": server.url, "version": "2.1.2", "differences": [], "undescribed": []}
    assert json.loads(text) == said


@pytest.mark.parametrize("flavour", ["2.0", "2.1"])
async def test_the_simulators_server_has_every_route_and_event(run: Run, flavour: str) -> None:
    clock = RealClock()
    server = OpenCode2Server(clock, Journal(clock), password=PASSWORD, flavour=flavour)
    await server.start()
    try:
        status, text = await run(server.url)
    finally:
        await server.close()
    assert status == 0
    assert "The document does not say the fields of GET /api/info, " in text
    assert text.endswith("Everything that the bridge reads is there.\n")


async def test_one_that_lacks_something(
    run: Run, documented: Callable[[Any], Awaitable[FakeOpenCode2]]
) -> None:
    server = await documented(BETA)
    status, text = await run(server.url)
    assert status == 1
    assert "\nmissing  POST /api/pair: there is no such route\n" in text
    assert "12 missing, 0 changed, 0 new: what is missing or changed may cost alerts" in text
    status, text = await run(server.url, as_json=True)
    assert (status, json.loads(text)["ok"]) == (1, False)
    assert json.loads(text)["differences"][0]["where"] == "GET /api/info"


async def test_what_is_new_does_no_harm(
    run: Run, documented: Callable[[Any], Awaitable[FakeOpenCode2]]
) -> None:
    value = json.loads(json.dumps(NEWEST))
    value["paths"]["/api/session/{id}/mood"] = {"get": {}}
    status, text = await run((await documented(value)).url)
    assert status == 0
    assert text.endswith("Everything that the bridge reads is there; 1 new, which it skips.\n")


async def test_what_cannot_be_compared_is_one_sentence(
    run: Run, documented: Callable[[Any], Awaitable[FakeOpenCode2]]
) -> None:
    first, second = FakeOpenCode(), FakeOpenCode2()
    await first.start()
    await second.start()
    try:
        with pytest.raises(OptionError, match="is not compared: --contract is about OpenCode 2"):
            await run(first.url)
        with pytest.raises(NotOpenCode, match="shows no API document"):
            await run(second.url)
        with pytest.raises(NotOpenCode, match="has an API document without any route"):
            await run((await documented({})).url)
        assert await run(second.url, stopped=True) == (1, "")
    finally:
        await first.stop()
        await second.stop()


def test_it_is_a_word_of_the_doctor() -> None:
    assert _parser({}.get).parse_args(["doctor", "--contract", "--json"]).contract
