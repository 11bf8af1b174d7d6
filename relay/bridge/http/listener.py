"""Where the bridge's own routes are served: one port of 127.0.0.1, while the bridge runs."""

import asyncio
import logging
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from relay.log import line

log = logging.getLogger("relay.bridge.http.listener")

HOST = "127.0.0.1"


class Listener:
    """Serves `app` on `port`; 0: nowhere. A port that is taken costs these routes, not the pushes."""

    def __init__(self, app: Quart, port: int) -> None:
        self._app = app
        self._port = port
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen, or say in the log why not."""
        if self._port == 0:
            return
        try:
            bound = socket.create_server((HOST, self._port))
        except OSError as error:
            reason = error.strerror or error
            log.warning(
                line("no status page", port=self._port, reason=reason, remedy="--port chooses another")
            )
            return
        serving = serve(self._app, _hypercorn(bound), shutdown_trigger=self._stop.wait)
        self._task = asyncio.create_task(serving, name="bridge-http")
        log.info(line("listening", url=f"http://{HOST}:{self._port}"))

    async def close(self, drain_seconds: float) -> None:
        """Stop listening; requests under way get `drain_seconds`."""
        self._stop.set()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=drain_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _hypercorn(bound: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{bound.detach()}"]  # Hypercorn closes it
    config.graceful_timeout = 1.0
    config.include_server_header = False
    config.errorlog = logging.getLogger("relay.hypercorn")
    config.errorlog.setLevel(logging.WARNING)
    return config
