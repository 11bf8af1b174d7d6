"""`simulator opencode`: a scripted OpenCode server alone, with as many busy sessions as wanted, for any client of it."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from simulator.clock import Clock, RealClock
from simulator.journal import Journal
from simulator.opencode.script import Json
from simulator.opencode.v1.api import Api
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.writer import MIXED, Writer
from simulator.process import CommandError

_JOURNAL_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class Load:
    """Many virtual users: each has a session, prompts it, waits for the end of the turn, thinks, and prompts again.

    `turns` prompts for each of `sessions`, or without end if None; at most `pause` seconds between two turns.

    `spread` is how many seconds it takes until all have begun.
    """

    sessions: int
    turns: int | None = None
    pause: float = 5.0
    spread: float = 1.0


async def run_load(load: Load, api: Api, writer: Writer, clock: Clock) -> dict[str, int]:
    """Let the virtual users work; how many turns each session has ended. Who is cut off when the server dies gives up."""
    ended: dict[str, int] = {}

    async def user(number: int) -> None:
        await clock.sleep(load.spread * number / load.sessions)
        session = api.create(writer.directory(), {"title": writer.title()})
        ended[session["id"]] = 0
        for _ in count() if load.turns is None else range(load.turns):
            await _prompt(api, session, writer)
            ended[session["id"]] += 1
            await clock.sleep(writer.random.uniform(0, load.pause))

    async with asyncio.TaskGroup() as users:
        for number in range(load.sessions):
            users.create_task(user(number), name=f"opencode-user-{number}")
    return ended


async def _prompt(api: Api, session: Json, writer: Writer) -> None:
    turn = api.prompt(session, {"parts": [{"type": "text", "text": writer.prompt()}]})
    if turn is not None:
        await turn


@dataclass(frozen=True, slots=True)
class OpenCodeOptions:
    """The command line. Port 0 is any free one; `rate` is words a second and session; `turns` None goes on for ever.

    `scenario` names what becomes of prompts that hold no script (simulator.opencode.writer); `sessions` of them are made
    and prompted by the simulator itself. With `password` the server asks for HTTP Basic authentication.
    """

    port: int = 4096
    sessions: int = 0
    rate: float = 20.0
    scenario: str = MIXED
    seed: int = 0
    turns: int | None = None
    pause: float = 5.0
    password: str | None = None
    username: str = "opencode"
    directory: str = "/code/demo"


async def serve(options: OpenCodeOptions) -> None:
    """Start, say where, and run until SIGINT or SIGTERM. Raises CommandError, UnknownScenario or ValueError."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options) as server:
        if options.password is None:
            print("Warning: no password is set; server is unsecured.", flush=True)
        print(f"opencode server listening on {server.url}", flush=True)
        await stop.wait()
    print("Stopped.", flush=True)


@asynccontextmanager
async def running(options: OpenCodeOptions) -> AsyncIterator[OpenCodeServer]:
    """The server, up, with its load at work; afterwards it is gone, without a farewell, as the real one."""
    clock = RealClock()
    writer = Writer(options.seed, options.rate, options.scenario)
    server = OpenCodeServer(
        clock, Journal(clock, _JOURNAL_SIZE), password=options.password, username=options.username,
        directory=options.directory, source=random.Random(options.seed), model=writer.react,
    )  # fmt: skip
    try:
        await server.start(options.port)
    except OSError as error:
        raise CommandError(f"--port {options.port} cannot be used: {error.strerror or error}") from None
    load = Load(options.sessions, options.turns, options.pause)
    users = asyncio.create_task(run_load(load, server.api, writer, clock), name="opencode-load")
    try:
        yield server
    finally:
        users.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await users
        await server.close()
