"""HTTP/2 frames, both ways, and how much of a body may be sent (RFC 9113 sections 4, 5.2 and 6). Pure."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4
MAX_FRAME_SIZE: Final = 16_384
"""Octets of payload; what every peer takes, and all that ours may send since we announce nothing else (4.2)."""
DEFAULT_WINDOW: Final = 65_535  # section 6.9.2
MAX_WINDOW: Final = 2**31 - 1  # section 6.9.1
MAX_STREAM_ID: Final = 2**31 - 1  # section 5.1.1

END_STREAM: Final = 0x01
ACK: Final = 0x01
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
PRIORITY: Final = 0x20

# Types of frames, section 6. Plain numbers, since each frame that comes is compared with them.
DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream and payload."""


class ErrorCode(IntEnum):
    """Section 7: those that we send or understand."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """Section 6.5.2: those that we send or obey."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5


class Http2ConnectionError(Exception):
    """The peer broke the protocol in a way that ends the connection (section 5.4.1)."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Http2StreamError(Exception):
    """The peer broke the protocol in a way that ends only this stream (section 5.4.2)."""


# --- reading ------------------------------------------------------------------------------------------------------

_HEAD: Final = struct.Struct("!BHBBL")  # section 4.1: 24 bits of length, type, flags, stream
_SETTING: Final = struct.Struct("!HL")
_31_BITS: Final = 0x7FFF_FFFF  # the top bit is reserved


class FrameReader:
    """Cuts a byte stream into frames. Every way of splitting the bytes gives the same frames."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Http2ConnectionError as soon as one is announced too long."""
        held = self._rest + data if self._rest else data
        at, end = 0, len(held)
        while end - at >= _HEAD.size:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(held, at)
            length = high << 16 | low
            if length > MAX_FRAME_SIZE:
                raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = at + _HEAD.size
            if end - start < length:
                break
            at = start + length
            yield kind, flags, stream_id & _31_BITS, held[start:at]
        self._rest = held[at:]


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding (section 6.1)."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "padding longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def fragment(flags: int, payload: bytes) -> bytes:
    """The piece of a header block in a HEADERS frame: without padding and the deprecated priority (section 6.2)."""
    block = unpadded(flags, payload)
    if not flags & PRIORITY:
        return block
    if len(block) < 5:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
    return block[5:]


def read_settings(flags: int, stream_id: int, payload: bytes) -> list[tuple[int, int]]:
    """Identifiers and values in order; empty for an acknowledgement (section 6.5)."""
    _on_connection("SETTINGS", stream_id)
    if len(payload) % _SETTING.size or (flags & ACK and payload):
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    values: list[tuple[int, int]] = list(_SETTING.iter_unpack(payload))
    for setting, value in values:  # section 6.5.2
        if setting == Setting.ENABLE_PUSH and value:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a server that enables push")
        if setting == Setting.MAX_FRAME_SIZE and not MAX_FRAME_SIZE <= value < 2**24:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, f"a frame size of {value}")
    return values


def read_ping(stream_id: int, payload: bytes) -> bytes:
    """The eight opaque bytes (section 6.7)."""
    _on_connection("PING", stream_id)
    return _exactly(8, "PING", payload)


def read_goaway(stream_id: int, payload: bytes) -> tuple[int, int, bytes]:
    """The last stream that may have been processed, error code and debug data (section 6.8)."""
    _on_connection("GOAWAY", stream_id)
    if len(payload) < 8:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    last, code = struct.unpack_from("!LL", payload)
    return last & _31_BITS, code, payload[8:]


def read_code(payload: bytes) -> int:
    """The error code of RST_STREAM (section 6.4)."""
    return int.from_bytes(_exactly(4, "RST_STREAM", payload), "big")


def read_increment(payload: bytes) -> int:
    """By how much WINDOW_UPDATE opens the window; 0 is an error, of the connection or of the stream (section 6.9)."""
    return int.from_bytes(_exactly(4, "WINDOW_UPDATE", payload), "big") & _31_BITS


def _on_connection(name: str, stream_id: int) -> None:
    if stream_id:
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, f"{name} on stream {stream_id}")


def _exactly(size: int, name: str, payload: bytes) -> bytes:
    if len(payload) != size:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, f"{name} of {len(payload)} bytes")
    return payload


# --- writing ------------------------------------------------------------------------------------------------------


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame on the wire (section 4.1)."""
    length = len(payload)
    return _HEAD.pack(length >> 16, length & 0xFFFF, kind, flags, stream_id) + payload


def request(stream_id: int, block: bytes, body: bytes, *, whole: bool) -> bytes:
    """HEADERS and DATA of a request in one piece. `whole`: the body ends with it, and so does the stream."""
    flags = END_STREAM if whole else 0
    size = len(body)  # both parts are below 2**16: a block is some 500 octets, a payload at most 4096
    return b"%b%b%b%b" % (
        _HEAD.pack(0, len(block), HEADERS, END_HEADERS, stream_id),
        block,
        _HEAD.pack(0, size, DATA, flags, stream_id),
        body,
    )


def data(stream_id: int, body: bytes, *, end_stream: bool) -> bytes:
    """DATA, never padded."""
    return frame(DATA, END_STREAM if end_stream else 0, stream_id, body)


def settings(values: Mapping[Setting, int]) -> bytes:
    """SETTINGS with these values, in this order."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


SETTINGS_ACK: Final = frame(SETTINGS, ACK, 0)


def ping(opaque: bytes, *, ack: bool) -> bytes:
    """PING or its answer; `opaque` is eight bytes."""
    return frame(PING, ACK if ack else 0, 0, opaque)


def goaway(code: ErrorCode, why: str = "") -> bytes:
    """The end of our sending; the server opened no stream, so the last one is 0."""
    return frame(GOAWAY, 0, 0, struct.pack("!LL", 0, code) + why.encode())


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """RST_STREAM: we want nothing more of this stream."""
    return frame(RST_STREAM, 0, stream_id, struct.pack("!L", code))


def window_update(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE: the peer may send `increment` octets more; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack("!L", increment))


# --- flow control of what we send (sections 5.2 and 6.9) -----------------------------------------------------------


@dataclass(slots=True)
class _PartialBody:
    """What is left of a body that is larger than its stream's window. The connection's window was charged already."""

    rest: bytes
    window: int


class SendWindows:
    """The windows for what we send, and the DATA that they let through. A whole body is charged to the connection's window
    when it starts, so that this one can go below zero, by the `debt`: with one body that no other is to follow (6.9: a
    peer may open a window as late as when it is used up, so to wait for room for a whole body could be in vain).
    """

    def __init__(self) -> None:
        self.left = self.initial = DEFAULT_WINDOW
        self._partial_bodies: dict[int, _PartialBody] = {}
        self._debtor = 0

    def start(self, stream_id: int, body: bytes) -> tuple[bytes, bool]:
        """As much of the body as its windows may carry at once, and whether that is all; the rest waits here."""
        self.left -= len(body)
        if self.left >= 0 and len(body) <= self.initial:
            return body, True
        if self.left < 0:
            self._debtor = stream_id
        now = max(min(self.initial, len(body) + min(self.left, 0)), 0)
        self._partial_bodies[stream_id] = _PartialBody(body[now:], self.initial - now)
        return body[:now], False

    def open_connection(self, increment: int) -> list[bytes]:
        """WINDOW_UPDATE of the connection."""
        self.left += increment
        if self.left > MAX_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "connection window beyond 2^31-1")
        body = self._partial_bodies.get(self._debtor)
        return self._send_more(self._debtor, body) if body else []

    def is_partial(self, stream_id: int) -> bool:
        """The end of this stream's body was not sent, so it cannot have been processed."""
        return stream_id in self._partial_bodies

    def drop(self, stream_id: int) -> None:
        """The stream is over; what was reserved for the rest of its body is free again."""
        body = self._partial_bodies.pop(stream_id, None)
        self.left += len(body.rest) if body else 0

    def open_stream(self, stream_id: int, increment: int) -> list[bytes]:
        """WINDOW_UPDATE of a stream (6.9.1). Of a body that is out, the window is of no interest any more."""
        body = self._partial_bodies.get(stream_id)
        if body is None:
            return []
        body.window = min(body.window + increment, MAX_WINDOW)
        return self._send_more(stream_id, body)

    def resize(self, initial: int) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE: changes the windows of open streams too, even to below zero (6.9.2).

        What it lets through waits for `resized`: the acknowledgement goes first.
        """
        change, self.initial = initial - self.initial, initial
        for body in self._partial_bodies.values():
            body.window += change
        if initial > MAX_WINDOW or any(body.window > MAX_WINDOW for body in self._partial_bodies.values()):
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window beyond 2^31-1")

    def resized(self) -> list[bytes]:
        """What the windows as they are now let through."""
        bodies = tuple(self._partial_bodies.items())
        return [piece for stream_id, body in bodies for piece in self._send_more(stream_id, body)]

    def _send_more(self, stream_id: int, body: _PartialBody) -> list[bytes]:
        debt = -min(self.left, 0) if stream_id == self._debtor else 0
        size = min(body.window, len(body.rest) - debt)
        if size <= 0:
            return []
        piece, body.rest = body.rest[:size], body.rest[size:]
        body.window -= size
        if not body.rest:
            del self._partial_bodies[stream_id]
        return [data(stream_id, piece, end_stream=not body.rest)]
