"""A fake OpenCode server on a real socket of this machine, in this process."""

import asyncio
import random

from hypercorn.asyncio import serve

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.loopback import HOST, Listener, LoopbackConfig
from simulator.opencode.script import Model
from simulator.opencode.v1.agent import Agent
from simulator.opencode.v1.api import Api
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.routes import create_app

ATTACH_WINDOW = 0.02
"""Seconds after server.connected in which /global/event loses events; 20 ms were enough on an idle machine."""
_LAST_WORDS = 0.2
"""Seconds in which what a stream has queued may still reach the socket when the server dies."""
_STOP_DEADLINE = 5.0


class OpenCodeServer:
    """An `opencode serve` to be started, cut, started again and closed.

    The database (sessions, messages) lives as long as this object; statuses and pending requests die with `cut`.
    `directory` is the working directory it claims, the default instance of every request. With a `model` it is a
    scripted server, whose prompts are answered; without one it only plays recordings.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        password: str | None = None,
        username: str = "opencode",
        directory: str = "/code/demo",
        attach_window: float = ATTACH_WINDOW,
        source: random.Random | None = None,
        model: Model | None = None,
    ) -> None:
        self._journal = journal
        source = source or random.Random(0)
        self.process = Process(
            clock,
            journal,
            directory=directory,
            attach_window=attach_window,
            source=source,
        )
        self.agent = None if model is None else Agent(self.process, model, source)
        self.api = Api(self.process, self.agent)
        self._credentials = None if password is None else f"{username}:{password}"
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

    async def start(self, port: int = 0) -> None:
        """Listen; 0 takes the port it had before, or a free one. Raises OSError if the port is taken."""
        if self._serving is not None:
            raise RuntimeError(f"the server listens already, at {self.url}")
        self._listener = Listener.open(port or self.port)
        self.port = self._listener.port
        self._stop = asyncio.Event()
        app = create_app(self.process, self.api, self._credentials)
        served = serve(app, LoopbackConfig(self._listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="opencode-server")
        self._journal.record("opencode", "started", url=self.url)

    async def cut(self) -> None:
        """Die as by SIGKILL: connections end in the middle of the body with no farewell, the memory is lost."""
        await self._end("cut")

    async def close(self) -> None:
        """Stop for good. On the wire this is the same: the real server says no farewell on SIGTERM either."""
        if self._serving is not None:
            await self._end("closed")

    async def _end(self, what: str) -> None:
        serving, listener = self._serving, self._listener
        if serving is None or listener is None:
            raise RuntimeError("the server does not run")
        self._serving = self._listener = None
        self._stop.set()
        self.api.die()
        await self.process.streams.cut(_LAST_WORDS)
        listener.hang_up()
        async with asyncio.timeout(_STOP_DEADLINE):
            await serving
        self.process.state.restart()
        self._journal.record("opencode", what, url=self.url)
