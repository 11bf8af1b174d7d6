"""HTTP/2 frames, both ways, as plain functions on bytes (RFC 9113 sections 4 and 6); and the buffer that cuts bytes into frames."""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from simulator.apns.errors import ConnectionFailure, StreamFailure

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4
HEADER_SIZE: Final = 9  # section 4.1
DEFAULT_MAX_FRAME_SIZE: Final = 16_384  # section 4.2
DEFAULT_WINDOW: Final = 65_535  # section 6.9.2
MAX_WINDOW: Final = 2**31 - 1  # section 6.9.1

END_STREAM: Final = 0x01
ACK: Final = 0x01
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
PRIORITY_FLAG: Final = 0x20


class FrameType(IntEnum):
    """Section 6; any other number is an extension and is ignored (section 5.5)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class ErrorCode(IntEnum):
    """Section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(IntEnum):
    """Section 6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Frame(NamedTuple):
    """One frame as it was on the wire; `type` may be a number that no FrameType has."""

    type: int
    flags: int
    stream_id: int
    payload: bytes


class FrameBuffer:
    """Cuts a byte stream into frames. Every way of splitting the bytes gives the same frames."""

    def __init__(self, max_frame_size: int = DEFAULT_MAX_FRAME_SIZE) -> None:
        self._max_frame_size = max_frame_size
        self._bytes = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Append what the socket gave."""
        self._bytes = self._bytes[self._at :] + data if self._at < len(self._bytes) else data
        self._at = 0

    def take(self, size: int) -> bytes | None:
        """The next `size` bytes, or None (and nothing taken) until there are as many."""
        if len(self._bytes) - self._at < size:
            return None
        self._at += size
        return self._bytes[self._at - size : self._at]

    def peek(self, size: int) -> bytes:
        """At most the next `size` bytes; nothing is taken."""
        return self._bytes[self._at : self._at + size]

    def next(self) -> Frame | None:
        """The next whole frame, or None until more bytes come. ConnectionFailure if it is announced too long."""
        at, held = self._at, self._bytes
        if len(held) - at < HEADER_SIZE:
            return None
        length = held[at] << 16 | held[at + 1] << 8 | held[at + 2]
        if length > self._max_frame_size:  # section 4.2: an endpoint never has to read it to refuse it
            raise ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, f"frame of {length} bytes")
        end = at + HEADER_SIZE + length
        if len(held) < end:
            return None
        self._at = end
        stream_id = int.from_bytes(held[at + 5 : at + 9], "big") & 0x7FFFFFFF  # the top bit is reserved
        return Frame(held[at + 3], held[at + 4], stream_id, held[at + HEADER_SIZE : end])


class FrameReader:
    """The client's frames, in the order that a connection must keep: its preface, then SETTINGS, then anything.

    A header block is never interrupted (sections 3.4, 4.3 and 6.2).
    """

    def __init__(self) -> None:
        self._buffer = FrameBuffer()
        self._preface_received = False
        self._settings_received = False

    def feed(self, data: bytes) -> None:
        """Append what the socket gave."""
        self._buffer.feed(data)

    def next(self, *, inside_block: bool) -> Frame | None:
        """The next frame, or None until more bytes come. ConnectionFailure for one that may not come now."""
        if not self._preface_received and not self._receive_preface():
            return None
        frame = self._buffer.next()
        if frame is None:
            return None
        if not self._settings_received:
            self._expect_settings(frame)
        if inside_block and frame.type != FrameType.CONTINUATION:
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")  # section 4.3
        return frame

    def _receive_preface(self) -> bool:
        """Section 3.4: the client's first 24 octets. A wrong start is refused as early as it shows."""
        start = self._buffer.peek(len(PREFACE))
        if not PREFACE.startswith(start):
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 connection preface")
        self._preface_received = self._buffer.take(len(PREFACE)) is not None
        return self._preface_received

    def _expect_settings(self, frame: Frame) -> None:
        if frame.type != FrameType.SETTINGS:  # section 3.4
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        self._settings_received = not frame.flags & ACK


# --- reading payloads -------------------------------------------------------------------------------------


def read_data(frame: Frame) -> bytes:
    """The data without padding (section 6.1)."""
    return _unpadded(frame) if frame.flags & PADDED else frame.payload


def read_headers(frame: Frame) -> bytes:
    """The header block fragment without padding and priority (section 6.2)."""
    fragment = _unpadded(frame) if frame.flags & PADDED else frame.payload
    if not frame.flags & PRIORITY_FLAG:
        return fragment
    if len(fragment) < 5:
        raise ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
    return fragment[5:]


def read_priority(frame: Frame) -> bytes:
    """The five octets of a scheme that RFC 9113 deprecates (section 6.3)."""
    if frame.stream_id == 0:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
    if len(frame.payload) != 5:
        raise StreamFailure(frame.stream_id, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is not 5 bytes")
    return frame.payload


def read_settings(frame: Frame) -> list[tuple[int, int]]:
    """Identifier and value in order; empty for an acknowledgement (section 6.5)."""
    if frame.stream_id:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
    if len(frame.payload) % 6 or (frame.flags & ACK and frame.payload):
        raise ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong length")
    return list(struct.iter_unpack("!HL", frame.payload))


def read_ping(frame: Frame) -> bytes:
    """The eight opaque bytes (section 6.7)."""
    if frame.stream_id:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
    return _exactly(8, frame)


def read_goaway(frame: Frame) -> tuple[int, int, bytes]:
    """Last stream id, error code and debug data (section 6.8)."""
    if frame.stream_id:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
    if len(frame.payload) < 8:
        raise ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY too short")
    last, code = struct.unpack_from("!LL", frame.payload)
    return last & 0x7FFFFFFF, code, frame.payload[8:]


def read_rst_stream(frame: Frame) -> int:
    """The error code (section 6.4)."""
    return int.from_bytes(_exactly(4, frame), "big")


def read_window_update(frame: Frame) -> int:
    """The increment, at least 1 (section 6.9). Zero breaks the stream, or the connection on stream 0."""
    increment = int.from_bytes(_exactly(4, frame), "big") & 0x7FFFFFFF
    if increment:
        return increment
    if frame.stream_id:
        raise StreamFailure(frame.stream_id, ErrorCode.PROTOCOL_ERROR, "window increment of 0")
    raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "window increment of 0")


def _exactly(size: int, frame: Frame) -> bytes:
    if len(frame.payload) != size:
        raise ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, f"frame of type {frame.type} is not {size} bytes")
    return frame.payload


def _unpadded(frame: Frame) -> bytes:
    payload = frame.payload
    if not payload or payload[0] >= len(payload):  # section 6.1: padding as long as the payload or longer
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "padding longer than the frame")
    return payload[1 : len(payload) - payload[0]]


# --- writing frames ---------------------------------------------------------------------------------------


def frame(type: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame on the wire (section 4.1)."""
    length = len(payload)
    return b"%c%c%c%c%c%b%b" % (
        length >> 16,
        length >> 8 & 255,
        length & 255,
        type,
        flags,
        stream_id.to_bytes(4, "big"),
        payload,
    )


def data(stream_id: int, body: bytes, *, end_stream: bool) -> bytes:
    """DATA, never padded."""
    return frame(FrameType.DATA, END_STREAM if end_stream else 0, stream_id, body)


def headers(stream_id: int, block: bytes, *, end_stream: bool) -> bytes:
    """HEADERS with the whole block in one frame."""
    return frame(FrameType.HEADERS, END_HEADERS | (END_STREAM if end_stream else 0), stream_id, block)


def continuation(stream_id: int, fragment: bytes, *, end_headers: bool) -> bytes:
    """CONTINUATION: more of the block that a HEADERS frame began."""
    return frame(FrameType.CONTINUATION, END_HEADERS if end_headers else 0, stream_id, fragment)


def settings(values: dict[int, int]) -> bytes:
    """SETTINGS with these values, in this order."""
    return frame(FrameType.SETTINGS, 0, 0, b"".join(struct.pack("!HL", *item) for item in values.items()))


def settings_ack() -> bytes:
    """The acknowledgement of the peer's SETTINGS."""
    return frame(FrameType.SETTINGS, ACK, 0)


def ping(opaque: bytes, *, ack: bool) -> bytes:
    """PING or its answer; `opaque` is eight bytes."""
    return frame(FrameType.PING, ACK if ack else 0, 0, opaque)


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """GOAWAY: streams above `last_stream_id` were not and will not be processed."""
    return frame(FrameType.GOAWAY, 0, 0, struct.pack("!LL", last_stream_id, code) + debug)


def rst_stream(stream_id: int, code: int) -> bytes:
    """RST_STREAM: this stream ends here."""
    return frame(FrameType.RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def window_update(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE: the peer may send `increment` bytes more; stream 0 is the connection."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))
