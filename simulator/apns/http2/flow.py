"""Flow control in both directions (RFC 9113 section 6.9): how much may be sent, and when to grant the peer more."""

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import DEFAULT_WINDOW, MAX_WINDOW, ErrorCode

Piece = tuple[int, bytes, bool]  # stream, octets, last piece of its body


def halved(pieces: list[Piece]) -> list[Piece]:
    """Every piece as two; the same octets in the same order. One of a single octet stays whole."""
    halves: list[Piece] = []
    for stream_id, octets, last in pieces:
        middle = len(octets) // 2
        halves += [(stream_id, octets[:middle], False)] if middle else []
        halves.append((stream_id, octets[middle:], last))
    return halves


class Inflow:
    """What the peer may still send on one stream or on the connection, and what it has used since the last grant."""

    __slots__ = ("_left", "_size", "_used")

    def __init__(self, size: int = DEFAULT_WINDOW) -> None:
        self._size = size
        self._left = size
        self._used = 0

    def receive(self, size: int) -> bool:
        """Count `size` octets of DATA, padding included. False if the peer had no right to send them."""
        self._left -= size
        self._used += size
        return self._left >= 0

    def grant(self) -> int:
        """The increment to announce now: nothing until half the window is used, then all that was consumed."""
        if self._used * 2 < self._size:
            return 0
        used, self._used = self._used, 0
        self._left += used
        return used


class Outflow:
    """Answer bodies on their way out: sent at once if the windows allow, else kept until they do."""

    def __init__(self) -> None:
        self.initial = DEFAULT_WINDOW
        self._connection = DEFAULT_WINDOW
        self._streams: dict[int, int] = {}  # only streams whose window differs from `initial`
        self._waiting: dict[int, bytes] = {}  # oldest first

    def send(self, stream_id: int, body: bytes) -> list[Piece]:
        """Pieces to send now, as (stream, octets, last piece)."""
        self._waiting[stream_id] = body
        return self._pieces([stream_id])

    def connection_update(self, increment: int) -> list[Piece]:
        """The peer granted more on the connection; pieces that may go now."""
        self._connection += increment
        if self._connection > MAX_WINDOW:
            raise ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "connection window above 2^31-1")
        return self._pieces(list(self._waiting))

    def stream_update(self, stream_id: int, increment: int) -> list[Piece]:
        """The peer granted more on a stream; pieces that may go now."""
        window = self._streams.get(stream_id, 0) + increment
        if window + self.initial > MAX_WINDOW:
            raise StreamFailure(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "stream window above 2^31-1")
        self._streams[stream_id] = window
        return self._pieces([stream_id])

    def initial_update(self, initial: int) -> list[Piece]:
        """The peer changed SETTINGS_INITIAL_WINDOW_SIZE, which moves every stream (section 6.9.2)."""
        if initial > MAX_WINDOW:
            raise ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "initial window above 2^31-1")
        self.initial = initial
        return self._pieces(list(self._waiting))

    def forget(self, stream_id: int) -> None:
        """The stream is closed."""
        self._streams.pop(stream_id, None)
        self._waiting.pop(stream_id, None)

    def _pieces(self, stream_ids: list[int]) -> list[Piece]:
        pieces = []
        for stream_id in stream_ids:
            body = self._waiting.get(stream_id)
            if body is None:
                continue
            extra = self._streams.get(stream_id, 0)
            size = min(len(body), self._connection, self.initial + extra)
            if size <= 0:
                continue
            self._connection -= size
            self._streams[stream_id] = extra - size
            self._waiting[stream_id] = body[size:]
            pieces.append((stream_id, body[:size], size == len(body)))
        return pieces
