"""The right error for every broken rule of RFC 9113: of the connection, or of one stream."""

import json

import pytest

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, FrameType, Setting
from simulator.apns.http2.streams import ConnectionEnded, RequestReceived, StreamReset

from .conftest import OK, first

PING = frames.ping(bytes(8), ack=False)


def refused(client, *pieces: bytes) -> int:
    events = client.send(*pieces)
    assert isinstance(events[-1], ConnectionEnded)
    _, code, debug = client.goaway()
    assert json.loads(debug)["reason"]
    assert client.connection.closed
    assert client.send(client.request(99)) == []
    return code


@pytest.mark.parametrize(
    "octets", [b"G", frames.PREFACE + PING, frames.PREFACE + frames.settings_ack() + PING]
)
def test_no_other_beginning_than_preface_and_settings(new_client, octets: bytes) -> None:
    assert refused(new_client(), octets) == ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([frames.headers(2, b"", end_stream=True)], ErrorCode.PROTOCOL_ERROR),
        ([frames.headers(0, b"", end_stream=True)], ErrorCode.PROTOCOL_ERROR),
        ([frames.headers(1, b"\x80", end_stream=True)], ErrorCode.COMPRESSION_ERROR),
        ([frames.data(1, b"", end_stream=True)], ErrorCode.PROTOCOL_ERROR),
        ([frames.data(0, b"", end_stream=True)], ErrorCode.PROTOCOL_ERROR),
        ([frames.rst_stream(1, 0)], ErrorCode.PROTOCOL_ERROR),
        ([frames.rst_stream(0, 0)], ErrorCode.PROTOCOL_ERROR),
        ([frames.window_update(1, 1)], ErrorCode.PROTOCOL_ERROR),
        ([frames.window_update(0, 2**31 - 1)], ErrorCode.FLOW_CONTROL_ERROR),
        ([frames.continuation(1, b"", end_headers=True)], ErrorCode.PROTOCOL_ERROR),
        ([frames.frame(FrameType.PUSH_PROMISE, 0, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([frames.frame(FrameType.HEADERS, 0, 1), PING], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.ENABLE_PUSH: 2})], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.MAX_FRAME_SIZE: 100})], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**31})], ErrorCode.FLOW_CONTROL_ERROR),
        ([b"\x00\x40\x01" + bytes(6)], ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_what_ends_the_connection(client, pieces: list[bytes], code: ErrorCode) -> None:
    assert refused(client, *pieces) == code


def test_more_data_than_the_connection_was_granted(client) -> None:
    head = frames.headers(1, client.block(), end_stream=False)
    client.connection._window.receive(65_500)  # as if the grants had not gone out
    client.connection._window._used = 0
    assert refused(client, head, frames.data(1, bytes(100), end_stream=True)) == ErrorCode.FLOW_CONTROL_ERROR


def test_headers_on_a_finished_stream_end_the_connection(client) -> None:
    client.send(client.request(1))
    client.connection.respond(1, OK)
    client.received()
    assert refused(client, frames.headers(1, client.block(), end_stream=True)) == ErrorCode.STREAM_CLOSED


def head(client, **fields: str) -> bytes:
    extra = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return frames.headers(1, client.block(extra=extra), end_stream=False)


def trailers(client, *, end_stream: bool, name: str = "x") -> bytes:
    return frames.headers(1, client.encoder.encode([(name, "y")]), end_stream=end_stream)


def malformed(client) -> bytes:
    return frames.headers(1, client.encoder.encode([(":method", "POST")]), end_stream=True)


MORE = frames.data(1, b"more", end_stream=False)


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        (lambda c: [malformed(c)], ErrorCode.PROTOCOL_ERROR),
        (
            lambda c: [head(c, content_length="3"), frames.data(1, b"ab", end_stream=True)],
            ErrorCode.PROTOCOL_ERROR,
        ),
        (lambda c: [head(c), trailers(c, end_stream=False)], ErrorCode.PROTOCOL_ERROR),
        (lambda c: [head(c), trailers(c, end_stream=True, name=":path")], ErrorCode.PROTOCOL_ERROR),
        (lambda c: [c.request(1), trailers(c, end_stream=True)], ErrorCode.STREAM_CLOSED),
        (lambda c: [c.request(1), MORE], ErrorCode.STREAM_CLOSED),
        (lambda c: [c.request(1), frames.window_update(1, 0)], ErrorCode.PROTOCOL_ERROR),
    ],
    ids=[
        "malformed",
        "content-length",
        "trailers go on",
        "trailers with a pseudo-header",
        "trailers after end",
        "data after end",
        "update of 0",
    ],
)
def test_what_resets_its_stream_only(client, pieces, code: ErrorCode) -> None:
    assert reset(client, *pieces(client)) == code


def reset(client, *pieces: bytes) -> int:
    """The code with which stream 1, and only it, is reset."""
    client.received()
    [event] = [event for event in client.send(*pieces) if not isinstance(event, RequestReceived)]
    assert isinstance(event, StreamReset)
    [frame] = client.received()
    assert (frame.type, frame.stream_id) == (FrameType.RST_STREAM, 1)
    assert first(client.send(client.request(7))).stream_id == 7
    assert frames.read_rst_stream(frame) == event.code
    return event.code


def test_data_on_an_answered_stream_resets_it(client) -> None:
    client.send(client.request(1))
    client.connection.respond(1, OK)
    assert reset(client, MORE) == ErrorCode.STREAM_CLOSED


def test_more_data_than_the_stream_was_granted(client) -> None:
    client.send(head(client))
    client.connection._streams.open[1].window.receive(65_500)
    client.connection._streams.open[1].window._used = 0
    assert reset(client, frames.data(1, bytes(100), end_stream=False)) == ErrorCode.FLOW_CONTROL_ERROR


def test_a_right_content_length_passes(client) -> None:
    event = first(client.send(head(client, content_length="2"), frames.data(1, b"ab", end_stream=True)))
    assert event.body_size == 2
