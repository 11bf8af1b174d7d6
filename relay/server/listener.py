"""The socket on which the relay is asked: it keeps descriptors back for APNs and the database, whoever else wants them, and gives no
address more than its share.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from errno import EMFILE, ENFILE
from itertools import count, islice
from typing import Any, Protocol

from relay.log import Folded, line

log = logging.getLogger("relay.server.listener")

KEPT_BACK = 40
"""Descriptors for connections to APNs (a few for each environment), the database's pool, files and the log."""
MOST = 65_536
LEAVING_SHARE, LEAVING_SECONDS = 8, 1.0
"""An eighth of the connections may be refused ones whose clients read the answer, each for so long."""
READ_BYTES = 1 << 16
LOOKED_AT = 64
"""So many of the oldest connections are searched for the one that has been silent longest."""
_TCP_INFO, _LAST_DATA_RECEIVED = getattr(socket, "TCP_INFO", None), struct.Struct("=52xI")
"""Linux: `tcpi_last_data_recv`, milliseconds, at byte 52 of `struct tcp_info` (linux/tcp.h)."""


def most_connections() -> int:
    """How many clients may be connected at once, once as many descriptors as allowed may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(8, wanted - KEPT_BACK)


class Share(Protocol):
    """How many connections one client may have; `LimitsRoute` knows who is one."""

    def counts_as(self, peer: str) -> str | None:
        """Whose share a connection from this address takes; None: nobody's."""

    def connection_refused(self, client: str) -> bytes:
        """What a client is answered that has all its connections."""


class Connection(socket.socket):
    """One that was accepted; who closes it says so to `closed`."""

    def __init__(self, accepted: socket.socket, closed: Callable[[], None]) -> None:
        super().__init__(fileno=accepted.detach())
        self._when_closed = closed
        self._ended = False

    def end(self) -> None:
        """Let it be read once more, as a connection that the client reset.

        Its end alone would not do: Hypercorn (0.18) keeps a connection that was ended for as long as an idle one.
        """
        self._ended = True
        with contextlib.suppress(OSError):  # the client was faster
            self.shutdown(socket.SHUT_RDWR)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What the client sent. ConnectionResetError once it was ended."""
        if self._ended:
            raise ConnectionResetError
        return super().recv(size, flags)

    def close(self) -> None:
        """Close it, and make its place free."""
        super().close()
        self._when_closed()


class Listener(socket.socket):
    """Takes over a bound socket. With `most` connections open, each new one costs the one that has been silent longest; of the `most`
    that a client of `share` may have, each further one is answered and ended.
    """

    def __init__(
        self, bound: socket.socket, most: int, share: Share | None = None, most_of_one: int = 0
    ) -> None:
        super().__init__(fileno=bound.detach())
        self.setblocking(False)
        self._most = most
        self._share, self._most_of_one = share, most_of_one
        self._of_client: Counter[str] = Counter()
        self._leaving: deque[socket.socket] = deque()
        self._numbers = count()
        self._open: dict[int, Connection] = {}
        self._closing: set[int] = set()
        self._lines = Folded(log, time.monotonic)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. BlockingIOError while room is being made for it, as when there is none: asked again soon."""
        if len(self._open) + len(self._leaving) >= self._most:
            self._make_room()
            raise BlockingIOError
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno not in (EMFILE, ENFILE):
                raise
            self._make_room()
            raise BlockingIOError from None
        client = self._share.counts_as(str(address[0])) if self._share else None
        if self._share and client and self._of_client[client] >= self._most_of_one:
            self._refuse(accepted, self._share.connection_refused(client))
            raise BlockingIOError
        number = next(self._numbers)
        self._open[number] = Connection(accepted, lambda: self._forget(number, client))
        if client:
            self._of_client[client] += 1
        return self._open[number], address

    def _forget(self, number: int, client: str | None) -> None:
        if self._open.pop(number, None) is not None and client:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]
        self._closing.discard(number)

    def _refuse(self, accepted: socket.socket, response: bytes) -> None:
        """Answer, and close it a moment later: closed with its request unread it would be reset, and perhaps the answer be lost."""
        accepted.setblocking(False)
        with contextlib.suppress(OSError):  # the client was faster
            accepted.send(response)
            accepted.shutdown(socket.SHUT_WR)
        self._leaving.append(accepted)
        if len(self._leaving) > max(1, self._most // LEAVING_SHARE):
            self._close_refused(self._leaving[0])
        asyncio.get_running_loop().call_later(LEAVING_SECONDS, self._close_refused, accepted)

    def _close_refused(self, accepted: socket.socket) -> None:
        """The first of them in nearly every case."""
        with contextlib.suppress(ValueError):
            self._leaving.remove(accepted)
        with contextlib.suppress(OSError):
            accepted.recv(READ_BYTES)
        accepted.close()

    def close(self) -> None:
        """No further connections, and an end of those that were refused."""
        while self._leaving:
            self._leaving.popleft().close()
        super().close()

    def _make_room(self) -> None:
        """End the connection that has been silent longest; it is closed when the event loop has read its end."""
        if self._closing or not self._open:
            return
        number, silent = max(self._oldest(), key=lambda one: _silent_ms(one[1]))
        self._closing.add(number)
        self._lines.write(
            logging.WARNING,
            line("too many connections", most=self._most, remedy="raise the limit of open files (ulimit -n)"),
            what="connections",
        )
        silent.end()

    def _oldest(self) -> Iterator[tuple[int, Connection]]:
        return islice(self._open.items(), LOOKED_AT)


def _silent_ms(connection: Connection) -> int:
    """Milliseconds since the client sent something; 0 where the system does not say (the oldest goes then)."""
    if _TCP_INFO is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_RECEIVED.size)
    except OSError:
        return 0
    found: tuple[int] = _LAST_DATA_RECEIVED.unpack(info) if len(info) == _LAST_DATA_RECEIVED.size else (0,)
    return found[0]
