"""HTTP/2 without a socket: refusals, the ends of a connection, and peers that break the protocol."""

from typing import Any

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    GoAwayFrame,
)

from relay.apns.http2 import frames
from relay.apns.http2.protocol import MAX_HEADER_BLOCK, Http2
from relay.apns.push import OK, Result

DEAD = b'{"reason":"Unregistered","timestamp":1700000000000}'


# Refusals and ends.


def test_refused_is_not_sent_and_other_resets_may_be(client: Any, wire: Any) -> None:
    client.open("a")
    client.open("b")
    found = client.http2.receive(wire.reset(1, 7) + wire.reset(3, 8))
    assert found == [
        ("a", Result("not_sent", error="stream refused")),
        ("b", Result("maybe_sent", error="stream reset with code 8")),
    ]


def test_goaway_spares_what_may_be_processed(client: Any, wire: Any) -> None:
    for ticket in "abcd":
        client.open(ticket)
    debug = b'{"reason":"Shutdown"}\xff\n'
    why = 'GOAWAY with code 0 {"reason":"Shutdown"}\\xff'
    assert client.http2.receive(wire.goaway(3, debug=debug)) == [
        ("c", Result("not_sent", error=why)),
        ("d", Result("not_sent", error=why)),
    ]
    assert not client.http2.has_room(1)
    assert client.http2.receive(wire.answer(1)) == [("a", OK)]
    assert client.http2.receive(wire.goaway(1)) == [
        ("b", Result("not_sent", error="GOAWAY with code 0"))
    ]  # a second one, lower


def test_a_lost_connection_may_have_taken_what_was_written_whole(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=100)
    client.open("whole")
    client.open("partial", payload=b"x" * 200)
    client.open("unwritten")
    assert client.http2.connection_lost("cut", written=3) == [
        ("whole", Result("maybe_sent", error="cut")),
        ("partial", Result("not_sent", error="cut")),
        ("unwritten", Result("not_sent", error="cut")),
    ]
    assert client.http2.ending == "cut"
    client = make_client()
    client.open("last")
    assert client.http2.connection_lost("cut", written=1) == [("last", Result("maybe_sent", error="cut"))]


BREAKING: dict[str, tuple[frames.ErrorCode, Any]] = {
    "a frame too long": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "a push promise": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(5, 4, 1, b"\0\0\0\2\x88")),
    "an idle stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.answer(5)),
    "an even stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.answer(2)),
    "headers on the connection": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(1, 5, 0, b"\x88")),
    "data on an idle stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.data(5, b"x")),
    "reset of an idle stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.reset(5, 0)),
    "window of an idle stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.window(5, 1)),
    "settings on a stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(4, 0, 1)),
    "settings cut off": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(4, 0, 0, b"12345")),
    "an acknowledgement with settings": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(4, 1, 0, b"123456")),
    "a server that allows push": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.settings(ENABLE_PUSH=1)),
    "an initial window too large": (
        frames.ErrorCode.FLOW_CONTROL_ERROR,
        lambda wire: wire.raw(4, 0, 0, b"\0\x04\x80\0\0\0"),
    ),
    "a frame size too small": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(4, 0, 0, b"\0\x05\0\0\0\x01")),
    "a frame size too large": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(4, 0, 0, b"\0\x05\x01\0\0\0")),
    "a ping on a stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(6, 0, 1, b"12345678")),
    "a short ping": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(6, 0, 0, b"1")),
    "goaway on a stream": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(7, 0, 1, bytes(8))),
    "a short goaway": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(7, 0, 0, bytes(7))),
    "a short reset": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(3, 0, 1, bytes(3))),
    "a long window update": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(8, 0, 1, bytes(5))),
    "a window of no size": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(8, 0, 0, bytes(4))),
    "a window beyond the largest": (frames.ErrorCode.FLOW_CONTROL_ERROR, lambda wire: wire.window(0, 2**31 - 1)),
    "too much padding": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(0, 8, 1, b"\x05abc")),
    "padding of nothing": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(0, 8, 1)),
    "a priority cut off": (frames.ErrorCode.FRAME_SIZE_ERROR, lambda wire: wire.raw(1, 0x25, 1, b"\0\0\0\0")),
    "a block interrupted": (
        frames.ErrorCode.PROTOCOL_ERROR,
        lambda wire: wire.raw(1, 1, 1, b"\x88") + wire.answer(3),
    ),
    "a continuation of nothing": (frames.ErrorCode.PROTOCOL_ERROR, lambda wire: wire.raw(9, 4, 1, b"\x88")),
    "a continuation of another": (
        frames.ErrorCode.PROTOCOL_ERROR,
        lambda wire: wire.raw(1, 1, 1, b"\x88") + wire.raw(9, 4, 3, b""),
    ),
    "an endless block": (
        frames.ErrorCode.ENHANCE_YOUR_CALM,
        lambda wire: wire.raw(1, 1, 1) + wire.raw(9, 0, 1, bytes(16_000)) * (MAX_HEADER_BLOCK // 16_000 + 1),
    ),
    "a block that is none": (frames.ErrorCode.COMPRESSION_ERROR, lambda wire: wire.raw(1, 5, 1, b"\xff\xff\xff")),
    "an entry of a table we do not keep": (frames.ErrorCode.COMPRESSION_ERROR, lambda wire: wire.raw(1, 5, 1, b"\xbe")),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
def test_a_broken_protocol_ends_the_connection_but_not_what_was_answered(
    client: Any, wire: Any, name: str
) -> None:
    code, octets = BREAKING[name]
    client.open("a")
    client.open("b")
    client.sent()
    assert client.http2.receive(wire.answer(3) + octets(wire)) == [("b", OK)]
    assert client.http2.broken
    *_, goaway = client.sent()
    assert (type(goaway), goaway.error_code) == (GoAwayFrame, code)
    assert goaway.additional_data
    assert client.http2.receive(wire.answer(1)) == []
    client.http2.send_goaway()
    assert not client.http2.has_output
    assert client.http2.connection_lost("cut", written=3) == [("a", Result("maybe_sent", error="cut"))]


def test_a_greeting_that_is_no_settings(wire: Any) -> None:
    http2: Http2[str] = Http2("localhost")
    http2.receive(wire.raw(6, 0, 0, b"12345678"))
    assert http2.broken
    assert not http2.settings_received


def test_frames_of_unknown_types_and_settings_are_passed_over(client: Any, wire: Any) -> None:
    client.open("a")
    unknown = (
        wire.raw(0xBE, 0xFF, 7, b"grease")
        + wire.raw(2, 0, 1, bytes(5))
        + wire.raw(4, 0, 0, b"\x0a\x0a\0\0\0\7")
    )
    assert client.http2.receive(unknown + wire.answer(1)) == [("a", OK)]


def test_the_numbers_of_the_errors_are_those_of_the_rfc() -> None:
    assert [ErrorCodes[code.name] for code in frames.ErrorCode] == list(frames.ErrorCode)
