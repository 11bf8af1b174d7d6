"""What the client sends, as frames, in the order that a connection must keep (RFC 9113 sections 3.4, 4.3 and 6.2)."""

from simulator.apns.errors import ConnectionFailure
from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, Frame, FrameBuffer, FrameType


class Intake:
    """First the preface, then SETTINGS, then anything; but a header block is never interrupted."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer()
        self._greeted = False
        self._settled = False

    def feed(self, data: bytes) -> None:
        """Append what the socket gave."""
        self._buffer.feed(data)

    def next(self, *, inside_block: bool) -> Frame | None:
        """The next frame, or None until more bytes come. ConnectionFailure for one that may not come now."""
        if not self._greeted and not self._greeted_well():
            return None
        frame = self._buffer.next()
        if frame is None:
            return None
        if not self._settled:
            self._settle(frame)
        if inside_block and frame.type != FrameType.CONTINUATION:
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")  # section 4.3
        return frame

    def _greeted_well(self) -> bool:
        """Section 3.4: the client's first 24 octets. A wrong start is refused as early as it shows."""
        start = self._buffer.peek(len(frames.PREFACE))
        if not frames.PREFACE.startswith(start):
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 connection preface")
        self._greeted = self._buffer.take(len(frames.PREFACE)) is not None
        return self._greeted

    def _settle(self, frame: Frame) -> None:
        if frame.type != FrameType.SETTINGS:  # section 3.4
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        self._settled = not frame.flags & frames.ACK
