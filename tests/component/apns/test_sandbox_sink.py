"""The sink: everything is accepted, nothing is checked, and HTTP/2 is spoken well enough for real clients."""

import asyncio
from random import Random

import pytest
from aioapns import NotificationRequest
from hypothesis import given
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import FrameType
from simulator.apns.http2.sink import SinkConnection
from simulator.apns.sandbox import Sandbox
from simulator.journal import Journal

from .conftest import TOPIC, Bench, Wire, within


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
    assert "apns-id" not in odd[0].headers
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
