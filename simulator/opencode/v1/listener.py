"""A listening socket that can hang up on everybody, as the kernel does when a process is killed."""

import contextlib
import socket
from typing import Any, Self
from weakref import WeakSet

from simulator.loopback import listen


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
