"""`simulator opencode`: a scripted server with a load, in this process and as one of its own."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.command import Load, OpenCodeOptions, run_load, running
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.writer import Writer
from simulator.process import CommandError
from simulator.scenario import UnknownScenario
from waiting import PATIENCE


async def events(url: str, http: aiohttp.ClientSession, **options) -> AsyncIterator[dict]:
    async with http.get(f"{url}/global/event", **options) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))["payload"]


async def test_a_server_with_sessions_that_work_by_themselves(http) -> None:
    ended: set[str] = set()
    async with running(OpenCodeOptions(port=0, sessions=5, rate=500, scenario="text", pause=0.1)) as server:
        async with asyncio.timeout(PATIENCE):
            async for event in events(server.url, http):
                if event["type"] == "session.idle":
                    ended.add(event["properties"]["sessionID"])
                if len(ended) == 5:
                    break
        async with http.get(f"{server.url}/experimental/session") as response:
            assert {one["id"] for one in await response.json()} == ended
    assert not server.running


async def test_a_server_that_works_only_when_asked(http) -> None:
    async with running(OpenCodeOptions(port=0, rate=500, scenario="permission_waits")) as server:
        async with http.post(f"{server.url}/session", json={}) as response:
            session = await response.json()
        said = {"parts": [{"type": "text", "text": "hello"}]}
        async with asyncio.timeout(PATIENCE):
            async with http.post(f"{server.url}/session/{session['id']}/prompt_async", json=said) as response:
                assert response.status == 204
            asked: list = []
            while not asked:
                async with http.get(f"{server.url}/permission") as response:
                    asked = await response.json()
    assert asked[0]["permission"] == "bash"


async def test_a_port_in_use() -> None:
    async with running(OpenCodeOptions(port=0)) as server:
        with pytest.raises(CommandError, match=rf"--port {server.port} cannot be used: .*in use"):
            async with running(OpenCodeOptions(port=server.port)):
                pass


async def test_options_that_mean_nothing() -> None:
    with pytest.raises(UnknownScenario, match="'dance'"):
        async with running(OpenCodeOptions(port=0, scenario="dance")):
            pass
    with pytest.raises(ValueError, match="must be above 0"):
        async with running(OpenCodeOptions(port=0, rate=0)):
            pass


async def load_of(clock: VirtualClock, seed: int, load: Load) -> tuple[list[bytes], dict[str, int]]:
    """All that was sent while a load worked, and how many turns each session ended."""
    writer = Writer(seed, rate=50)
    server = OpenCodeServer(clock, Journal(clock), model=writer.react)
    lines: list[bytes] = []
    server.process.streams.send = lambda frames: lines.extend(one.global_line for one in frames)
    people = asyncio.create_task(run_load(load, server.api, writer, clock))
    for _ in range(1000):
        if people.done():
            break
        await clock.advance(1.0)
    server.api.die()
    return lines, await people


async def test_a_load_ends_all_its_turns() -> None:
    _, ended = await load_of(VirtualClock(), 1, Load(20, turns=3, pause=2.0))
    assert list(ended.values()) == [3] * 20


async def test_the_same_seed_gives_the_same_load() -> None:
    one, other, third = [(await load_of(VirtualClock(), seed, Load(5, turns=2)))[0] for seed in (1, 1, 2)]
    assert one == other
    assert one != third


async def test_a_load_gives_up_when_its_server_dies(clock) -> None:
    writer = Writer(1, rate=1, scenario="text")
    server = OpenCodeServer(clock, Journal(clock), model=writer.react)
    people = asyncio.create_task(run_load(Load(5), server.api, writer, clock))
    await clock.advance(1.5)
    server.api.die()
    async with asyncio.timeout(PATIENCE):
        assert list((await people).values()) == [0] * 5


async def test_nobody_answers_a_load_without_a_model(clock) -> None:
    server = OpenCodeServer(clock, Journal(clock))
    people = asyncio.create_task(run_load(Load(2, turns=1, pause=0.0), server.api, Writer(1), clock))
    await clock.advance(5)
    assert list((await people).values()) == [1, 1]


PROGRAM = """
import asyncio
from simulator.opencode.command import OpenCodeOptions, serve
asyncio.run(serve(OpenCodeOptions(port=0, sessions=2, rate=50, scenario="text", {options})))
"""
WARNING = b"Warning: no password is set; server is unsecured.\n"


@contextlib.asynccontextmanager
async def program(options: str = "") -> AsyncIterator[tuple[asyncio.subprocess.Process, bytes, str]]:
    """A process that serves, what it says before it is ready, and its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(options=options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            warning = b""
            while not (line := await process.stdout.readline()).startswith(b"opencode server listening"):
                assert line, "it ended before it was ready"
                warning += line
        yield process, warning, line.decode().removeprefix("opencode server listening on ").strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
async def test_a_process_that_is_ended_says_no_farewell(http, number: signal.Signals, status: int) -> None:
    received: list[str] = []
    async with program() as (process, warning, url):
        assert warning == WARNING

        async def listen() -> None:
            async for event in events(url, http):
                received.append(event["type"])
                if received.count("message.part.delta") == 3:
                    process.send_signal(number)

        with pytest.raises(aiohttp.ClientPayloadError):
            await listen()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == status
    assert received[0] == "server.connected"
    assert "server.instance.disposed" not in received


async def test_a_process_with_a_password_does_not_warn(http) -> None:
    async with program('password="secret"') as (_, warning, url), http.get(url) as response:
        assert response.status == 401
    assert warning == b""
