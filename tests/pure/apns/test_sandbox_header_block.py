"""Header blocks: joined, decompressed, judged for form, and written so that any HPACK decoder reads them."""

import pytest
from hpack import Decoder, Encoder

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2 import frames
from simulator.apns.http2.frames import END_HEADERS, END_STREAM, ErrorCode, Frame, FrameType
from simulator.apns.http2.header_block import BlockReader, checked_fields, literal_field, status_field

GOOD = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/")]


def test_a_block_in_one_frame() -> None:
    block = BlockReader().on_headers(Frame(1, END_HEADERS | END_STREAM, 7, Encoder().encode(GOOD)))
    assert block is not None
    assert (block.stream_id, block.ends_stream, list(block.fields)) == (7, True, GOOD)


def test_a_block_in_three_frames() -> None:
    octets, reader = Encoder().encode(GOOD), BlockReader()
    assert reader.on_headers(Frame(1, END_STREAM, 7, octets[:2])) is None
    assert reader.expects_more
    assert reader.on_continuation(Frame(9, 0, 7, octets[2:4])) is None
    block = reader.on_continuation(Frame(9, END_HEADERS, 7, octets[4:]))
    assert block is not None
    assert (block.ends_stream, list(block.fields)) == (True, GOOD)
    assert not reader.expects_more


@pytest.mark.parametrize("stream_id", [0, 9])
def test_continuation_must_follow_its_own_headers(stream_id: int) -> None:
    reader = BlockReader()
    with pytest.raises(ConnectionFailure):
        reader.on_continuation(Frame(9, 0, 7, b""))
    reader.on_headers(Frame(1, 0, 7, b""))
    with pytest.raises(ConnectionFailure) as caught:
        reader.on_continuation(Frame(9, 0, stream_id, b""))
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR


def test_an_endless_block_is_stopped() -> None:
    reader = BlockReader()
    reader.on_headers(Frame(1, 0, 7, b""))
    more = Frame(FrameType.CONTINUATION, 0, 7, bytes(16_384))
    for _ in range(4):
        reader.on_continuation(more)
    with pytest.raises(ConnectionFailure) as caught:
        reader.on_continuation(more)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def test_a_block_that_inflates_without_end_is_stopped() -> None:
    bomb = Encoder().encode([(b"x", bytes(4000))]) + b"\xbe" * 20  # entry 62 of the table, again and again
    with pytest.raises(ConnectionFailure) as caught:
        BlockReader().on_headers(Frame(1, END_HEADERS, 1, bomb))
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "octets", [b"\xff\xff\xff\xff\xff\xff\xff", b"\x80", b"\x00\x05ab", b"\x3f\xe1\xff\x03"]
)
def test_octets_that_are_no_hpack(octets: bytes) -> None:
    with pytest.raises(ConnectionFailure) as caught:
        BlockReader().on_headers(Frame(1, END_HEADERS, 1, octets))
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


def test_fields_become_text_and_odd_octets_survive() -> None:
    fields = checked_fields(
        1, [*GOOD, (b"host", b"h"), (b"te", b"trailers"), (b"apns-collapse-id", b"\xc3\xa9\xff")]
    )
    assert fields[3:] == [("host", "h"), ("te", "trailers"), ("apns-collapse-id", "é\udcff")]


@pytest.mark.parametrize(
    "decoded",
    [
        GOOD[:2],
        GOOD[1:],
        [*GOOD, (b":path", b"/")],
        [*GOOD, (b":status", b"200")],
        [*GOOD[:2], (b"a", b"b"), GOOD[2]],
        [*GOOD, (b"Upper", b"x")],
        [*GOOD, (b"", b"x")],
        [*GOOD, (b"connection", b"close")],
        [*GOOD, (b"transfer-encoding", b"chunked")],
        [*GOOD, (b"te", b"gzip")],
        [],
    ],
)
def test_malformed_requests(decoded: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(StreamFailure) as caught:
        checked_fields(5, decoded)
    assert (caught.value.stream_id, caught.value.code) == (5, ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("status", [200, 204, 206, 304, 400, 403, 404, 405, 410, 413, 429, 500, 503])
def test_any_status_is_read_by_an_independent_decoder(status: int) -> None:
    assert list(Decoder().decode(status_field(status))) == [(":status", str(status))]


def test_literal_fields_leave_the_table_empty() -> None:
    decoder = Decoder()
    assert list(decoder.decode(literal_field(b"apns-id", b"X" * 36))) == [("apns-id", "X" * 36)]
    assert len(decoder.header_table.dynamic_entries) == 0


def test_unused_flag_of_frames_is_no_priority() -> None:
    assert frames.PRIORITY_FLAG == 0x20
