"""The sink: everything is accepted, nothing is checked, and HTTP/2 is spoken well enough for real clients."""

import asyncio
import re
from random import Random

import pytest
from aioapns import NotificationRequest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import ErrorCode, FrameType
from simulator.apns.http2.sink import STREAM_LIMIT, SinkConnection
from simulator.apns.sandbox import Sandbox
from simulator.journal import Journal

from .conftest import TOPIC, Bench, Wire, within

UPPER_UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@pytest.fixture
def sink() -> tuple[SinkConnection, Wire]:
    connection, wire = SinkConnection(), Wire()
    connection.connection_made(wire)
    connection.data_received(frames.PREFACE + frames.settings({}))
    assert [frame.type for frame in wire.frames()] == [FrameType.SETTINGS, FrameType.SETTINGS]
    return connection, wire


@pytest.fixture
async def sinking(bench: Bench):
    """The bench's sandbox replaced by a sink."""
    await bench.sandbox.close()
    bench.journal = Journal(bench.clock)
    authority = bench.sandbox._authority
    folder = bench.sandbox._folder
    bench.sandbox = Sandbox(
        bench.clock, bench.journal, random=Random(1), authority=authority, folder=folder, sink=True
    )
    await bench.sandbox.start()
    yield bench
    await bench.sandbox.close()


async def test_everything_is_accepted_at_a_thousand_streams_and_written_down_nowhere(sinking) -> None:
    provider = await sinking.connect()
    good = sinking.push(provider, apns_id="abc")
    odd = [
        sinking.push(provider, authorization=None, path="/nowhere"),
        sinking.push(provider, b"", method="GET"),
        sinking.push(provider, b"x" * 10_000),
    ]
    assert {(await within(each.done)).status for each in [good, *odd]} == {200}
    assert good.headers["apns-id"] == "abc"
    assert all(UPPER_UUID.fullmatch(each.headers["apns-id"]) for each in odd)
    assert len({each.headers["apns-id"] for each in odd}) == len(odd)
    assert sinking.journal.entries() == []


async def test_stock_aioapns_runs_into_the_sink(sinking) -> None:
    apns = sinking.aioapns()
    requests = [
        NotificationRequest(device_token="ab" * 32, message={"aps": {"alert": str(number)}}, apns_topic=TOPIC)
        for number in range(300)
    ]
    results = await within(asyncio.gather(*(apns.send_notification(each) for each in requests)))
    assert all(result.is_successful for result in results)


def test_bodies_are_granted_back(sink) -> None:
    connection, wire = sink
    connection.data_received(frames.headers(1, b"\x83", end_stream=False))
    for _ in range(4):
        connection.data_received(frames.data(1, bytes(10_000), end_stream=False))
    grants = {frame.stream_id for frame in wire.frames() if frame.type == FrameType.WINDOW_UPDATE}
    assert grants == {0, 1}
    connection.data_received(frames.data(1, b"", end_stream=False) + frames.data(1, b"x", end_stream=True))
    assert [frame.type for frame in wire.frames()] == [FrameType.HEADERS]
    assert connection._ids == {}


def test_the_stream_limit_that_was_announced_is_kept(sink) -> None:
    """RFC 9113 section 5.1.2: a stream above it is refused, and its body is dropped; one that ends makes room."""
    connection, wire = sink
    streams = range(1, 2 * STREAM_LIMIT + 1, 2)
    connection.data_received(b"".join(frames.headers(each, b"\x83", end_stream=False) for each in streams))
    assert wire.frames() == []
    above = 2 * STREAM_LIMIT + 1
    connection.data_received(
        frames.headers(above, b"\x83", end_stream=True) + frames.data(above, b"x", end_stream=True)
    )
    [refused] = wire.frames()
    assert (refused.type, refused.stream_id) == (FrameType.RST_STREAM, above)
    assert frames.read_rst_stream(refused) == ErrorCode.REFUSED_STREAM
    connection.data_received(frames.data(1, b"x", end_stream=True))
    connection.data_received(frames.headers(above + 2, b"\x83", end_stream=False))
    assert [frame.type for frame in wire.frames()] == [FrameType.HEADERS]


def test_trailers_end_a_request_and_change_nothing(sink) -> None:
    connection, wire = sink
    head = Encoder().encode([(":method", "POST"), ("apns-id", "MY-ID")])
    connection.data_received(
        frames.headers(1, head, end_stream=False) + frames.data(1, b"x", end_stream=False)
    )
    connection.data_received(frames.headers(1, b"\x83", end_stream=True))
    [answer] = [frame for frame in wire.frames() if frame.type == FrameType.HEADERS]
    assert dict(Decoder().decode(answer.payload))["apns-id"] == "MY-ID"


def test_split_header_blocks_and_resets(sink) -> None:
    connection, wire = sink
    connection.data_received(frames.frame(FrameType.HEADERS, frames.END_STREAM, 1, b"\x83"))
    connection.data_received(frames.frame(FrameType.CONTINUATION, frames.END_HEADERS, 1, b"\x86"))
    assert [frame.type for frame in wire.frames()] == [FrameType.HEADERS]
    connection.data_received(
        frames.headers(3, b"\x83", end_stream=False)
        + frames.rst_stream(3, 8)
        + frames.ping(bytes(8), ack=True)
        + frames.ping(b"12345678", ack=False)
        + frames.settings_ack()
        + frames.frame(0xEE, 0, 0, b"extension")
    )
    assert wire.frames() == [frames.Frame(FrameType.PING, frames.ACK, 0, b"12345678")]
    assert connection._ids == {}


@pytest.mark.parametrize("octets", [frames.frame(FrameType.CONTINUATION, 4, 1, b""), b"\xff" * 9])
def test_broken_frames_cut_the_connection(sink, octets: bytes) -> None:
    connection, wire = sink
    connection.data_received(octets)
    assert wire.calls[-1] == "abort"


def test_a_client_that_does_not_read_is_not_read(sink) -> None:
    connection, wire = sink
    connection.pause_writing()
    connection.resume_writing()
    assert wire.calls[-2:] == ["pause_reading", "resume_reading"]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise(octets: bytes, greeted: bool) -> None:
    connection, wire = SinkConnection(), Wire()
    connection.connection_made(wire)
    connection.data_received((frames.PREFACE + frames.settings({}) if greeted else b"") + octets)
