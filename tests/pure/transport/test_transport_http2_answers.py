"""HTTP/2 without a socket: every form of an answer."""

from collections.abc import Callable
from typing import Any

import pytest
from hpack import Encoder
from hyperframe.frame import HeadersFrame, RstStreamFrame

from relay.apns.http2 import frames
from relay.apns.http2.protocol import MAX_BODY, Http2
from relay.apns.push import OK, Result

# Answers.

REASON = b'{"reason":"BadTopic"}'
TOPIC = Result("answered", 400, REASON)
HEAD: tuple[str, ...] = ("END_HEADERS",)
"""A block after which the stream goes on."""


def pieces(wire: Any) -> bytes:
    return b"".join(wire.data(1, REASON[at : at + 10], end=False, pad=7) for at in range(0, len(REASON), 10))


def status(wire: Any, code: str) -> bytes:
    octets: bytes = wire.headers(1, (":status", code), flags=HEAD)
    return octets


ANSWERS: dict[str, tuple[Callable[[Any], bytes], Result]] = {
    "a body in pieces with padding": (lambda wire: status(wire, "400") + pieces(wire) + wire.data(1, b""), TOPIC),
    "an interim answer and trailers": (
        lambda wire: (
            status(wire, "103") + status(wire, "400") + wire.data(1, REASON, end=False) + wire.headers(1, ("x-sum", "7"))
        ),
        TOPIC,
    ),
    "headers amid a body": (lambda wire: status(wire, "400") * 2 + wire.data(1, b""), Result("answered", 400)),
    "a header block in many frames": (
        lambda wire: wire.raw(1, 1, 1, b"\x08") + wire.raw(9, 0, 1, b"\x034") + wire.raw(9, 4, 1, b"10"),
        Result("answered", 410),
    ),
    "headers with padding and priority": (
        lambda wire: wire.raw(1, 0x2D, 1, b"\x02" + b"\0" * 5 + b"\x88" + b"\0\0"),
        OK,
    ),
    "headers with padding": (lambda wire: wire.raw(1, 0x0D, 1, b"\x02\x88\0\0"), OK),
    "an endless body": (
        lambda wire: status(wire, "400") + wire.data(1, b"x" * (MAX_BODY // 2), end=False) * 3,
        Result("answered", 400),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ANSWERS)
def test_every_form_of_an_answer(client: Any, wire: Any, form: str) -> None:
    client.open("a")
    client.open("b")
    client.sent()
    octets, expected = ANSWERS[form]
    assert client.http2.receive(wire.answer(3) + octets(wire)) == [("b", OK), ("a", expected)]
    resets = [frame for frame in client.sent() if isinstance(frame, RstStreamFrame)]
    assert len(resets) == (form == "an endless body")
    assert (client.http2.in_flight, client.http2.broken) == (0, False)


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
