"""The right error of the connection for every broken rule of RFC 9113."""

import json

import pytest

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, FrameType, Setting
from simulator.apns.http2.streams import ConnectionEnded, RequestReceived, StreamReset

from .conftest import OK, first


def refused(client, *pieces: bytes) -> tuple[int, str]:
    events = client.send(*pieces)
    assert isinstance(events[-1], ConnectionEnded)
    _, code, debug = client.goaway()
    assert client.connection.closed
    assert client.send(client.request(99)) == []
    return code, json.loads(debug)["reason"]


def test_http1_is_refused_at_its_first_octet(new_client) -> None:
    code, _ = refused(new_client(), b"G")
    assert code == ErrorCode.PROTOCOL_ERROR


def test_the_preface_may_come_octet_by_octet(new_client) -> None:
    client = new_client()
    for octet in frames.PREFACE + frames.settings({}):
        assert client.send(bytes([octet])) == []
    assert not client.connection.closed


def test_the_first_frame_must_be_settings(new_client) -> None:
    code, _ = refused(new_client(), frames.PREFACE, frames.ping(bytes(8), ack=False))
    assert code == ErrorCode.PROTOCOL_ERROR


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
        ([frames.frame(FrameType.HEADERS, 0, 1), frames.ping(bytes(8), ack=False)], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.ENABLE_PUSH: 2})], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.MAX_FRAME_SIZE: 100})], ErrorCode.PROTOCOL_ERROR),
        ([frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**31})], ErrorCode.FLOW_CONTROL_ERROR),
        ([b"\x00\x40\x01" + bytes(6)], ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_what_ends_the_connection(client, pieces: list[bytes], code: ErrorCode) -> None:
    assert refused(client, *pieces)[0] == code


def test_more_data_than_the_connection_was_granted(client) -> None:
    blocks = [frames.headers(1, client.block(), end_stream=False)]
    client.connection._window.receive(65_500)  # as if the grants had not gone out
    client.connection._window._used = 0
    assert (
        refused(client, *blocks, frames.data(1, bytes(100), end_stream=True))[0]
        == ErrorCode.FLOW_CONTROL_ERROR
    )


def test_headers_on_a_finished_stream_end_the_connection(client) -> None:
    client.send(client.request(1))
    client.connection.respond(1, OK)
    client.received()
    assert refused(client, frames.headers(1, client.block(), end_stream=True))[0] == ErrorCode.STREAM_CLOSED


def cut(client, *pieces: bytes) -> int:
    """The code with which stream 1, and only it, is reset."""
    client.received()
    [event] = [event for event in client.send(*pieces) if not isinstance(event, RequestReceived)]
    assert isinstance(event, StreamReset)
    [reset] = client.received()
    assert (reset.type, reset.stream_id) == (FrameType.RST_STREAM, 1)
    assert first(client.send(client.request(7))).stream_id == 7
    assert frames.read_rst_stream(reset) == event.code
    return event.code


def test_malformed_fields_cut_the_stream(client) -> None:
    block = client.encoder.encode([(":method", "POST")])
    assert cut(client, frames.headers(1, block, end_stream=True)) == ErrorCode.PROTOCOL_ERROR


def test_a_wrong_content_length_cuts_the_stream(client) -> None:
    head = frames.headers(1, client.block(extra=[("content-length", "3")]), end_stream=False)
    assert cut(client, head, frames.data(1, b"ab", end_stream=True)) == ErrorCode.PROTOCOL_ERROR


def test_a_right_content_length_passes(client) -> None:
    head = frames.headers(1, client.block(extra=[("content-length", "2")]), end_stream=False)
    assert first(client.send(head, frames.data(1, b"ab", end_stream=True))).body_size == 2


def test_trailers_that_go_on_cut_the_stream(client) -> None:
    head = frames.headers(1, client.block(), end_stream=False)
    trailers = frames.headers(1, client.encoder.encode([("x", "y")]), end_stream=False)
    assert cut(client, head, trailers) == ErrorCode.PROTOCOL_ERROR


def test_data_and_headers_after_the_end_cut_the_stream(client, new_client) -> None:
    assert (
        cut(client, client.request(1), frames.data(1, b"more", end_stream=False)) == ErrorCode.STREAM_CLOSED
    )
    other = new_client()
    other.greet()
    again = [other.request(1), frames.headers(1, other.encoder.encode([("x", "y")]), end_stream=True)]
    assert cut(other, *again) == ErrorCode.STREAM_CLOSED


def test_data_on_an_answered_stream_cuts_it(client) -> None:
    client.send(client.request(1))
    client.connection.respond(1, OK)
    assert cut(client, frames.data(1, b"more", end_stream=False)) == ErrorCode.STREAM_CLOSED


def test_more_data_than_the_stream_was_granted(client) -> None:
    client.send(frames.headers(1, client.block(), end_stream=False))
    client.connection._streams.open[1].window.receive(65_500)
    client.connection._streams.open[1].window._used = 0
    assert cut(client, frames.data(1, bytes(100), end_stream=False)) == ErrorCode.FLOW_CONTROL_ERROR


def test_a_window_update_of_zero_cuts_the_stream(client) -> None:
    assert cut(client, client.request(1), frames.window_update(1, 0)) == ErrorCode.PROTOCOL_ERROR


def test_a_first_settings_frame_must_be_more_than_an_acknowledgement(new_client) -> None:
    client = new_client()
    client.send(frames.PREFACE, frames.settings_ack(), frames.ping(bytes(8), ack=False))
    assert client.goaway()[1] == ErrorCode.PROTOCOL_ERROR
