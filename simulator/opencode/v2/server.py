"""A fake OpenCode 2 server on a real socket of this machine, in this process."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from hypercorn.asyncio import serve

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.loopback import HOST, Listener, LoopbackConfig
from simulator.opencode.script import Model
from simulator.opencode.v2.access import Access
from simulator.opencode.v2.agent import Agent
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.routes import create_app
from simulator.opencode.v2.service import Service
from simulator.opencode.v2.service_file import ServiceFile
from simulator.opencode.v2.streams import QUEUE

_LAST_WORDS = 0.2
"""Seconds in which what a stream has queued may still reach the socket when the server dies."""
_STOP_DEADLINE = 5.0
_FIRST_PID = 41_000


class OpenCode2Server:
    """An `opencode serve` (or the managed service) of generation 2, to be started, cut, started again and closed.

    The database (sessions, transcripts, inboxes, saved rules) lives as long as this object; running turns and pending
    requests die with `cut` and `close`. `directory` is the working directory it claims. With `service_file` it registers
    there while it listens. `pid` is the first process number that it claims. With a `model` it is a scripted server, whose prompts are answered; without, it plays recordings.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        password: str,
        directory: str = "/code/demo",
        flavour: str = "2.1",
        managed: bool = True,
        version: str | None = None,
        service_file: Path | None = None,
        source: random.Random | None = None,
        model: Model | None = None,
        queue: int | None = QUEUE,
        pid: int = _FIRST_PID,
    ) -> None:
        self._journal = journal
        source = source or random.Random(0)
        self.process = Process(
            clock, journal, directory=directory, flavour=flavour, managed=managed,
            noisy=model is not None, source=source, queue=queue,
        )  # fmt: skip
        self.agent = None if model is None else Agent(self.process, model, source)
        self.api = Api(self.process, self.agent)
        self.access = Access(clock, password, source)
        self.service = Service(self.process.flavour, version or self.process.flavour.version, pid - 1)
        self._file = None if service_file is None else ServiceFile(service_file)
        self._serving: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._stop = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, or last listened."""
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it listens now."""
        return self._serving is not None

    @property
    def pid(self) -> int:
        """The process number that it claims; each start has its own."""
        return self.service.pid

    async def start(self, port: int = 0, *, version: str | None = None) -> None:
        """Listen; 0 takes the port it had before, or a free one. Interrupted turns run again before anybody can connect.

        With `version` it is another version from now on, as after an upgrade. Raises OSError if the port is taken.
        """
        if self._serving is not None:
            raise RuntimeError(f"the server listens already, at {self.url}")
        self._listener = Listener.open(port or self.port)
        self.port = self._listener.port
        self.service.pid += 1
        self.service.url, self.service.version = self.url, version or self.service.version
        self.api.start()
        self._stop = asyncio.Event()
        app = create_app(self.process, self.api, self.access, self.service)
        served = serve(app, LoopbackConfig(self._listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="opencode2-server")
        if self._file is not None:
            self._file.write(self.service.version, self.url, self.pid, self.access.password)
        self._journal.record("opencode", "started", url=self.url)

    async def cut(self) -> None:
        """Die as by SIGKILL: connections end in the middle of the body, the memory is lost, the registration stays."""
        await self._end("cut", self.api.kill)

    async def close(self) -> None:
        """Stop as by SIGTERM: streams are cut first, so that nobody hears how the turns end; the registration goes."""
        if self._serving is not None:
            await self._end("closed", self.api.stop)
            if self._file is not None:
                self._file.remove()

    async def _end(self, what: str, last: Callable[[], None]) -> None:
        serving, listener = self._serving, self._listener
        if serving is None or listener is None:
            raise RuntimeError("the server does not run")
        self._serving = self._listener = None
        self._stop.set()
        self.process.streams.deafen()
        last()
        await self.process.streams.cut(_LAST_WORDS)
        listener.hang_up()
        async with asyncio.timeout(_STOP_DEADLINE):
            await serving
        self.process.state.restart()
        self._journal.record("opencode", what, url=self.url)
