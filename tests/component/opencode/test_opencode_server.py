"""A server's life: started, cut, started again, closed; with and without a password."""

import asyncio
import base64
import time

import aiohttp
import pytest

from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.server import OpenCodeServer

D = "/code/demo"
PASSWORD = "correct horse"
STREAM = b"GET /global/event HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_free_port_or_a_given_one(clock, journal, server) -> None:
    assert server.running
    assert server.url == f"http://127.0.0.1:{server.port}"
    other = OpenCodeServer(clock, journal)
    with pytest.raises(OSError, match="in use"):
        await other.start(server.port)
    assert not other.running
    await server.close()
    await other.start(server.port)
    assert other.port == server.port > 0
    await other.close()


async def test_what_is_a_mistake_in_which_state(server, journal) -> None:
    with pytest.raises(RuntimeError, match="listens already"):
        await server.start()
    await server.cut()
    await server.start()
    await server.close()
    await server.close()
    assert not server.running
    with pytest.raises(RuntimeError, match="does not run"):
        await server.cut()
    assert [entry.what for entry in journal.entries("opencode")] == ["started", "cut", "started", "closed"]


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_streams_die_at_once_in_the_middle_of_the_body(listen, server, http, end: str) -> None:
    """As with SIGKILL and SIGTERM of the real server: no event, no last chunk (aiohttp calls it ClientPayloadError)."""
    streams = [await listen(path) for path in ("/global/event", "/event") * 3]
    began = time.monotonic()
    await getattr(server, end)()
    assert time.monotonic() - began < 1.0
    for listener in streams:
        assert await listener.end() == "ClientPayloadError"
        assert listener.types == ["server.connected"]
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(server.url + "/global/health")


async def test_what_was_sent_before_the_cut_still_arrives(listen, server, clock) -> None:
    listener = await listen()
    await clock.advance(0.021)
    server.process.act(D, Effect((("session.idle", {"sessionID": "ses_1"}),)))
    await server.cut()
    await listener.end()
    assert listener.types == ["server.connected", "session.idle"]


async def test_a_reader_that_stalls_does_not_delay_the_end(server, clock, happened) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(STREAM)
    await happened("stream opened")
    await clock.advance(0.021)
    big = {"sessionID": "ses_1", "text": "x" * 8_000_000}
    server.process.act(D, Effect((("session.idle", big),)))
    await asyncio.sleep(0)
    began = time.monotonic()
    await server.cut()
    assert time.monotonic() - began < 3.0
    writer.transport.abort()


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("username", ["opencode", "ada"])
async def test_a_password_guards_every_route(clock, journal, http, username: str) -> None:
    server = OpenCodeServer(clock, journal, password=PASSWORD, username=username)
    await server.start()
    token = basic(username, PASSWORD)
    for path in ("/global/health", "/global/event", "/event", "/session", "/no/such/route"):
        for wrong in (None, basic(username, "wrong"), basic("root", PASSWORD)):
            headers = {} if wrong is None else {"Authorization": f"Basic {wrong}"}
            async with http.get(server.url + path, headers=headers) as response:
                assert (response.status, await response.read()) == (401, b"")
                assert response.headers["WWW-Authenticate"] == 'Basic realm="Secure Area"'
        for right in ({"headers": {"Authorization": f"Basic {token}"}}, {"params": {"auth_token": token}}):
            async with http.get(server.url + path, **right) as response:
                assert response.status == 200
    await server.close()
