"""A fake server on a real socket, a listener on its streams, and a clock that runs while somebody waits."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from passing_time import passing
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v1.player import Player
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.v2.server import OpenCode2Server
from waiting import PATIENCE


class Listener:
    """Reads one event stream: every event, every chunk as it arrived, and how it ended."""

    def __init__(self, http: aiohttp.ClientSession, url: str, **options) -> None:
        self._http = http
        self._url = url
        self._options = options
        self._changed = asyncio.Event()
        self.headers: dict[str, str] = {}
        self.status = 0
        self.raw = b""
        self.ended: str | None = None
        self._task = asyncio.create_task(self._read(), name=f"listen {url}")

    @property
    def events(self) -> list[dict]:
        """All events so far."""
        blocks = self.raw.split(b"\n\n")[:-1]
        return [json.loads(block.removeprefix(b"data: ")) for block in blocks if block[:1] != b":"]

    @property
    def heartbeats(self) -> int:
        """How many comments came."""
        return self.raw.count(b": heartbeat\n\n")

    @property
    def types(self) -> list[str]:
        """Their types, of either form of stream."""
        return [event.get("payload", event)["type"] for event in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def count(self, number: int) -> list[dict]:
        await self.until(lambda: len(self.events) >= number)
        return self.events

    async def end(self) -> str:
        async with asyncio.timeout(PATIENCE):
            await self._task
        assert self.ended is not None
        return self.ended

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _read(self) -> None:
        try:
            async with self._http.get(self._url, **self._options) as response:
                self.status, self.headers = response.status, dict(response.headers)
                async for chunk in response.content.iter_any():
                    self.raw += chunk
                    self._changed.set()
            self.ended = "EOF"
        except aiohttp.ClientError as error:
            self.ended = type(error).__name__
        finally:
            self._changed.set()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def journal(clock: VirtualClock) -> Journal:
    return Journal(clock)


@pytest.fixture
async def server(clock: VirtualClock, journal: Journal) -> AsyncIterator[OpenCodeServer]:
    server = OpenCodeServer(clock, journal)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def player(server: OpenCodeServer, clock: VirtualClock, journal: Journal) -> Player:
    return Player(server, clock, journal)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


@pytest.fixture
async def listen(server: OpenCodeServer, http: aiohttp.ClientSession) -> AsyncIterator[Callable]:
    """`await listen("/global/event")`: a listener that has heard server.connected."""
    listeners: list[Listener] = []

    async def start(path: str = "/global/event", **options) -> Listener:
        listener = Listener(http, server.url + path, **options)
        listeners.append(listener)
        await listener.until(lambda: bool(listener.raw) or listener.ended is not None)
        return listener

    yield start
    for listener in listeners:
        await listener.close()


@pytest.fixture
async def ticking(clock: VirtualClock) -> AsyncIterator[None]:
    """Virtual time passes in steps of 50 ms, as fast as the machine lets everybody else act in between."""
    async with passing(clock, step=0.05):
        yield


@pytest.fixture
def happened(journal: Journal) -> Callable:
    """`await happened("stream ended")`: return when the journal says so."""

    async def wait(what: str) -> None:
        written = asyncio.Event()
        stop = journal.listen(lambda entry: written.set() if entry.what == what else None)
        if journal.entries(what=what):
            written.set()
        async with asyncio.timeout(PATIENCE):
            await written.wait()
        stop()

    return wait


@pytest.fixture
def ask(server: OpenCodeServer, http: aiohttp.ClientSession) -> Callable:
    """`await ask("GET", "/path", body)`: (status, JSON or text)."""

    async def request(method: str, path: str, body=None, **options):
        async with http.request(method, server.url + path, json=body, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    return request


PASSWORD = "pässwort"
"""Not ASCII: its bytes are UTF-8 in every header."""


def credentials(password: str = PASSWORD, user: str = "opencode") -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": aiohttp.encode_basic_auth(user, password, "utf-8")}


@pytest.fixture
async def server2(clock: VirtualClock, journal: Journal) -> AsyncIterator[OpenCode2Server]:
    """An OpenCode 2 that answers no prompts."""
    server = OpenCode2Server(clock, journal, password=PASSWORD)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def listen2(http: aiohttp.ClientSession) -> AsyncIterator[Callable]:
    """`await listen2(server)`: a listener to /api/event that has heard server.connected."""
    listeners: list[Listener] = []

    async def start(server: OpenCode2Server, path: str = "/api/event", **headers: str) -> Listener:
        listener = Listener(http, server.url + path, headers=credentials() | headers)
        listeners.append(listener)
        await listener.until(lambda: bool(listener.raw) or listener.ended is not None)
        return listener

    yield start
    for listener in listeners:
        await listener.close()


@pytest.fixture
def ask2(server2: OpenCode2Server, http: aiohttp.ClientSession) -> Callable:
    """`await ask2("GET", "/path", body)`: (status, JSON or text) of an OpenCode 2, with its password."""

    async def request(method: str, path: str, body=None, **headers: str):
        sent = credentials() | headers
        async with http.request(method, server2.url + path, json=body, headers=sent) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    return request
