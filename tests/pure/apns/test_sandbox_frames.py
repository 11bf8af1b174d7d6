"""HTTP/2 frames: what is written is what is read, and every wrong length has its error code."""

import hyperframe.frame as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, Frame, FrameBuffer, FrameType

stream_ids = st.integers(0, 2**31 - 1)
payloads = st.binary(max_size=300)


def read_all(buffer: FrameBuffer) -> list[Frame]:
    found = []
    while (frame := buffer.next()) is not None:
        found.append(frame)
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), stream_ids, payloads), max_size=6), st.data()
)
def test_any_frames_survive_any_split(items: list[tuple[int, int, int, bytes]], data: st.DataObject) -> None:
    octets = b"".join(frames.frame(*item) for item in items)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    buffer, found = FrameBuffer(), []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        buffer.feed(octets[start:end])
        found += read_all(buffer)
    assert found == [Frame(*item) for item in items]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (frames.data(1, b"abc", end_stream=True), reference.DataFrame(1, b"abc", flags=["END_STREAM"])),
        (frames.data(3, b"", end_stream=False), reference.DataFrame(3, b"")),
        (frames.headers(1, b"\x88", end_stream=False), reference.HeadersFrame(1, b"\x88", flags=["END_HEADERS"])),
        (
            frames.headers(5, b"\x88", end_stream=True),
            reference.HeadersFrame(5, b"\x88", flags=["END_HEADERS", "END_STREAM"]),
        ),
        (frames.continuation(5, b"x", end_headers=False), reference.ContinuationFrame(5, b"x")),
        (
            frames.continuation(5, b"x", end_headers=True),
            reference.ContinuationFrame(5, b"x", flags=["END_HEADERS"]),
        ),
        (frames.settings({3: 1, 4: 65535}), reference.SettingsFrame(0, settings={3: 1, 4: 65535})),
        (frames.settings_ack(), reference.SettingsFrame(0, flags=["ACK"])),
        (frames.ping(b"12345678", ack=True), reference.PingFrame(0, b"12345678", flags=["ACK"])),
        (frames.ping(b"12345678", ack=False), reference.PingFrame(0, b"12345678")),
        (frames.goaway(7, 2, b"why"), reference.GoAwayFrame(0, 7, 2, b"why")),
        (frames.rst_stream(9, 7), reference.RstStreamFrame(9, 7)),
        (frames.window_update(0, 1000), reference.WindowUpdateFrame(0, 1000)),
    ],
)  # fmt: skip
def test_written_frames_are_those_of_an_independent_library(octets: bytes, expected: reference.Frame) -> None:
    assert octets == expected.serialize()


@settings(deadline=None, max_examples=50)
@given(payloads, st.integers(0, 255))
def test_padding_is_taken_off_data(data: bytes, padding: int) -> None:
    padded = bytes([padding]) + data + bytes(padding)
    assert frames.read_data(Frame(0, frames.PADDED, 1, padded)) == data
    assert frames.read_data(Frame(0, 0, 1, data)) == data


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd"])
def test_padding_as_long_as_the_frame_is_an_error(payload: bytes) -> None:
    with pytest.raises(ConnectionFailure) as caught:
        frames.read_data(Frame(0, frames.PADDED, 1, payload))
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR


def test_priority_and_padding_are_taken_off_headers() -> None:
    padded = reference.HeadersFrame(1, b"block", pad_length=3, flags=["PADDED", "PRIORITY", "END_HEADERS"])
    buffer = FrameBuffer()
    buffer.feed(padded.serialize())
    [frame] = read_all(buffer)
    assert frames.read_headers(frame) == b"block"
    assert frames.read_headers(Frame(1, 0, 1, b"plain")) == b"plain"
    with pytest.raises(ConnectionFailure) as caught:
        frames.read_headers(Frame(1, frames.PRIORITY_FLAG, 1, b"1234"))
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


def test_a_frame_over_the_limit_is_refused_before_it_is_whole() -> None:
    buffer = FrameBuffer(max_frame_size=16_384)
    buffer.feed(frames.frame(0, 0, 1, bytes(16_384)))
    assert buffer.next() is not None
    buffer.feed(frames.frame(0, 0, 1, bytes(16_385))[:9])
    with pytest.raises(ConnectionFailure) as caught:
        buffer.next()
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    buffer = FrameBuffer()
    buffer.feed(b"\0\0\0\0\0\xff\xff\xff\xff")
    assert buffer.next() == Frame(0, 0, 2**31 - 1, b"")


def test_readers_give_back_what_was_written() -> None:
    assert frames.read_settings(Frame(4, 0, 0, frames.settings({1: 2, 9: 2**32 - 1})[9:])) == [
        (1, 2),
        (9, 2**32 - 1),
    ]
    assert frames.read_ping(Frame(6, 0, 0, b"12345678")) == b"12345678"
    assert frames.read_goaway(Frame(7, 0, 0, frames.goaway(5, 1, b"x")[9:])) == (5, 1, b"x")
    assert frames.read_rst_stream(Frame(3, 0, 1, b"\0\0\0\x08")) == ErrorCode.CANCEL
    assert frames.read_window_update(Frame(8, 0, 1, b"\x80\0\0\x08")) == 8
    assert frames.read_priority(Frame(2, 0, 1, b"12345")) == b"12345"


SIZE, PROTOCOL = ErrorCode.FRAME_SIZE_ERROR, ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("read", "frame", "code"),
    [
        (frames.read_settings, Frame(4, 0, 0, b"12345"), SIZE),
        (frames.read_settings, Frame(4, frames.ACK, 0, b"123456"), SIZE),
        (frames.read_settings, Frame(4, 0, 1, b""), PROTOCOL),
        (frames.read_ping, Frame(6, 0, 0, b"1234567"), SIZE),
        (frames.read_ping, Frame(6, 0, 1, b"12345678"), PROTOCOL),
        (frames.read_goaway, Frame(7, 0, 0, b"1234567"), SIZE),
        (frames.read_goaway, Frame(7, 0, 1, b"12345678"), PROTOCOL),
        (frames.read_rst_stream, Frame(3, 0, 1, b"123"), SIZE),
        (frames.read_window_update, Frame(8, 0, 1, b"12345"), SIZE),
        (frames.read_window_update, Frame(8, 0, 0, bytes(4)), PROTOCOL),
        (frames.read_priority, Frame(2, 0, 0, bytes(5)), PROTOCOL),
    ],
)
def test_frames_that_end_the_connection(read, frame: Frame, code: ErrorCode) -> None:
    with pytest.raises(ConnectionFailure) as caught:
        read(frame)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("read", "frame", "code"),
    [
        (frames.read_window_update, Frame(8, 0, 3, bytes(4)), PROTOCOL),
        (frames.read_priority, Frame(2, 0, 3, bytes(4)), SIZE),
    ],
)
def test_frames_that_end_their_stream_only(read, frame: Frame, code: ErrorCode) -> None:
    with pytest.raises(StreamFailure) as caught:
        read(frame)
    assert (caught.value.stream_id, caught.value.code) == (3, code)


def test_the_numbers_are_those_of_the_rfc() -> None:
    names = {kind: cls.__name__.removesuffix("Frame").upper() for kind, cls in reference.FRAMES.items()}
    for kind in FrameType:
        assert names[kind] == kind.name.replace("_", "")
