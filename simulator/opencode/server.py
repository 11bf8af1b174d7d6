"""A fake OpenCode server on a real socket of this machine, in this process."""

import asyncio
import contextlib
import random
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.process import Process
from simulator.opencode.routes import create_app

HOST = "127.0.0.1"
DEAF_WINDOW = 0.02
"""Seconds after server.connected in which /global/event loses events; 20 ms were enough on an idle machine."""
_STOP_DEADLINE = 5.0


class OpenCodeServer:
    """An `opencode serve` to be started, cut, started again and closed.

    The database (sessions, messages) lives as long as this object; statuses and pending requests die with `cut`.
    `directory` is the working directory it claims, the default instance of every request.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        password: str | None = None,
        username: str = "opencode",
        directory: str = "/code/demo",
        deaf_window: float = DEAF_WINDOW,
        source: random.Random | None = None,
    ) -> None:
        self._journal = journal
        self.process = Process(
            clock,
            journal,
            directory=directory,
            deaf_window=deaf_window,
            source=source or random.Random(0),
        )
        self._credentials = None if password is None else f"{username}:{password}"
        self._serving: asyncio.Task[None] | None = None
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
        listener = _listener(port or self.port)
        self.port = int(listener.getsockname()[1])
        self._stop = asyncio.Event()
        app = create_app(self.process, self._credentials)
        served = serve(app, _config(listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="opencode-server")
        self._journal.record("opencode", "started", url=self.url)

    async def cut(self) -> None:
        """Die as by SIGKILL: connections end in the middle of the body with no farewell, the memory is lost."""
        await self._end("cut")

    async def close(self) -> None:
        """Stop for good. On the wire this looks the same: the real server says no farewell on SIGTERM either."""
        if self._serving is not None:
            await self._end("closed")

    async def _end(self, what: str) -> None:
        serving, self._serving = self._serving, None
        if serving is None:
            raise RuntimeError("the server does not run")
        self.process.streams.cut()
        self._stop.set()
        _, late = await asyncio.wait({serving}, timeout=_STOP_DEADLINE)
        for task in late:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        self.process.state.restart()
        self._journal.record("opencode", what, url=self.url)


def _listener(port: int) -> socket.socket:
    """Bound and listening before Hypercorn gets it, so that `start` may return at once."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.1  # what still runs when the streams are cut is of no interest to anybody
    config.keep_alive_max_requests = 1_000_000  # Hypercorn cuts a connection after 1000 requests by default
    config.include_server_header = False
    config.errorlog = None
    return config
