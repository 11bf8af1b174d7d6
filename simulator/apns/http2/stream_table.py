"""The streams of one connection: those that are open, and those that were cut while the peer may still be sending."""

from typing import Final

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.flow import Outflow
from simulator.apns.http2.frames import ErrorCode
from simulator.apns.http2.streams import Stream

MAX_CUT_KEPT: Final = 10_000


class StreamTable:
    """`last` is the highest stream id that the client has opened, `farewell` the last stream id of our final GOAWAY."""

    def __init__(self) -> None:
        self.open: dict[int, Stream] = {}
        self.cut: dict[int, None] = {}
        self.outflow = Outflow()
        self.last = 0
        self.farewell: int | None = None

    @property
    def finished(self) -> bool:
        """A final GOAWAY was sent, and nothing at or below its last stream is left to answer."""
        return self.farewell is not None and not self.open

    def say_farewell(self, last: int) -> None:
        """No stream above `last` will be answered."""
        self.farewell = last
        for stream_id in [each for each in self.open if each > last]:
            self.close(stream_id)

    def close(self, stream_id: int) -> None:
        """A stream was answered in full, or reset by the client."""
        del self.open[stream_id]
        self.outflow.forget(stream_id)

    def close_cut(self, stream_id: int) -> None:
        """We end a stream, open or not; what the peer is still sending on it shall pass."""
        if stream_id in self.open:
            self.close(stream_id)
        self.cut[stream_id] = None
        if len(self.cut) > MAX_CUT_KEPT:
            del self.cut[next(iter(self.cut))]

    def must_have_opened(self, stream_id: int, frame: str) -> None:
        """ConnectionFailure if this stream is idle (RFC 9113 section 5.1)."""
        if stream_id == 0 or stream_id > self.last:
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, f"{frame} on a stream that was never opened")

    def drop_late_data(self, stream_id: int, *, ends_stream: bool) -> None:
        """DATA that was on its way when we reset the stream is dropped; any other is an error (section 5.1)."""
        if stream_id not in self.cut:
            raise StreamFailure(stream_id, ErrorCode.STREAM_CLOSED, "DATA on a closed stream")
        if ends_stream:
            del self.cut[stream_id]

    def drop_late_headers(self, stream_id: int) -> None:
        """The same for a header block, which must pass the decompression all the same."""
        if stream_id not in self.cut:
            raise ConnectionFailure(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")  # section 5.1
