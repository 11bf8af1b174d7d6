"""One port of the sandbox: takes connections, and closes them again, all at once or one by one."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from simulator.apns.http2.orders import Orders
from simulator.apns.http2.server import ServerConnection
from simulator.apns.profile import Profile
from simulator.apns.push_service import PushService
from simulator.clock import Clock
from simulator.journal import Journal

HANDSHAKE_TIMEOUT: Final = 10.0  # seconds, real time
SHUTDOWN_TIMEOUT: Final = 0.5


class Listener:
    """One host of APNs."""

    def __init__(
        self,
        service: PushService,
        profile: Profile,
        clock: Clock,
        journal: Journal,
        orders: Orders | None = None,
    ) -> None:
        self.service = service
        self.profile = profile
        self.clock = clock
        self.journal = journal
        self.orders = orders or Orders()
        self.draining = False  # the next request is answered 503 Shutdown, and the connections of today end
        self.connections: set[ServerConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None

    async def start(
        self,
        tls: ssl.SSLContext,
        port: int = 0,
        protocol: Callable[[], asyncio.Protocol] | None = None,
    ) -> int:
        """Listen on 127.0.0.1; the port, also if it was 0 (any free one). OSError if it is taken.

        `protocol` makes what serves each connection; by default one that judges every request.
        """
        self._server = await asyncio.get_running_loop().create_server(
            protocol or partial(ServerConnection, self),
            "127.0.0.1",
            port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Take no more connections, say GOAWAY on those there are, close them; cut what does not go by itself."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.shut()
        if not await self._emptied():
            for connection in tuple(self.connections):
                connection.abort()
            await self._emptied()

    async def _emptied(self) -> bool:
        """Wait a moment for the last connection to go; False if it did not."""
        try:
            await asyncio.wait_for(self._empty.wait(), SHUTDOWN_TIMEOUT)
        except TimeoutError:
            return False
        return True

    def drained(self) -> None:
        """A draining server has said so once: its connections end, and new ones reach a healthy server."""
        self.draining = False
        for connection in tuple(self.connections):
            connection.goaway("Shutdown")

    def opened(self, connection: ServerConnection) -> None:
        """A connection has finished its TLS handshake."""
        self.connections.add(connection)
        self._empty.clear()
        self.journal.record("apns", "connection_opened", realm=self.service.realm)

    def lost(self, connection: ServerConnection, error: Exception | None) -> None:
        """Its socket is gone."""
        self.connections.discard(connection)
        self.journal.record(
            "apns",
            "connection_closed",
            realm=self.service.realm,
            requests=connection.requests,
            error=None if error is None else repr(error),
        )
        if not self.connections:
            self._empty.set()
