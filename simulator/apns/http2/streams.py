"""One HTTP/2 stream on the server's side: a request on its way in, or waiting for its answer."""

from typing import Final

from simulator.apns.errors import StreamFailure
from simulator.apns.http2.events import RequestReceived
from simulator.apns.http2.flow import Inflow
from simulator.apns.http2.frames import ErrorCode
from simulator.apns.http2.header_block import Field

MAX_BODY_KEPT: Final = 16_384  # more is counted and thrown away: every limit of APNs lies below


class Stream:
    """Collects a request. Whatever breaks the rules of one stream is a StreamFailure."""

    __slots__ = ("_body", "_body_size", "_ended", "_headers", "_id", "inflow")

    def __init__(self, stream_id: int, headers: list[Field]) -> None:
        self._id = stream_id
        self._headers = headers
        self._body = b""
        self._body_size = 0
        self._ended = False
        self.inflow = Inflow()

    @property
    def is_head(self) -> bool:
        """Whether the client asked with the method HEAD."""
        return (":method", "HEAD") in self._headers

    def receive(self, data: bytes, frame_size: int) -> None:
        """Take a DATA frame: its data, and its size with padding, which is what flow control counts."""
        if self._ended:  # RFC 9113 section 5.1, half-closed (remote)
            raise StreamFailure(self._id, ErrorCode.STREAM_CLOSED, "DATA after the end of the request")
        if not self.inflow.receive(frame_size):
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
