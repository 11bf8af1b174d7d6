"""The relay, served over HTTP in this process on a clock that a story turns."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from relay.server import settings
from relay.server.app import RelayApp
from relay.server.serve import serve
from simulator.clock import VirtualClock
from simulator.loopback import free_port

PATIENCE_SECONDS = 30.0
TURNS = 10


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when `condition()` is true, plain or async. TimeoutError if it never is."""
    gives_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = condition()
        if await found if isinstance(found, Awaitable) else found:
            return
        if time.monotonic() > gives_up_at:
            raise TimeoutError(f"still waiting after {PATIENCE_SECONDS:g} s: {condition.__qualname__}")
        await asyncio.sleep(0.002)


async def turns() -> None:
    """Let whoever was just woken begin."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


Json = dict[str, Any]

SLEEPERS = 4
"""Tasks of a relay with nothing to do that wait for the clock: of alerts and of Live Activities, one polls and one sweeps."""


class RunningRelay:
    """Start it, stop it, start it again on the same port and database. `log` holds its lines, the level first."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._port = free_port()
        self._serving: asyncio.Task[None] | None = None
        self._http = aiohttp.ClientSession()
        self.log = _kept_log()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._serving is not None

    async def start(self, environment: dict[str, str]) -> None:
        """Start it on the database of this environment, which is a SQLite file; return when it answers."""
        self._stop = asyncio.Event()
        self._database = environment["DATABASE_URL"].removeprefix("sqlite://")
        configured = settings.load(environment | {"PORT": str(self._port)})
        self._serving = asyncio.create_task(serve(configured, self._stop, self._clock, self._keep))
        await until(self._answers)

    async def stop(self) -> None:
        """Stop it; what it still had to send stays in its database."""
        if self._serving is not None:
            self._stop.set()
            await self._serving
            self._serving = None

    async def close(self) -> None:
        """Stop it for good."""
        await self.stop()
        await self._http.close()

    async def post(self, route: str, body: Json) -> Json:
        """One request, POST /v1/ROUTE; its reply."""
        async with self._http.post(f"{self.url}/v1/{route}", json=body) as response:
            reply: Json = await response.json()
            return reply

    def ask(self, query: str, *values: Any) -> list[Json]:
        """Rows of its database, which is only read."""
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]

    @property
    def is_idle(self) -> bool:
        """It sleeps, and nothing is under way."""
        return self._clock.sleepers >= SLEEPERS and self._app.is_idle

    async def next_push(self) -> float | None:
        """Seconds until it has something to send; None if it has nothing."""
        due_at = await self._app.next_due_at()
        return None if due_at is None else due_at / 1000 - self._clock.now()

    def _keep(self, app: RelayApp) -> None:
        self._app = app

    async def _answers(self) -> bool:
        try:
            async with self._http.get(f"{self.url}/health") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def _kept_log() -> list[str]:
    """From now on the relay's log lines of this process."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    log = logging.getLogger("relay")
    log.handlers, log.propagate = [Kept()], False
    log.setLevel(logging.INFO)
    return lines
