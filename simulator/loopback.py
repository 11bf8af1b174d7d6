"""Ports of this machine, and web servers in this process on a socket that is open before anything else starts.

So a port that is taken shows at once, and nobody who connects at once is refused.
"""

import contextlib
import socket
from typing import Any, Self
from weakref import WeakSet

from hypercorn.config import Config, Sockets

HOST = "127.0.0.1"
_BACKLOG = 128


def free_port() -> int:
    """A port that was free a moment ago, for another process to listen on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def listen(listener: socket.socket, port: int) -> None:
    """Listen on a port, or on a free one if it is 0. Raises OSError if it is taken; the socket is closed then."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it. asyncio sets it only where the socket names its protocol, and without it an answer whose
    # head and body are written apart waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)


class LoopbackConfig(Config):
    """Hypercorn on a socket that listens already, without TLS."""

    keep_alive_max_requests = 1_000_000  # Hypercorn ends a connection after 1000 requests by default
    include_server_header = False
    graceful_timeout = 1.0  # what still runs when the server stops is of no interest to anybody

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self._listener = listener
        self.errorlog = None

    def create_sockets(self) -> Sockets:
        """The one open socket."""
        return Sockets([], [self._listener], [])


class Listener(socket.socket):
    """Listens on this machine only and remembers the connections it accepted."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._accepted: WeakSet[socket.socket] = WeakSet()

    @classmethod
    def open(cls, port: int) -> Self:
        """Listen on a port, or on a free one if it is 0. Raises OSError if it is taken."""
        listener = cls()
        listen(listener, port)
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
