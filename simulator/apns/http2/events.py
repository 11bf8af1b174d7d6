"""What a connection tells its server: requests that are whole, streams that ended otherwise, and the end."""

from typing import NamedTuple

from simulator.apns.http2.header_block import Field


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


class StreamCut(NamedTuple):
    """A stream was reset, by the peer or because it was malformed; any answer to it will be dropped."""

    stream_id: int
    code: int
    message: str


class ConnectionEnded(NamedTuple):
    """No more requests will come: the peer said GOAWAY, or broke the protocol and was told so."""

    code: int
    message: str
    by_peer: bool


Event = RequestReceived | StreamRefused | StreamCut | ConnectionEnded
