"""The sans-I/O connection: requests in, responses out, flow control, and how it ends; with any bytes, cut anywhere."""

import struct

import pytest
from hpack import Encoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.connection import NO_LAST_STREAM, Connection
from simulator.apns.http2.frames import ErrorCode, Frame, FrameType, Setting
from simulator.apns.http2.streams import (
    MAX_BODY_KEPT,
    MAX_RESET_KEPT,
    RequestReceived,
    StreamRefused,
    StreamReset,
)

from .conftest import OK, first


def test_the_first_settings_are_those_of_apns(new_client) -> None:
    client = new_client(stream_limit=1)
    [settings_frame] = client.received()
    assert dict(frames.read_settings(settings_frame)) == {
        Setting.HEADER_TABLE_SIZE: 4096,
        Setting.MAX_CONCURRENT_STREAMS: 1,
        Setting.INITIAL_WINDOW_SIZE: 65_535,
        Setting.MAX_FRAME_SIZE: 16_384,
    }


def test_a_greeting_is_acknowledged_and_acknowledgements_are_counted(new_client) -> None:
    client = new_client()
    client.received()
    assert client.greet({2: 0, 5: 20_000, 99: 1}) == []
    assert client.received() == [Frame(FrameType.SETTINGS, frames.ACK, 0, b"")]
    assert client.send(frames.settings_ack()) == []
    assert client.connection.acknowledged == 1
    assert client.received() == []


def test_requests_with_and_without_a_body(client) -> None:
    event = first(client.send(client.request(1, b'{"aps":{}}')))
    assert (event.stream_id, event.body, event.body_size) == (1, b'{"aps":{}}', 10)
    assert event.headers[2] == (":path", "/3/device/ab")
    assert first(client.send(frames.headers(3, client.block(), end_stream=True))).body == b""


def test_a_request_in_many_frames_with_trailers(client) -> None:
    block, trailers = client.block(), client.encoder.encode([("x-trailer", "1")])
    event = first(
        client.send(
            frames.frame(FrameType.HEADERS, 0, 1, block[:3]),
            frames.continuation(1, block[3:], end_headers=True),
            frames.data(1, b"ab", end_stream=False),
            frames.data(1, b"cd", end_stream=False),
            frames.headers(1, trailers, end_stream=True),
        )
    )
    assert event.body == b"abcd"


def test_the_answer_to_head_has_no_content(client) -> None:
    """RFC 9110 section 9.3.2."""
    client.send(frames.headers(1, client.block(method="HEAD"), end_stream=True))
    assert client.connection.respond(1, OK, b"{}")
    [answer] = client.received()
    assert (answer.type, answer.flags & frames.END_STREAM) == (FrameType.HEADERS, frames.END_STREAM)
    assert client.connection.open_streams == 0


def test_an_answer_to_a_stream_that_the_client_reset_is_dropped(client) -> None:
    client.send(client.request(1))
    assert client.send(frames.rst_stream(1, ErrorCode.CANCEL)) == [
        StreamReset(1, ErrorCode.CANCEL, "reset by the client", by_peer=True)
    ]
    assert not client.connection.respond(1, OK)
    assert client.send(frames.rst_stream(1, ErrorCode.CANCEL)) == []
    assert client.received() == []


def test_a_stream_above_the_limit_is_refused_and_its_data_dropped(new_client) -> None:
    client = new_client(stream_limit=1)
    client.greet()
    client.received()
    events = client.send(client.request(1), client.request(3))
    assert [type(event) for event in events] == [RequestReceived, StreamRefused]
    [reset] = client.received()
    assert (reset.type, reset.stream_id) == (FrameType.RST_STREAM, 3)
    assert frames.read_rst_stream(reset) == ErrorCode.REFUSED_STREAM


def test_the_limit_is_raised_by_a_second_settings_frame(new_client) -> None:
    client = new_client(stream_limit=1)
    client.greet()
    client.received()
    client.connection.set_stream_limit(1000)
    client.connection.set_stream_limit(1000)
    [raised] = client.received()
    assert frames.read_settings(raised) == [(Setting.MAX_CONCURRENT_STREAMS, 1000)]
    assert len(client.send(*(client.request(2 * n + 1) for n in range(1000)))) == 1000


def test_ping_is_answered_and_what_asks_for_no_answer_is_ignored(client) -> None:
    ignored = [frames.frame(0xFA, 0xFF, 9, b"?"), frames.frame(FrameType.PRIORITY, 0, 9, bytes(5))]
    pings = [frames.ping(b"abcdefgh", ack=False), frames.ping(b"abcdefgh", ack=True)]
    assert client.send(*ignored, *pings) == []
    assert client.received() == [Frame(FrameType.PING, frames.ACK, 0, b"abcdefgh")]


def test_goaway_carries_compact_json_and_later_streams_are_ignored(client) -> None:
    client.send(client.request(1))
    client.connection.goaway("Shutdown")
    assert client.goaway() == (1, ErrorCode.NO_ERROR, b'{"reason":"Shutdown"}')
    assert client.send(client.request(3)) == []
    assert not client.connection.finished
    client.connection.respond(1, OK)
    assert client.connection.finished
    assert client.types() == [FrameType.HEADERS]


def test_goaway_may_exclude_streams_that_were_seen(client) -> None:
    client.send(client.request(1), client.request(3))
    client.connection.goaway("Shutdown", last_stream=1)
    assert client.goaway()[0] == 1
    assert not client.connection.respond(3, OK)
    assert client.connection.respond(1, OK)


def test_reset_ends_a_stream_and_what_comes_late_is_dropped(client) -> None:
    client.send(frames.headers(1, client.block(), end_stream=False))
    client.connection.reset(1, ErrorCode.INTERNAL_ERROR)
    client.connection.reset(99, ErrorCode.INTERNAL_ERROR)
    assert client.types() == [FrameType.RST_STREAM]
    trailers = frames.headers(1, client.encoder.encode([("x", "y")]), end_stream=True)
    late = [frames.data(1, b"late", end_stream=False), trailers, frames.data(1, b"", end_stream=True)]
    assert client.send(*late) == []
    assert client.received() == []


def test_only_so_many_reset_streams_are_remembered(new_client) -> None:
    client = new_client(stream_limit=0)
    client.greet()
    block = Encoder().encode([(":method", "GET"), (":scheme", "https"), (":path", "/")], huffman=False)
    client.send(*(frames.headers(2 * n + 1, block, end_stream=False) for n in range(MAX_RESET_KEPT + 5)))
    assert len(client.connection._streams.reset) == MAX_RESET_KEPT


def test_a_smaller_header_table_is_acknowledged_once(new_client) -> None:
    client = new_client()
    client.greet({Setting.HEADER_TABLE_SIZE: 0})
    client.received()
    client.decoder.max_allowed_table_size = 0
    client.send(client.request(1), client.request(3))
    client.connection.respond(1, OK)
    client.connection.respond(3, OK)
    for frame in client.received():
        assert list(client.decoder.decode(frame.payload)) == [(":status", "200")]


@pytest.mark.parametrize("body", [b"{", b'{"reason":"Shutdown"}'])
def test_a_body_may_be_split(client, body: bytes) -> None:
    client.send(client.request(1))
    assert client.connection.respond(1, b"\x88", body, split=True)
    data = [frame for frame in client.received() if frame.type == FrameType.DATA]
    assert b"".join(frame.payload for frame in data) == body
    assert [bool(frame.flags & frames.END_STREAM) for frame in data] == [False] * (len(data) - 1) + [True]
    assert len(data) == min(2, len(body))
    assert client.connection.open_streams == 0


def test_an_announced_shutdown_excludes_nothing_and_answers_go_on(client) -> None:
    client.connection.announce_shutdown("IdleTimeout")
    assert client.goaway() == (NO_LAST_STREAM, ErrorCode.NO_ERROR, b'{"reason":"IdleTimeout"}')
    assert not client.connection.finished
    [event] = client.send(client.request(1))
    assert client.connection.respond(event.stream_id, b"\x88")
    client.connection.goaway("IdleTimeout")
    assert client.goaway() == (1, ErrorCode.NO_ERROR, b'{"reason":"IdleTimeout"}')
    assert client.connection.finished


# --- flow control ---


def test_consumed_data_is_granted_back_to_stream_and_connection(client) -> None:
    client.send(frames.headers(1, client.block(), end_stream=False))
    client.send(*[frames.data(1, bytes(16_384), end_stream=False)] * 2)
    updates = [(each.stream_id, frames.read_window_update(each)) for each in client.received()]
    assert updates == [(0, 32_768), (1, 32_768)]


def test_a_body_without_end_costs_no_memory(client) -> None:
    client.send(frames.headers(1, client.block(), end_stream=False))
    for _ in range(40):
        client.send(frames.data(1, bytes(16_384), end_stream=False))
    event = first(client.send(frames.data(1, b"", end_stream=True)))
    assert (len(event.body), event.body_size) == (MAX_BODY_KEPT, 40 * 16_384)


def test_error_bodies_wait_for_the_clients_window(new_client) -> None:
    client = new_client()
    client.greet({Setting.INITIAL_WINDOW_SIZE: 0})
    client.send(client.request(1))
    client.received()
    client.connection.respond(1, OK, b"abcdef")
    assert client.types() == [FrameType.HEADERS]
    client.send(frames.window_update(1, 4))
    assert client.received() == [Frame(FrameType.DATA, 0, 1, b"abcd")]
    client.send(frames.window_update(0, 10))
    assert client.received() == []
    client.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 2}))
    ack, rest = client.received()
    assert (ack.type, ack.flags) == (FrameType.SETTINGS, frames.ACK)  # first: RFC 9113 6.5.3
    assert rest == Frame(FrameType.DATA, frames.END_STREAM, 1, b"ef")
    assert client.send(frames.window_update(1, 4)) == []


def test_a_larger_window_is_acknowledged_before_it_is_used(new_client) -> None:
    """RFC 9113 6.5.3: the client applies its values when it sees the ACK (oven-sh/bun#40358, netty/netty#6520)."""
    client = new_client()
    client.greet({Setting.INITIAL_WINDOW_SIZE: 0})
    client.send(client.request(1), client.request(3))
    client.connection.respond(1, OK, b"abcdef")
    client.connection.respond(3, OK, b"ghi")
    client.received()
    # Values are processed in order, and only the last one of a frame counts.
    client.send(settings_frame((Setting.INITIAL_WINDOW_SIZE, 60_000), (Setting.INITIAL_WINDOW_SIZE, 4)))
    ack, *data = client.received()
    assert (ack.type, ack.flags) == (FrameType.SETTINGS, frames.ACK)
    assert [(frame.stream_id, frame.payload) for frame in data] == [(1, b"abcd"), (3, b"ghi")]


def settings_frame(*values: tuple[int, int]) -> bytes:
    """SETTINGS that may name one setting twice."""
    payload = b"".join(struct.pack("!HL", *each) for each in values)
    return struct.pack("!BHBBL", 0, len(payload), FrameType.SETTINGS, 0, 0) + payload


# --- any bytes ---


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_split_of_the_bytes_gives_the_same_events_and_answers(data: st.DataObject) -> None:
    encoder = Encoder()
    fields = [(":method", "POST"), (":scheme", "https"), (":path", "/3/device/ab")]
    pieces = [frames.PREFACE, frames.settings({1: 100}), frames.ping(b"12345678", ack=False)]
    for stream_id in (1, 3, 5):
        block = encoder.encode([*fields, ("apns-id", f"id-{stream_id}")])
        pieces += [
            frames.headers(stream_id, block, end_stream=False),
            frames.data(stream_id, b"{}", end_stream=True),
        ]
    pieces.append(frames.frame(FrameType.PUSH_PROMISE, 0, 7, b""))
    octets = b"".join(pieces)

    def play(cuts: list[int]) -> tuple[list[object], bytes]:
        connection, events, out = Connection(2), [], b""
        for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            for event in connection.receive(octets[start:end]):
                events.append(event)
                if isinstance(event, RequestReceived) and event.stream_id == 3:
                    connection.respond(1, OK, b"answer")
            out += connection.data_to_send()
        return events, out

    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    assert play(cuts) == play([])


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                frames.frame,
                st.integers(0, 10),
                st.integers(0, 255),
                st.integers(0, 9),
                st.binary(max_size=40),
            ),
        ),
        max_size=12,
    )
)
def test_no_bytes_crash_it(pieces: list[bytes]) -> None:
    connection = Connection(2)
    for piece in [frames.PREFACE + frames.settings({}), *pieces]:
        for event in connection.receive(piece):
            if isinstance(event, RequestReceived):
                connection.respond(event.stream_id, OK, b"{}")
    connection.data_to_send()
