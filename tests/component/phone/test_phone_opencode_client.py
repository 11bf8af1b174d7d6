"""The app's connection to OpenCode: hosts, answers that are none, streams that end."""

import asyncio

import pytest
from aiohttp import web

from simulator.opencode.v2.server import OpenCode2Server
from simulator.phone.app.http import OpenCodeAway
from simulator.phone.app.opencode import OpenCodeClient
from simulator.phone.app.opencode1 import OpenCode1
from simulator.phone.app.opencode2 import OpenCode2
from simulator.phone.app.relay_client import Tasks


async def test_the_first_host_that_answers_is_used_until_it_is_gone(opencode) -> None:
    client = OpenCodeClient(["http://127.0.0.1:9", opencode.url + "/"])
    server = await client.server()
    assert isinstance(server, OpenCode1)
    assert await server.session("ses_nope") is None
    assert await server.sessions() == []
    assert await server.last_message("ses_nope") is None
    assert await server.statuses("/code/demo") == {}
    assert await server.requests("/code/demo") == []
    assert await client.server() is server
    await opencode.close()
    with pytest.raises(OpenCodeAway, match=r"none of http://127\.0\.0\.1:9, http.* answers"):
        await client.server()


async def test_the_generation_is_told_by_what_answers_and_asked_for_again(clock, journal, opencode) -> None:
    """Generation 1 answers the other's route with its web page; an update in place changes the server at the same port."""
    client = OpenCodeClient([opencode.url], "pässwort")
    assert isinstance(await client.server(), OpenCode1)
    await opencode.close()
    second = OpenCode2Server(clock, journal, password="pässwort")
    await second.start(opencode.port)
    server = await client.server()
    assert isinstance(server, OpenCode2)
    assert (await server.session("ses_nope"), await server.sessions()) == (None, [])
    made = second.api.create({"title": "Fix it"})
    child = second.api.create({"title": "Search", "parentID": made["id"]})
    assert [info["title"] for info in await server.children(made["id"])] == [child["title"]]
    with pytest.raises(OpenCodeAway, match="none of"):
        await OpenCodeClient([second.url], "another").server()
    await second.close()


@pytest.mark.parametrize("last", ["", "data: not JSON\n\n"])
async def test_a_stream_that_ends(last: str) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def stream(_: web.Request) -> web.Response:
        first = 'data: {"payload":{"type":"server.connected","properties":{}}}\n\n'
        return web.Response(text=first + 'data: {"payload":{"type":"sync"}}\n\n: comment\n\n' + last)

    app = web.Application()
    app.router.add_get("/global/health", health)
    app.router.add_get("/global/event", stream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = OpenCodeClient([f"http://127.0.0.1:{runner.addresses[0][1]}"])
    events = (await client.server()).events()
    assert (await anext(events))["type"] == "server.connected"
    with pytest.raises(OpenCodeAway, match=r"global/event (ended|broke off)"):
        await anext(events)
    await runner.cleanup()


async def test_a_web_page_is_no_answer() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(OpenCodeAway):
        await OpenCodeClient([f"http://127.0.0.1:{runner.addresses[0][1]}"]).server()
    await runner.cleanup()


async def test_a_task_that_fails_is_not_lost() -> None:
    async def fail() -> None:
        raise RuntimeError("it broke")

    async def wait() -> None:
        await asyncio.Event().wait()

    tasks = Tasks()
    waiting = tasks.start(wait(), "waits")
    failing = tasks.start(fail(), "fails")
    await asyncio.wait([failing])
    assert len(tasks) == 1
    with pytest.raises(RuntimeError, match="it broke"):
        await tasks.close()
    assert waiting.cancelled()
    assert len(tasks) == 0
