"""Flow control in both directions (RFC 9113 section 5.2 and 6.9): how much may be sent, and what must be granted. Pure."""

from dataclasses import dataclass
from typing import Final

from relay.apns.http2.frames import DEFAULT_WINDOW, MAX_WINDOW, ErrorCode, Http2ConnectionError


class ReceiveWindow:
    """The connection's window for what the peer sends. Unless it is granted anew, it closes for good."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, octets: int) -> int:
        """Count octets of DATA, padding and all; the increment to grant now, or 0. Half a window goes at a time."""
        self._taken += octets
        if self._taken < DEFAULT_WINDOW // 2:
            return 0
        granted, self._taken = self._taken, 0
        return granted


@dataclass(slots=True)
class _PartialBody:
    """What is left of a body that is larger than its stream's window. The connection's window was charged already."""

    rest: bytes
    window: int


Piece = tuple[int, bytes, bool]
"""Stream, octets that may go out now, and whether they end the body."""


class SendWindows:
    """The windows for what we send. The connection's is charged with a whole body when that is started.

    So it can go below zero, by the `debt`: with one body that no other is to follow (6.9: a peer may open a window as
    late as when it is used up, so to wait for room for a whole body could be in vain).
    """

    def __init__(self) -> None:
        self.window: Final = _Window()
        self.initial = DEFAULT_WINDOW
        self._partial_bodies: dict[int, _PartialBody] = {}
        self._debtor = 0

    def start(self, stream_id: int, body: bytes) -> Piece:
        """As much of the body as its windows may carry at once; the rest waits here."""
        self.window.left -= len(body)
        if self.window.left >= 0 and len(body) <= self.initial:
            return stream_id, body, True
        if self.window.left < 0:
            self._debtor = stream_id
        now = max(min(self.initial, len(body) + min(self.window.left, 0)), 0)
        self._partial_bodies[stream_id] = _PartialBody(body[now:], self.initial - now)
        return stream_id, body[:now], False

    def open_connection(self, increment: int) -> list[Piece]:
        """WINDOW_UPDATE of the connection."""
        self.window.open(increment)
        body = self._partial_bodies.get(self._debtor)
        return self._send_more(self._debtor, body) if body else []

    def is_partial(self, stream_id: int) -> bool:
        """The end of this stream's body was not sent, so it cannot have been processed."""
        return stream_id in self._partial_bodies

    def drop(self, stream_id: int) -> None:
        """The stream is over; what was reserved for the rest of its body is free again."""
        body = self._partial_bodies.pop(stream_id, None)
        self.window.left += len(body.rest) if body else 0

    def open_stream(self, stream_id: int, increment: int) -> list[Piece]:
        """WINDOW_UPDATE of a stream (6.9.1). Of a body that is out, the window is of no interest any more."""
        body = self._partial_bodies.get(stream_id)
        if body is None:
            return []
        body.window = min(body.window + increment, MAX_WINDOW)
        return self._send_more(stream_id, body)

    def resize(self, initial: int) -> list[Piece]:
        """SETTINGS_INITIAL_WINDOW_SIZE: changes the windows of open streams too, even to below zero (6.9.2)."""
        if initial > MAX_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "initial window beyond 2^31-1")
        change, self.initial = initial - self.initial, initial
        pieces: list[Piece] = []
        for stream_id, body in tuple(self._partial_bodies.items()):
            body.window += change
            pieces += self._send_more(stream_id, body)
        return pieces

    def _send_more(self, stream_id: int, body: _PartialBody) -> list[Piece]:
        debt = -min(self.window.left, 0) if stream_id == self._debtor else 0
        size = min(body.window, len(body.rest) - debt)
        if size <= 0:
            return []
        piece, body.rest = body.rest[:size], body.rest[size:]
        body.window -= size
        if not body.rest:
            del self._partial_bodies[stream_id]
        return [(stream_id, piece, not body.rest)]


class _Window:
    """The connection's window."""

    def __init__(self) -> None:
        self.left = DEFAULT_WINDOW

    def open(self, increment: int) -> None:
        """WINDOW_UPDATE of stream 0."""
        self.left += increment
        if self.left > MAX_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "connection window beyond 2^31-1")
