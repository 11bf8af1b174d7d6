"""HTTP/2 without a socket: what is written, and the limits that are kept."""

import struct
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from h2.settings import SettingCodes
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from pure.transport.conftest import BEARER
from relay.apns.http2 import frames
from relay.apns.http2.protocol import Http2
from relay.apns.push import OK, Result

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


def test_goodbye_is_a_goaway(client: Any) -> None:
    client.http2.send_goaway()
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


def test_a_window_that_is_opened_only_when_it_is_used_up(client: Any, wire: Any) -> None:
    """With nothing in flight, a part of a body goes out, and the rest when the window is open again (6.9)."""
    for number in range(15):
        client.http2.receive(wire.answer(client.open(str(number), payload=b"x" * 4096)))
    client.sent()
    body = bytes(range(256)) * 16
    assert client.http2.has_room(4096)
    stream_id = client.open("p", payload=body)
    assert not client.http2.has_room(1)
    _, first = client.sent()
    assert (first.data, first.flags) == (body[:4095], set())  # 65 535 - 15 * 4096
    client.http2.receive(wire.window(stream_id, 5000))
    assert not client.http2.has_output
    client.http2.receive(wire.window(0, 65_535))
    (rest,) = client.sent()
    assert (rest.data, rest.flags) == (body[4095:], {"END_STREAM"})
    assert client.http2.has_room(4096)


def test_a_part_that_is_given_up_gives_its_window_back(client: Any, wire: Any) -> None:
    for number in range(15):
        client.http2.receive(wire.answer(client.open(str(number), payload=b"x" * 4096)))
    assert not client.http2.cancel(client.open("p", payload=b"x" * 4096))
    assert not client.http2.has_room(1)
    client.http2.receive(wire.window(0, 10))
    client.sent()
    client.open("q", payload=b"x" * 12)
    _, part = client.sent()
    assert (len(part.data), part.flags) == (10, set())
    client.http2.receive(wire.window(0, 1))
    client.http2.receive(wire.window(0, 1))
    assert [(frame.data, frame.flags) for frame in client.sent()] == [(b"x", set()), (b"x", {"END_STREAM"})]


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
    _, third = client.sent()
    assert (third.data, third.flags) == (b"789", {"END_STREAM"})
    assert client.http2.receive(wire.window(1, 9) + wire.answer(1)) == [("a", OK)]


def test_a_larger_window_is_acknowledged_before_it_is_used(make_client: Any, wire: Any) -> None:
    """RFC 9113 6.5.3: the peer applies its values when it sees the ACK (oven-sh/bun#40358, netty/netty#6520).

    Values are processed in order, and only the last one of a frame counts.
    """
    client = make_client(INITIAL_WINDOW_SIZE=0)
    client.open("a", payload=b"abcdef")
    client.open("b", payload=b"ghi")
    client.sent()
    values = struct.pack("!HLHL", 4, 60_000, 4, 4)
    client.http2.receive(wire.raw(4, 0, 0, values))
    ack, *data = client.sent()
    assert (type(ack), ack.flags) == (SettingsFrame, {"ACK"})
    assert [(frame.stream_id, frame.data) for frame in data] == [(1, b"abcd"), (3, b"ghi")]


@given(
    windows=st.lists(st.integers(0, 5000), max_size=8),
    sizes=st.lists(st.integers(1, 4096), min_size=1, max_size=8),
)
def test_a_peer_that_counts_sees_no_octet_too_many(
    make_push: Any, windows: list[int], sizes: list[int]
) -> None:
    """h2 as the peer applies a window of its own when the ACK comes, and refuses DATA beyond it."""
    peer = H2Connection(H2Configuration(client_side=False))
    http2: Http2[int] = Http2("localhost")
    peer.initiate_connection()
    arrived = [0]

    def exchange() -> None:
        for event in peer.receive_data(http2.take_output()):
            arrived[0] += len(event.data) if isinstance(event, DataReceived) else 0
        http2.receive(peer.data_to_send())

    def turn() -> None:
        exchange()
        exchange()  # h2 takes any ACK for that of its newest values: none may be under way when it changes them

    peer.receive_data(http2.take_output())
    turn()
    for ticket, size in enumerate(sizes):
        http2.send_request(make_push(payload=b"x" * size), BEARER, ticket)
        if ticket < len(windows):
            peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: windows[ticket]})
        turn()
    for window in (*windows[len(sizes) :], 65_535):
        peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        turn()
    assert arrived == [sum(sizes)]
    assert not http2.broken


def test_an_answer_before_the_body_is_out_resets_the_rest(make_client: Any, wire: Any) -> None:
    client = make_client(INITIAL_WINDOW_SIZE=4)
    client.open("a", payload=b"x" * 4096)
    client.sent()
    assert client.http2.receive(wire.answer(1, 413, b"{}")) == [("a", Result("answered", 413, b"{}"))]
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
            (str(number), Result("answered", 410, DEAD))
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
