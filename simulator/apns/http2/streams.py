"""The streams of one connection (RFC 9113 section 5), their flow control (section 6.9), and what became of each as an event."""

from typing import Final, NamedTuple

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import DEFAULT_WINDOW, MAX_WINDOW, ErrorCode
from simulator.apns.http2.header_block import Field

MAX_BODY_KEPT: Final = 16_384  # more is counted and thrown away: every limit of APNs lies below
MAX_RESET_KEPT: Final = 10_000
Piece = tuple[int, bytes, bool]  # stream, octets, last piece of its body


class RequestReceived(NamedTuple):
    """A whole request. `body` holds at most the first 16 KiB of the `body_size` that came."""

    stream_id: int
    headers: list[Field]
    body: bytes
    body_size: int


class StreamRefused(NamedTuple):
    """A stream above the limit was reset with REFUSED_STREAM, which is safe to send again (section 8.7)."""

    stream_id: int
    limit: int


class StreamReset(NamedTuple):
    """A stream was reset, by the peer or because it was malformed; any response on it will be dropped."""

    stream_id: int
    code: int
    message: str
    by_peer: bool = False


class ConnectionEnded(NamedTuple):
    """No more requests will come: the peer sent GOAWAY, or broke the protocol and was sent one."""

    code: int
    message: str
    by_peer: bool


Event = RequestReceived | StreamRefused | StreamReset | ConnectionEnded


# --- flow control ---------------------------------------------------------------------------------------------


def split_pieces(pieces: list[Piece]) -> list[Piece]:
    """Every piece as two; the same octets in the same order. A single octet is not split."""
    halves: list[Piece] = []
    for stream_id, octets, last in pieces:
        middle = len(octets) // 2
        halves += [(stream_id, octets[:middle], False)] if middle else []
        halves.append((stream_id, octets[middle:], last))
    return halves


class ReceiveWindow:
    """The receive window of one stream or of the connection, and how much of it was used since the last WINDOW_UPDATE."""

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


class SendWindows:
    """Response bodies on their way out: sent at once if the peer's windows allow, else kept until they do."""

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

    def initial_update(self, initial: int) -> None:
        """The peer changed SETTINGS_INITIAL_WINDOW_SIZE, which moves every stream (section 6.9.2)."""
        if initial + max((0, *self._streams.values())) > MAX_WINDOW:
            raise ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window above 2^31-1")
        self.initial = initial

    def acknowledged(self) -> list[Piece]:
        """The new initial window was acknowledged; pieces that may go now, not sooner (section 6.5.3)."""
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


# --- streams --------------------------------------------------------------------------------------------------


class Stream:
    """Collects a request. Whatever breaks the rules of one stream is a StreamFailure."""

    __slots__ = ("_body", "_body_size", "_ended", "_headers", "_id", "window")

    def __init__(self, stream_id: int, headers: list[Field]) -> None:
        self._id = stream_id
        self._headers = headers
        self._body = b""
        self._body_size = 0
        self._ended = False
        self.window = ReceiveWindow()

    @property
    def is_head(self) -> bool:
        """Whether the client asked with the method HEAD."""
        return (":method", "HEAD") in self._headers

    @property
    def is_whole(self) -> bool:
        """Whether all of the request has come."""
        return self._ended

    def receive(self, data: bytes, frame_size: int) -> None:
        """Take a DATA frame: its data, and its size with padding, which is what flow control counts."""
        if self._ended:  # RFC 9113 section 5.1, half-closed (remote)
            raise StreamFailure(self._id, ErrorCode.STREAM_CLOSED, "DATA after the end of the request")
        if not self.window.receive(frame_size):
            raise StreamFailure(self._id, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        self._body_size += len(data)
        self._body = (self._body + data if self._body else data)[:MAX_BODY_KEPT]

    def receive_trailers(self, *, ends_stream: bool) -> None:
        """A second header block: its fields mean nothing to APNs, but it must end the request (section 8.1)."""
        if self._ended:
            raise StreamFailure(self._id, ErrorCode.STREAM_CLOSED, "HEADERS after the end of the request")
        if not ends_stream:
            raise StreamFailure(self._id, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")

    def end(self) -> RequestReceived:
        """The client is done: the whole request, if it is as long as it said (section 8.1.1)."""
        self._ended = True
        for name, value in self._headers:
            if name == "content-length" and value != str(self._body_size):
                raise StreamFailure(
                    self._id, ErrorCode.PROTOCOL_ERROR, "content-length is not the body's length"
                )
        return RequestReceived(self._id, self._headers, self._body, self._body_size)


class StreamTable:
    """The streams that are open, and those that this end has reset while the peer may still be sending on them.

    `last` is the highest stream id that the client has opened, `goaway_last` the last stream id of our final GOAWAY.
    """

    def __init__(self) -> None:
        self.open: dict[int, Stream] = {}
        self.reset: dict[int, None] = {}
        self.send_windows = SendWindows()
        self.last = 0
        self.goaway_last: int | None = None

    @property
    def finished(self) -> bool:
        """A final GOAWAY was sent, and nothing at or below its last stream is left to respond to."""
        return self.goaway_last is not None and not self.open

    @property
    def unfinished(self) -> int:
        """How many requests were begun and not ended by the client."""
        return sum(not stream.is_whole for stream in self.open.values())

    def goaway(self, last: int) -> None:
        """No response will be sent on streams above `last`."""
        self.goaway_last = last
        for stream_id in [each for each in self.open if each > last]:
            self.close(stream_id)

    def close(self, stream_id: int) -> None:
        """The response was sent in full, or the client has reset the stream."""
        del self.open[stream_id]
        self.send_windows.forget(stream_id)

    def close_by_reset(self, stream_id: int) -> None:
        """This end resets a stream, open or not; what the peer is still sending on it is ignored."""
        if stream_id in self.open:
            self.close(stream_id)
        self.reset[stream_id] = None
        if len(self.reset) > MAX_RESET_KEPT:
            del self.reset[next(iter(self.reset))]

    def require_opened(self, stream_id: int, frame: str) -> None:
        """ConnectionFailure if this stream is idle (RFC 9113 section 5.1)."""
        if stream_id == 0 or stream_id > self.last:
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, f"{frame} on a stream that was never opened")

    def drop_late_data(self, stream_id: int, *, ends_stream: bool) -> None:
        """DATA that was on its way when we reset the stream is dropped; any other is an error (section 5.1)."""
        if stream_id not in self.reset:
            raise StreamFailure(stream_id, ErrorCode.STREAM_CLOSED, "DATA on a closed stream")
        if ends_stream:
            del self.reset[stream_id]

    def drop_late_headers(self, stream_id: int) -> None:
        """The same for a header block, which must pass the decompression all the same."""
        if stream_id not in self.reset:
            raise ConnectionFailure(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")  # section 5.1
