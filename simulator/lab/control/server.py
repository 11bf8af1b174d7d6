"""The control API on a socket of this machine, in this process."""

import asyncio
import contextlib
import socket

from hypercorn.asyncio import serve
from quart import Quart

from simulator.loopback import HOST, LoopbackConfig, listen

_STOP_SECONDS = 3.0


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
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listen(listener, port)
        self.port = int(listener.getsockname()[1])
        served = serve(self._app, LoopbackConfig(listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="control-server")

    async def close(self) -> None:
        """Stop. Event streams must have been ended before; otherwise they cost a second."""
        if self._serving is None:
            return
        self._stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._serving, _STOP_SECONDS)
        self._serving = None
