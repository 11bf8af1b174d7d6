"""The connection's flow control, and how much it remembers of what it gets."""

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import Frame, FrameType, Setting
from simulator.apns.http2.streams import MAX_BODY_KEPT

from .conftest import OK, first


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


def test_padding_counts_for_the_window_and_not_for_the_body(client) -> None:
    client.send(frames.headers(1, client.block(), end_stream=False))
    padded = frames.frame(FrameType.DATA, frames.PADDED | frames.END_STREAM, 1, b"\x02{}\0\0")
    assert first(client.send(padded)).body == b"{}"


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
    assert client.received()[0] == Frame(FrameType.DATA, frames.END_STREAM, 1, b"ef")
    assert client.send(frames.window_update(1, 4)) == []
