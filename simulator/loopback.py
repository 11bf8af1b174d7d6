"""Web servers in this process, on a socket of this machine that is open before anything else starts.

So a port that is taken shows at once, and nobody who connects at once is refused.
"""

import socket

from hypercorn.config import Config, Sockets

HOST = "127.0.0.1"
_BACKLOG = 128


def listen(listener: socket.socket, port: int) -> None:
    """Listen on a port, or on a free one if it is 0. Raises OSError if it is taken; the socket is closed then."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
