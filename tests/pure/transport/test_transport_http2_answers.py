"""HTTP/2 without a socket: every form of an answer."""

from typing import Any

import pytest
from hpack import Encoder
from hyperframe.frame import HeadersFrame, RstStreamFrame

from relay.apns.http2 import frames
from relay.apns.http2.protocol import Http2
from relay.apns.http2.response import MAX_BODY, OK, Result

DEAD = b'{"reason":"Unregistered","timestamp":1700000000000}'


# Answers.


def test_answers_come_in_any_order(client: Any, wire: Any) -> None:
    for ticket in "abc":
        client.open(ticket)
    found = client.http2.receive(
        wire.answer(5) + wire.answer(1, 400, b'{"reason":"BadTopic"}') + wire.answer(3)
    )
    assert found == [("c", OK), ("a", Result("answered", 400, b'{"reason":"BadTopic"}')), ("b", OK)]
    assert client.http2.in_flight == 0


def test_a_body_in_pieces_with_padding(client: Any, wire: Any) -> None:
    client.open("a")
    client.http2.receive(wire.headers(1, (":status", "410"), flags=("END_HEADERS",)))
    for at in range(0, len(DEAD), 10):
        client.http2.receive(wire.data(1, DEAD[at : at + 10], end=False, pad=7))
    assert client.http2.receive(wire.data(1, b"")) == [("a", Result("answered", 410, DEAD))]


def test_interim_answers_and_trailers(client: Any, wire: Any) -> None:
    client.open("a")
    interim = wire.headers(1, (":status", "103"), flags=("END_HEADERS",))
    head = wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
    trailers = wire.headers(1, ("x-checksum", "7"))
    found = client.http2.receive(
        interim + head + wire.data(1, b'{"reason":"BadTopic"}', end=False) + trailers
    )
    assert found == [("a", Result("answered", 400, b'{"reason":"BadTopic"}'))]


def test_headers_amid_a_body_say_nothing(client: Any, wire: Any) -> None:
    client.open("a")
    head = wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
    assert client.http2.receive(head + head + wire.data(1, b"")) == [("a", Result("answered", 400))]


def test_a_header_block_in_many_frames(client: Any, wire: Any) -> None:
    client.open("a")
    octets = wire.raw(1, 1, 1, b"\x08") + wire.raw(9, 0, 1, b"\x034") + wire.raw(9, 4, 1, b"10")
    assert client.http2.receive(octets) == [("a", Result("answered", 410))]


def test_headers_with_padding_and_priority(client: Any, wire: Any) -> None:
    client.open("a")
    assert client.http2.receive(wire.raw(1, 0x2D, 1, b"\x02" + b"\0" * 5 + b"\x88" + b"\0\0")) == [("a", OK)]


def test_headers_with_padding_alone(client: Any, wire: Any) -> None:
    client.open("a")
    assert client.http2.receive(wire.raw(1, 0x0D, 1, b"\x02\x88\0\0")) == [("a", OK)]


def test_until_our_settings_are_acknowledged_answers_may_share_a_table(make_push: Any, wire: Any) -> None:
    """RFC 9113 6.5.3: our table of size 0 holds from the acknowledgement on; an answer given up counts, too."""
    http2, encoder = Http2[str]("localhost"), Encoder()
    http2.receive(wire.settings())
    for ticket in "abcd":
        http2.send_request(make_push(), "bearer t", ticket)
    fields = [(":status", "410"), ("apns-id", "x"), ("retry-after", "7")]
    ended = ("END_HEADERS", "END_STREAM")
    http2.cancel(1)
    first, second = (HeadersFrame(each, encoder.encode(fields), flags=ended).serialize() for each in (1, 3))
    assert len(second) == 9 + 3  # three indices of the table
    assert http2.receive(first + second) == [("b", Result("answered", 410))]
    encoder.header_table_size = 0
    third = HeadersFrame(5, encoder.encode(fields), flags=ended).serialize()
    assert http2.receive(wire.settings_ack() + third) == [("c", Result("answered", 410))]
    http2.receive(second.replace(b"\0\0\0\3", b"\0\0\0\7"))
    assert http2.broken


def test_an_endless_body_is_cut_off(client: Any, wire: Any) -> None:
    client.open("a")
    found = client.http2.receive(
        wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
        + wire.data(1, b"x" * (MAX_BODY // 2), end=False) * 3
    )
    assert found == [("a", Result("answered", 400))]
    assert RstStreamFrame in [type(frame) for frame in client.sent()]
    assert not client.http2.broken


@pytest.mark.parametrize("frame", ["reset", "lost", "late"])
def test_a_200_counts_though_its_end_never_came(client: Any, wire: Any, frame: str) -> None:
    client.open("a")
    head = wire.headers(1, flags=("END_HEADERS",))
    if frame == "lost":
        client.http2.receive(head)
        assert client.http2.connection_lost("cut", written=1) == [("a", OK)]
    elif frame == "reset":
        assert client.http2.receive(head + wire.reset(1, 2)) == [("a", OK)]
    else:
        assert client.http2.receive(head + wire.goaway(0)) == [("a", OK)]


MALFORMED = {
    "no status": lambda wire: wire.headers(1, ("apns-id", "x")),
    "a status of letters": lambda wire: wire.headers(1, (":status", "abc")),
    "a status of four digits": lambda wire: wire.headers(1, (":status", "2000")),
    "an interim answer that ends": lambda wire: wire.headers(1, (":status", "100")),
    "a body before its status": lambda wire: wire.data(1, b"x"),
    "a stream window of no size": lambda wire: wire.raw(8, 0, 1, bytes(4)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_answer_ends_its_stream_only(client: Any, wire: Any, name: str) -> None:
    client.open("a")
    client.open("b")
    client.sent()
    ((ticket, result), *_) = client.http2.receive(MALFORMED[name](wire) + wire.answer(3))
    assert (ticket, result.transmission) == ("a", "maybe_sent")
    assert "malformed" in result.error
    (reset,) = client.sent()
    assert (type(reset), reset.stream_id, reset.error_code) == (
        RstStreamFrame,
        1,
        frames.ErrorCode.PROTOCOL_ERROR,
    )
    assert not client.http2.broken
    assert client.http2.in_flight == 0


def test_a_stream_that_is_over_may_be_malformed_once_more(client: Any, wire: Any) -> None:
    client.open("a")
    assert client.http2.receive(wire.answer(1) + wire.raw(8, 0, 1, bytes(4)) + wire.data(1, b"late")) == [
        ("a", OK)
    ]
    assert not client.http2.broken
