"""The control API on a socket of this machine, in this process."""

import asyncio
import contextlib
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from quart import Quart

HOST = "127.0.0.1"
_BACKLOG = 128
_STOP_SECONDS = 3.0


class _Config(Config):
    """Hypercorn on a socket that is open already, so that a port that is taken shows before anything else starts."""

    keep_alive_max_requests = 1_000_000  # Hypercorn ends a connection after 1000 requests by default
    include_server_header = False
    graceful_timeout = 1.0

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self._listener = listener
        self.errorlog = None

    def create_sockets(self) -> Sockets:
        """The one open socket, without TLS."""
        return Sockets([], [self._listener], [])


class ControlServer:
    """Serves one app on 127.0.0.1, from `start` to `close`."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, with the path that all its routes begin with."""
        return f"http://{HOST}:{self.port}/control"

    async def start(self, port: int = 0) -> None:
        """Listen on a port, or on a free one if it is 0. OSError if it is taken."""
        listener = _listen(port)
        self.port = int(listener.getsockname()[1])
        served = serve(self._app, _Config(listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="control-server")

    async def close(self) -> None:
        """Stop. Event streams must have been ended before; otherwise they cost a second."""
        if self._serving is None:
            return
        self._stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._serving, _STOP_SECONDS)
        self._serving = None


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)
    return listener
