"""`simulator opencode`: a scripted OpenCode server alone, with as many busy sessions as wanted, for any client of it."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.opencode.crowd import Crowd, gather
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.writer import MIXED, Writer
from simulator.process import CommandError

_JOURNAL_SIZE = 10_000


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
    """The server, up, with its crowd at work; afterwards it is gone, without a farewell, as the real one."""
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
    crowd = Crowd(options.sessions, options.turns, options.pause)
    people = asyncio.create_task(gather(crowd, server.desk, writer, clock), name="opencode-crowd")
    try:
        yield server
    finally:
        people.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await people
        await server.close()
