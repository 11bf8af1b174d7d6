"""A server's life: started, cut, started again, closed; with and without a password."""

import asyncio
import base64
import time

import aiohttp
import pytest

from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.server import OpenCodeServer
from waiting import PATIENCE

D = "/code/demo"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


PASSWORD = "correct horse"


async def test_a_free_port_is_taken(server) -> None:
    assert server.running
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.port > 0


async def test_a_given_port_is_taken(clock, journal, server) -> None:
    port = server.port
    await server.close()
    other = OpenCodeServer(clock, journal)
    await other.start(port)
    assert other.port == port
    await other.close()


async def test_a_port_in_use_is_an_error(clock, journal, server) -> None:
    other = OpenCodeServer(clock, journal)
    with pytest.raises(OSError, match="in use"):
        await other.start(server.port)
    assert not other.running
    await other.close()


async def test_starting_twice_is_a_mistake(server) -> None:
    with pytest.raises(RuntimeError, match="listens already"):
        await server.start()


async def test_closing_twice_is_none(server) -> None:
    await server.close()
    await server.close()
    assert not server.running


async def test_cutting_what_does_not_run_is_a_mistake(server) -> None:
    await server.close()
    with pytest.raises(RuntimeError, match="does not run"):
        await server.cut()


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_streams_die_in_the_middle_of_the_body(listen, server, end: str) -> None:
    """As with SIGKILL and SIGTERM of the real server: no event, no last chunk (aiohttp calls it ClientPayloadError)."""
    both = [await listen("/global/event"), await listen("/event")]
    await getattr(server, end)()
    for listener in both:
        assert await listener.end() == "ClientPayloadError"
        assert listener.types == ["server.connected"]


async def test_the_cut_body_has_no_last_chunk(server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /global/event HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"server.connected")
    await server.cut()
    async with asyncio.timeout(PATIENCE):
        rest = await reader.read()
    assert not rest.endswith(b"0\r\n\r\n")
    writer.close()


async def test_what_was_sent_before_the_cut_still_arrives(listen, server, clock) -> None:
    listener = await listen()
    await clock.advance(0.021)
    server.process.act(D, Effect((("session.idle", {"sessionID": "ses_1"}),)))
    await server.cut()
    await listener.end()
    assert listener.types == ["server.connected", "session.idle"]


async def test_a_cut_server_refuses_connections(server, http) -> None:
    await server.cut()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(server.url + "/global/health")


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_open_streams_do_not_delay_the_end(listen, server, end: str) -> None:
    for _ in range(5):
        await listen()
    began = time.monotonic()
    await getattr(server, end)()
    assert time.monotonic() - began < 1.0


async def test_a_reader_that_stalls_does_not_delay_the_end(server, clock, happened) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /global/event HTTP/1.1\r\nHost: x\r\n\r\n")
    await happened("stream opened")
    await clock.advance(0.021)
    big = {"sessionID": "ses_1", "text": "x" * 8_000_000}
    server.process.act(D, Effect((("session.idle", big),)))
    await asyncio.sleep(0)
    began = time.monotonic()
    await server.cut()
    assert time.monotonic() - began < 3.0
    writer.transport.abort()


async def test_it_comes_back_on_the_same_port_without_memory(server, ask, clock) -> None:
    port = server.port
    _, info = await ask("POST", "/session", {})
    server.process.act(
        D,
        Effect(
            (
                ("session.status", {"sessionID": info["id"], "status": {"type": "busy"}}),
                ("permission.asked", {"id": "per_1", "sessionID": info["id"]}),
                ("question.asked", {"id": "que_1", "sessionID": info["id"]}),
            )
        ),
    )
    assert await ask("GET", "/session/status") == (200, {info["id"]: {"type": "busy"}})
    await server.cut()
    await server.start()
    assert server.port == port
    assert await ask("GET", "/session/status") == (200, {})
    assert await ask("GET", "/permission") == (200, [])
    assert await ask("GET", "/question") == (200, [])
    assert await ask("GET", f"/session/{info['id']}") == (200, info)


async def test_it_can_be_cut_again_and_again(server, listen) -> None:
    for _ in range(5):
        listener = await listen()
        await server.cut()
        assert await listener.end() == "ClientPayloadError"
        await server.start()


async def test_its_life_is_in_the_journal(server, journal) -> None:
    await server.cut()
    await server.start()
    await server.close()
    assert [entry.what for entry in journal.entries("opencode")] == ["started", "cut", "started", "closed"]


@pytest.fixture
async def locked(clock, journal):
    server = OpenCodeServer(clock, journal, password=PASSWORD)
    await server.start()
    yield server
    await server.close()


@pytest.mark.parametrize("path", ["/global/health", "/global/event", "/event", "/session", "/no/such/route"])
async def test_a_password_guards_every_route(locked, http, path: str) -> None:
    async with http.get(locked.url + path) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="Secure Area"'
        assert await response.read() == b""


async def test_the_password_opens_them(locked, http) -> None:
    headers = basic("opencode", PASSWORD)
    async with http.get(locked.url + "/global/health", headers=headers) as response:
        assert response.status == 200
    async with http.get(locked.url + "/global/event", headers=headers) as response:
        assert response.status == 200


async def test_a_wrong_password_does_not(locked, http) -> None:
    for user, password in (("opencode", "wrong"), ("root", PASSWORD)):
        async with http.get(locked.url + "/session", headers=basic(user, password)) as response:
            assert response.status == 401


async def test_the_token_in_the_query_opens_streams(locked, http) -> None:
    token = basic("opencode", PASSWORD)["Authorization"].removeprefix("Basic ")
    async with http.get(locked.url + "/global/event", params={"auth_token": token}) as response:
        assert response.status == 200


async def test_another_user_name(clock, journal, http) -> None:
    server = OpenCodeServer(clock, journal, password=PASSWORD, username="ada")
    await server.start()
    async with http.get(server.url + "/session", headers=basic("ada", PASSWORD)) as response:
        assert response.status == 200
    await server.close()
