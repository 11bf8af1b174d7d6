"""HTTP/1.1 as a load generator needs it: prebuilt requests on a connection that stays open, and no more read than counts.

Replies must have a Content-Length (RFC 9112, section 6.2), as those of the relay and the naive build do.
"""

import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

PORTION: Final = 65_536
END_OF_HEAD: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length:"


class ReplyError(Exception):
    """The server closed the connection, or answered what is no HTTP/1.1 reply with a Content-Length."""


class Reply(NamedTuple):
    """`status` is HTTP's."""

    status: int
    body: bytes


def request(path: str, host: str, body: bytes) -> bytes:
    """A POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def reply_in(data: bytes) -> Reply | None:
    """The reply that these bytes are; None while more must come. ReplyError if they are none."""
    end = data.find(END_OF_HEAD)
    if end < 0:
        return None
    status, length = _head(data[:end])
    body = data[end + len(END_OF_HEAD) :]
    return Reply(status, body[:length]) if len(body) >= length else None


def _head(head: bytes) -> tuple[int, int]:
    """Status and content length."""
    length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
    try:
        return int(head[9:12]), int(length)
    except ValueError:
        raise ReplyError(f"not a reply with a Content-Length: {head[:200]!r}") from None


class KeepAlive:
    """One connection to a server; opened by the first request, and again after an error."""

    def __init__(self, url: str, timeout: float = 300.0) -> None:
        parts = urlsplit(url)
        self._address, self._host = (parts.hostname or "", parts.port or 80), parts.netloc
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def post(self, path: str, body: bytes) -> Reply:
        """Ask and wait. OSError or ReplyError if there is no answer; then nobody knows whether the server has taken it."""
        try:
            open_socket = self._socket = self._socket or self._open()
            open_socket.sendall(request(path, self._host, body))
            return self._read(open_socket)
        except (OSError, ReplyError):
            self.close()
            raise

    def close(self) -> None:
        """Close it, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self._address, self._timeout)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    @staticmethod
    def _read(open_socket: socket.socket) -> Reply:
        data = b""
        while (found := reply_in(data)) is None:
            more = open_socket.recv(PORTION)
            if not more:
                raise ReplyError("the server closed the connection")
            data += more
        return found
