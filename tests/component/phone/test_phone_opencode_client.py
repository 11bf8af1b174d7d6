"""The app's connection to OpenCode: hosts, answers that are none, streams that end."""

import asyncio

import pytest
from aiohttp import web

from simulator.phone.app.opencode_client import OpenCodeAway, OpenCodeClient
from simulator.phone.app.relay_client import Tasks


async def test_the_first_host_that_answers_is_used_until_it_is_gone(opencode) -> None:
    client = OpenCodeClient(["http://127.0.0.1:9", opencode.url + "/"])
    assert await client.session("ses_nope") is None
    assert await client.sessions() == []
    assert await client.last_message("ses_nope") is None
    assert await client.statuses("/code/demo") == {}
    assert await client.requests("/code/demo") == []
    await opencode.close()
    with pytest.raises(OpenCodeAway, match=r"none of http://127\.0\.0\.1:9, http.* answers"):
        await client.sessions()


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
    events = client.events()
    directory, event = await anext(events)
    assert (directory, event["type"]) == (None, "server.connected")
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
        await OpenCodeClient([f"http://127.0.0.1:{runner.addresses[0][1]}"]).sessions()
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
