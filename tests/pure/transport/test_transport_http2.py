"""HTTP/2 without a socket: what is written, and what becomes of each push whatever the server does."""

from typing import Any

import pytest
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from relay.apns import frames
from relay.apns.answer import MAX_BODY
from relay.apns.http2 import MAX_HEADER_BLOCK, STREAMS_UNLESS_TOLD, Http2
from relay.apns.push import Answered, MaybeSent, NotSent

OK = Answered(200)
DEAD = b'{"reason":"Unregistered","timestamp":1700000000000}'


# What we send.


def test_the_greeting(wire: Any) -> None:
    http2: Http2[str] = Http2("localhost")
    octets = http2.take_output()
    assert octets.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    (settings,) = wire.read(octets)
    assert settings.settings == {SettingsFrame.HEADER_TABLE_SIZE: 0, SettingsFrame.ENABLE_PUSH: 0}
    assert not http2.has_output
    assert not http2.has_room(0)


def test_a_push_is_headers_and_data(client: Any) -> None:
    assert client.open("a", payload=b"{}") == 1
    headers, data = client.sent()
    assert (type(headers), headers.stream_id, headers.flags) == (HeadersFrame, 1, {"END_HEADERS"})
    assert (type(data), data.stream_id, data.data, data.flags) == (DataFrame, 1, b"{}", {"END_STREAM"})
    assert client.open("b") == 3
    assert client.http2.in_flight == 2


def test_settings_and_pings_are_acknowledged(client: Any, wire: Any) -> None:
    assert [frame.flags for frame in client.greeting[1:]] == [{"ACK"}]
    client.http2.receive(wire.raw(6, 0, 0, b"12345678") + wire.raw(6, 1, 0, b"87654321") + wire.settings())
    ping, ack = client.sent()
    assert (type(ping), ping.opaque_data, ping.flags) == (PingFrame, b"12345678", {"ACK"})
    assert (type(ack), ack.flags) == (SettingsFrame, {"ACK"})
    client.http2.receive(wire.raw(4, 1, 0))
    assert not client.http2.has_output


def test_a_ping_of_ours(client: Any) -> None:
    client.http2.ping()
    (ping,) = client.sent()
    assert (type(ping), ping.flags) == (PingFrame, set())


def test_goodbye_is_a_goaway(client: Any) -> None:
    client.http2.say_goodbye()
    (goaway,) = client.sent()
    assert (type(goaway), goaway.error_code, goaway.last_stream_id) == (GoAwayFrame, 0, 0)
    assert client.http2.ending == "closed"
    assert not client.http2.has_room(1)


def test_a_cancelled_push_frees_its_stream(make_client: Any, wire: Any) -> None:
    client = make_client(MAX_CONCURRENT_STREAMS=1)
    stream_id = client.open("a")
    assert not client.http2.has_room(1)
    client.sent()
    client.http2.cancel(stream_id)
    (reset,) = client.sent()
    assert (type(reset), reset.stream_id, reset.error_code) == (RstStreamFrame, 1, frames.ErrorCode.CANCEL)
    assert client.http2.has_room(1)
    assert client.http2.receive(wire.answer(1, 410, DEAD) + wire.reset(1, 0) + wire.window(1, 5)) == []
    assert not client.http2.broken
    client.http2.cancel(stream_id)
    assert not client.http2.has_output


def test_all_stream_ids_used(client: Any) -> None:
    client.http2.last_stream_id = frames.MAX_STREAM_ID - 2
    assert client.open("a") == frames.MAX_STREAM_ID
    assert "stream ids" in client.http2.ending
    assert not client.http2.has_room(1)


# Limits.


def test_no_limit_named(wire: Any) -> None:
    http2: Http2[str] = Http2("localhost")
    http2.receive(wire.settings())
    assert http2.stream_limit == STREAMS_UNLESS_TOLD


def test_the_stream_limit_may_change_at_any_time(make_client: Any, wire: Any) -> None:
    client = make_client(MAX_CONCURRENT_STREAMS=1)
    client.open("a")
    assert not client.http2.has_room(1)
    client.http2.receive(wire.settings(MAX_CONCURRENT_STREAMS=3))
    client.open("b")
    client.open("c")
    assert not client.http2.has_room(1)
    client.http2.receive(wire.settings(MAX_CONCURRENT_STREAMS=1) + wire.answer(1) + wire.answer(3))
    assert not client.http2.has_room(1)
    client.http2.receive(wire.answer(5))
    assert client.http2.has_room(1)
    client.http2.receive(wire.settings(MAX_CONCURRENT_STREAMS=0))
    assert not client.http2.has_room(1)


def test_the_connections_window(client: Any, wire: Any) -> None:
    for number in range(15):
        assert client.http2.has_room(4096)
        client.open(str(number), payload=b"x" * 4096)
    assert not client.http2.has_room(4096)
    assert client.http2.has_room(4095)
    client.http2.receive(wire.window(0, 1))
    assert client.http2.has_room(4096)


def test_a_body_larger_than_its_streams_window(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=4)
    client.open("a", payload=b"0123456789")
    _, first = client.sent()
    assert (first.data, first.flags) == (b"0123", set())
    client.http2.receive(wire.window(1, 3))
    (second,) = client.sent()
    assert (second.data, second.flags) == (b"456", set())
    client.http2.receive(wire.settings(INITIAL_WINDOW_SIZE=2))
    assert [type(frame) for frame in client.sent()] == [SettingsFrame]  # the stream's window is -2 now
    client.http2.receive(wire.window(1, 2))
    assert not client.http2.has_output
    client.http2.receive(wire.settings(INITIAL_WINDOW_SIZE=60_000))
    third, _ = client.sent()
    assert (third.data, third.flags) == (b"789", {"END_STREAM"})
    assert client.http2.receive(wire.window(1, 9) + wire.answer(1)) == [("a", OK)]


def test_a_stream_without_any_window_at_first(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=0)
    client.open("a", payload=b"{}")
    _, first = client.sent()
    assert (first.data, first.flags) == (b"", set())
    client.http2.receive(wire.window(1, 100))
    assert client.sent()[0].data == b"{}"


def test_an_answer_before_the_body_is_out_resets_the_rest(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=4)
    client.open("a", payload=b"x" * 4096)
    client.sent()
    assert client.http2.receive(wire.answer(1, 413, b"{}")) == [("a", Answered(413))]
    assert [type(frame) for frame in client.sent()] == [RstStreamFrame]
    for _ in range(15):  # what was reserved for the rest is free again
        assert client.http2.has_room(4096)
        client.open("b", payload=b"x" * 4096)
        client.http2.cancel(client.http2.last_stream_id)


def test_received_data_is_granted_again(client: Any, wire: Any) -> None:
    granted = 0
    for number in range(2000):
        stream_id = client.open(str(number))
        assert client.http2.receive(wire.answer(stream_id, 410, DEAD)) == [
            (str(number), Answered(410, "Unregistered", 1_700_000_000_000))
        ]
        updates = [frame for frame in client.sent() if isinstance(frame, WindowUpdateFrame)]
        assert {frame.stream_id for frame in updates} <= {0}
        granted += sum(frame.window_increment for frame in updates)
        client.http2.receive(wire.window(0, 10))
    assert 0 <= 2000 * len(DEAD) - granted <= 65_535 // 2


def test_a_smaller_header_table_is_noticed_in_the_next_block(client: Any, wire: Any) -> None:
    client.open("a")
    client.http2.receive(wire.settings(HEADER_TABLE_SIZE=0))
    client.open("b")
    first, second = client.header_lists()
    assert first == second


# Answers.


def test_answers_come_in_any_order(client: Any, wire: Any) -> None:
    for ticket in "abc":
        client.open(ticket)
    found = client.http2.receive(
        wire.answer(5) + wire.answer(1, 400, b'{"reason":"BadTopic"}') + wire.answer(3)
    )
    assert found == [("c", OK), ("a", Answered(400, "BadTopic")), ("b", OK)]
    assert client.http2.in_flight == 0


def test_a_body_in_pieces_with_padding(client: Any, wire: Any) -> None:
    client.open("a")
    client.http2.receive(wire.headers(1, (":status", "410"), flags=("END_HEADERS",)))
    for at in range(0, len(DEAD), 10):
        client.http2.receive(wire.data(1, DEAD[at : at + 10], end=False, pad=7))
    assert client.http2.receive(wire.data(1, b"")) == [
        ("a", Answered(410, "Unregistered", 1_700_000_000_000))
    ]


def test_interim_answers_and_trailers(client: Any, wire: Any) -> None:
    client.open("a")
    interim = wire.headers(1, (":status", "103"), flags=("END_HEADERS",))
    head = wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
    trailers = wire.headers(1, ("x-checksum", "7"))
    found = client.http2.receive(
        interim + head + wire.data(1, b'{"reason":"BadTopic"}', end=False) + trailers
    )
    assert found == [("a", Answered(400, "BadTopic"))]


def test_headers_amid_a_body_say_nothing(client: Any, wire: Any) -> None:
    client.open("a")
    head = wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
    assert client.http2.receive(head + head + wire.data(1, b"")) == [("a", Answered(400))]


def test_a_header_block_in_many_frames(client: Any, wire: Any) -> None:
    client.open("a")
    octets = wire.raw(1, 1, 1, b"\x08") + wire.raw(9, 0, 1, b"\x034") + wire.raw(9, 4, 1, b"10")
    assert client.http2.receive(octets) == [("a", Answered(410))]


def test_headers_with_padding_and_priority(client: Any, wire: Any) -> None:
    client.open("a")
    assert client.http2.receive(wire.raw(1, 0x2D, 1, b"\x02" + b"\0" * 5 + b"\x88" + b"\0\0")) == [("a", OK)]


def test_headers_with_padding_alone(client: Any, wire: Any) -> None:
    client.open("a")
    assert client.http2.receive(wire.raw(1, 0x0D, 1, b"\x02\x88\0\0")) == [("a", OK)]


def test_an_endless_body_is_cut_off(client: Any, wire: Any) -> None:
    client.open("a")
    found = client.http2.receive(
        wire.headers(1, (":status", "400"), flags=("END_HEADERS",))
        + wire.data(1, b"x" * (MAX_BODY // 2), end=False) * 3
    )
    assert found == [("a", Answered(400))]
    assert RstStreamFrame in [type(frame) for frame in client.sent()]
    assert not client.http2.broken


@pytest.mark.parametrize("frame", ["reset", "lost", "late"])
def test_a_200_counts_though_its_end_never_came(client: Any, wire: Any, frame: str) -> None:
    client.open("a")
    head = wire.headers(1, flags=("END_HEADERS",))
    if frame == "lost":
        client.http2.receive(head)
        assert client.http2.lose("cut", written=1) == [("a", OK)]
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
    ((ticket, outcome), *_) = client.http2.receive(MALFORMED[name](wire) + wire.answer(3))
    assert (ticket, type(outcome)) == ("a", MaybeSent)
    assert "malformed" in outcome.why
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


# Refusals and ends.


def test_refused_is_not_sent_and_other_resets_may_be(client: Any, wire: Any) -> None:
    client.open("a")
    client.open("b")
    found = client.http2.receive(wire.reset(1, 7) + wire.reset(3, 8))
    assert found == [("a", NotSent("stream refused")), ("b", MaybeSent("stream reset with code 8"))]


def test_goaway_spares_what_may_be_processed(client: Any, wire: Any) -> None:
    for ticket in "abcd":
        client.open(ticket)
    debug = b'{"reason":"Shutdown"}\xff\n'
    why = 'GOAWAY with code 0 {"reason":"Shutdown"}\\xff'
    assert client.http2.receive(wire.goaway(3, debug=debug)) == [("c", NotSent(why)), ("d", NotSent(why))]
    assert not client.http2.has_room(1)
    assert client.http2.receive(wire.answer(1)) == [("a", OK)]
    assert client.http2.receive(wire.goaway(1)) == [
        ("b", NotSent("GOAWAY with code 0"))
    ]  # a second one, lower


def test_a_lost_connection_may_have_taken_what_was_written_whole(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=100)
    client.open("whole")
    client.open("partial", payload=b"x" * 200)
    client.open("unwritten")
    assert client.http2.lose("cut", written=3) == [
        ("whole", MaybeSent("cut")),
        ("partial", NotSent("cut")),
        ("unwritten", NotSent("cut")),
    ]
    assert client.http2.ending == "cut"


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
    client.http2.say_goodbye()
    assert not client.http2.has_output
    assert client.http2.lose("cut", written=3) == [("a", MaybeSent("cut"))]


def test_a_greeting_that_is_no_settings(wire: Any) -> None:
    http2: Http2[str] = Http2("localhost")
    http2.receive(wire.raw(6, 0, 0, b"12345678"))
    assert http2.broken
    assert not http2.greeted


def test_frames_of_unknown_types_and_settings_are_passed_over(client: Any, wire: Any) -> None:
    client.open("a")
    unknown = (
        wire.raw(0xBE, 0xFF, 7, b"grease")
        + wire.raw(2, 0, 1, bytes(5))
        + wire.raw(4, 0, 0, b"\x0a\x0a\0\0\0\7")
    )
    assert client.http2.receive(unknown + wire.answer(1)) == [("a", OK)]
