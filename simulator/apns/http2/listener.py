"""One port of the sandbox: takes connections, and closes them again, all at once or one by one."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from simulator.apns.http2.server import Port, ServerConnection

HANDSHAKE_TIMEOUT: Final = 10.0  # seconds, real time
SHUTDOWN_TIMEOUT: Final = 0.5


class Listener:
    """Listens for one host of APNs. Its connections are in `port`."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._server: asyncio.Server | None = None

    async def start(
        self,
        tls: ssl.SSLContext,
        port: int = 0,
        protocol: Callable[[], asyncio.Protocol] | None = None,
        host: str = "127.0.0.1",
    ) -> int:
        """Listen on an address of this machine; the port, also if it was 0 (any free one). OSError if it is taken.

        `protocol` makes what serves each connection; by default one that checks every request.
        """
        self._server = await asyncio.get_running_loop().create_server(
            protocol or partial(ServerConnection, self.port),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Take no more connections, send GOAWAY on those there are, close them; cut what does not go by itself."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.port.connections):
            connection.shut()
        if not await self._emptied():
            for connection in tuple(self.port.connections):
                connection.abort()
            await self._emptied()

    async def _emptied(self) -> bool:
        """Wait a moment for the last connection to go; False if it did not."""
        try:
            async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                await self.port.empty.wait()
        except TimeoutError:
            return False
        return True
