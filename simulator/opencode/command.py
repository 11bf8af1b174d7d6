"""`simulator opencode`: scripted OpenCode servers alone, with as many busy sessions as wanted, for any client of them."""

import asyncio
import contextlib
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Literal, Protocol

from simulator.clock import Clock, RealClock
from simulator.journal import Journal
from simulator.opencode.scheduler import Ending
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.v2.service_file import registered, state_home
from simulator.opencode.writer import MIXED, Writer
from simulator.process import CommandError
from simulator.stopping import on_stop

_JOURNAL_SIZE = 10_000

Generation = Literal["1", "2", "both"]
PORT, SERVICE_PORT = 4096, 49374
"""Where `opencode serve` listens, and where generation 2's background service does."""


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


class Prompted(Protocol):
    """The API of a server of either generation, as far as a virtual user needs it."""

    def begin(self, directory: str, title: str) -> str:
        """A new session; its identifier."""
        ...

    def turn(self, session_id: str, text: str) -> Awaitable[Ending] | None:
        """Prompt it; how the turn ends, or None if nobody answers."""
        ...


async def run_load(load: Load, api: Prompted, writer: Writer, clock: Clock) -> dict[str, int]:
    """Let the virtual users work; how many turns each session has ended. Who is cut off when the server dies gives up."""
    ended: dict[str, int] = {}

    async def user(number: int) -> None:
        await clock.sleep(load.spread * number / load.sessions)
        session_id = api.begin(writer.directory(), writer.title())
        ended[session_id] = 0
        for _ in count() if load.turns is None else range(load.turns):
            turn = api.turn(session_id, writer.prompt())
            if turn is not None:
                await turn
            ended[session_id] += 1
            await clock.sleep(writer.random.uniform(0, load.pause))

    async with asyncio.TaskGroup() as users:
        for number in range(load.sessions):
            users.create_task(user(number), name=f"opencode-user-{number}")
    return ended


@dataclass(frozen=True, slots=True)
class OpenCodeOptions:
    """The command line. Port None is the generation's usual one, 0 any free one; `rate` is words a second and session;
    `turns` None goes on for ever.

    `scenario` names what becomes of prompts that hold no script (simulator.opencode.writer); `sessions` of them are made
    and prompted by the simulator itself. With `password` the server asks for HTTP Basic authentication; generation 2 always
    does. `flavour`, `managed` and `service_file` (an empty path: the user's own) are generation 2's.
    """

    port: int | None = None
    sessions: int = 0
    rate: float = 20.0
    scenario: str = MIXED
    seed: int = 0
    turns: int | None = None
    pause: float = 5.0
    password: str | None = None
    username: str = "opencode"
    directory: str = "/code/demo"
    generation: Generation = "1"
    flavour: str | None = None
    managed: bool = False
    service_file: str | None = None

    def each(self) -> "list[OpenCodeOptions]":
        """One for each server; of two the second has the next port, if the first was given one. Raises CommandError."""
        if self.generation == "1" and (self.flavour or self.managed or self.service_file is not None):
            raise CommandError(
                "--flavour, --managed and --service-file are generation 2's: add --generation 2 (or both)"
            )
        if self.service_file is not None and not self.managed:
            raise CommandError("only the background service registers in a file: add --managed")
        if self.generation != "both":
            return [self]
        first = replace(self, generation="1", flavour=None, managed=False, service_file=None)
        return [first, replace(self, generation="2", port=self._next_port())]

    def _next_port(self) -> int | None:
        if self.port is None:
            return None if self.managed else PORT + 1
        return self.port + 1 if self.port else 0


def password_of(options: OpenCodeOptions, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Generation 2's password, and whether it was made up: as the real one, from the environment, else a random one."""
    given = environment.get("OPENCODE_PASSWORD") or environment.get("OPENCODE_SERVER_PASSWORD")
    known = options.password or given
    return (known, False) if known else (secrets.token_urlsafe(32), True)


async def serve(options: OpenCodeOptions) -> None:
    """Start, say where, and run until SIGINT or SIGTERM. Raises CommandError, UnknownScenario or ValueError."""
    stop = asyncio.Event()
    on_stop(stop.set)
    async with AsyncExitStack() as servers:
        for one in options.each():
            if one.generation == "2":
                await _serve_2(servers, one)
            else:
                await _serve_1(servers, one)
        await stop.wait()
    print("Stopped.", flush=True)


async def _serve_1(servers: AsyncExitStack, options: OpenCodeOptions) -> None:
    server = await servers.enter_async_context(running(options))
    if options.password is None:
        print("Warning: no password is set; server is unsecured.", flush=True)
    print(f"opencode server listening on {server.url}", flush=True)


async def _serve_2(servers: AsyncExitStack, options: OpenCodeOptions) -> None:
    password, made_up = password_of(options, os.environ)
    server = await servers.enter_async_context(running_2(options, password))
    print(f"server listening on {server.url}", flush=True)
    if made_up:
        print(f"server password {password}", flush=True)
    if options.service_file is not None:
        print(f"registered in {_service_file(options)}", flush=True)


@asynccontextmanager
async def running(options: OpenCodeOptions) -> AsyncIterator[OpenCodeServer]:
    """A server of generation 1, up, with its load at work; afterwards it is gone, without a farewell, as the real one."""
    clock = RealClock()
    writer = Writer(options.seed, options.rate, options.scenario)
    server = OpenCodeServer(
        clock, Journal(clock, _JOURNAL_SIZE), password=options.password, username=options.username,
        directory=options.directory, source=random.Random(options.seed), model=writer.react,
    )  # fmt: skip
    async with _at_work(server, server.api, options, writer, PORT):
        yield server


@asynccontextmanager
async def running_2(options: OpenCodeOptions, password: str) -> AsyncIterator[OpenCode2Server]:
    """The same of generation 2. Raises CommandError also if another service is registered where this one would be."""
    clock = RealClock()
    writer = Writer(options.seed, options.rate, options.scenario)
    file = None if options.service_file is None else _service_file(options)
    if file is not None and (pid := registered(file)) is not None:
        raise CommandError(f"process {pid} is registered in {file}: stop it, or give another --service-file")
    server = OpenCode2Server(
        clock, Journal(clock, _JOURNAL_SIZE), password=password, directory=options.directory,
        flavour=options.flavour or "2.1", managed=options.managed, service_file=file, pid=os.getpid(),
        source=random.Random(options.seed), model=writer.react,
    )  # fmt: skip
    async with _at_work(server, server.api, options, writer, SERVICE_PORT if options.managed else PORT):
        yield server


@asynccontextmanager
async def _at_work(
    server: OpenCodeServer | OpenCode2Server,
    api: Prompted,
    options: OpenCodeOptions,
    writer: Writer,
    usual: int,
) -> AsyncIterator[None]:
    port = usual if options.port is None else options.port
    try:
        await server.start(port)
    except OSError as error:
        raise CommandError(f"--port {port} cannot be used: {error.strerror or error}") from None
    load = Load(options.sessions, options.turns, options.pause)
    users = asyncio.create_task(run_load(load, api, writer, RealClock()), name="opencode-load")
    try:
        yield
    finally:
        users.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await users
        await server.close()


def _service_file(options: OpenCodeOptions) -> Path:
    return Path(options.service_file) if options.service_file else state_home(os.environ)
