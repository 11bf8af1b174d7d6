"""A listening socket that can hang up on everybody, as the kernel does when a process is killed."""

import contextlib
import socket
from typing import Any, Self
from weakref import WeakSet

from hypercorn.config import Config, Sockets

HOST = "127.0.0.1"
_BACKLOG = 128


class Listener(socket.socket):
    """Listens on this machine only and remembers the connections it accepted."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._accepted: WeakSet[socket.socket] = WeakSet()

    @classmethod
    def open(cls, port: int) -> Self:
        """Listen on a port, or on a free one if it is 0. Raises OSError if it is taken."""
        listener = cls()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind((HOST, port))
        except OSError:
            listener.close()
            raise
        listener.listen(_BACKLOG)
        return listener

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.getsockname()[1])

    def accept(self) -> tuple[socket.socket, Any]:
        """As every socket does."""
        connection, address = super().accept()
        self._accepted.add(connection)
        return connection, address

    def hang_up(self) -> None:
        """End all connections now; what the peer has not read yet and the kernel holds still reaches it."""
        for connection in list(self._accepted):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ListenerConfig(Config):
    """Hypercorn on a listener that is open already, so that nobody who connects at once is refused."""

    keep_alive_max_requests = 1_000_000  # Hypercorn ends a connection after 1000 requests by default
    include_server_header = False
    graceful_timeout = 1.0  # what still runs when the server dies is of no interest to anybody

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self.errorlog = None

    def create_sockets(self) -> Sockets:
        """The one open listener, without TLS."""
        return Sockets([], [self._listener], [])
