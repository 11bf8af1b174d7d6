"""Flow control: never more than was granted, and everything in the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import MAX_WINDOW, ErrorCode
from simulator.apns.http2.streams import ReceiveWindow, SendWindows


def test_a_receive_window_grants_back_what_was_used_once_it_is_half() -> None:
    window = ReceiveWindow(100)
    assert window.receive(49)
    assert window.grant() == 0
    assert window.receive(1)
    assert window.grant() == 50
    assert window.grant() == 0
    assert window.receive(100)


def test_a_receive_window_sees_that_the_peer_sent_too_much() -> None:
    window = ReceiveWindow(10)
    assert window.receive(10)
    assert not window.receive(1)


def resized(send_windows: SendWindows, initial: int) -> list[tuple[int, bytes, bool]]:
    """What may go once this initial window is acknowledged."""
    send_windows.initial_update(initial)
    return send_windows.acknowledged()


def test_a_body_waits_for_its_stream() -> None:
    send_windows = SendWindows()
    assert resized(send_windows, 2) == []
    assert send_windows.send(1, b"abcde") == [(1, b"ab", False)]
    assert send_windows.stream_update(1, 2) == [(1, b"cd", False)]
    assert send_windows.connection_update(5) == []
    assert resized(send_windows, 3) == [(1, b"e", True)]


def test_a_body_waits_for_the_connection_and_the_oldest_goes_first() -> None:
    send_windows = SendWindows()
    assert send_windows.send(1, bytes(65_535)) == [(1, bytes(65_535), True)]
    send_windows.forget(1)
    assert send_windows.send(3, b"first") == []
    assert send_windows.send(5, b"second") == []
    assert send_windows.connection_update(7) == [(3, b"first", True), (5, b"se", False)]


def test_a_stream_may_be_granted_more_before_it_has_anything_to_send() -> None:
    send_windows = SendWindows()
    send_windows.initial_update(0)
    assert send_windows.stream_update(1, 3) == []
    assert send_windows.send(1, b"abc") == [(1, b"abc", True)]


def test_windows_above_two_gigabytes_are_errors() -> None:
    with pytest.raises(ConnectionFailure) as of_connection:
        SendWindows().connection_update(MAX_WINDOW)
    with pytest.raises(StreamFailure) as of_stream:
        SendWindows().stream_update(1, MAX_WINDOW)
    with pytest.raises(ConnectionFailure) as of_all:
        SendWindows().initial_update(MAX_WINDOW + 1)
    granted = SendWindows()
    granted.stream_update(1, 10)
    with pytest.raises(ConnectionFailure) as of_one:  # RFC 9113 6.9.2
        granted.initial_update(MAX_WINDOW - 9)
    codes = {each.value.code for each in (of_connection, of_stream, of_all, of_one)}
    assert codes == {ErrorCode.FLOW_CONTROL_ERROR}


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5),
    st.lists(
        st.tuples(st.sampled_from(["stream", "connection", "initial"]), st.integers(1, 60)), max_size=30
    ),
)
def test_no_octet_is_lost_doubled_or_sent_without_leave(
    bodies: list[bytes], grants: list[tuple[str, int]]
) -> None:
    send_windows = SendWindows()
    send_windows.connection_update(1000)
    send_windows.initial_update(0)
    sent: dict[int, bytes] = {}
    granted: dict[int, int] = {}

    def take(pieces: list[tuple[int, bytes, bool]]) -> None:
        for stream_id, piece, last in pieces:
            sent[stream_id] = sent.get(stream_id, b"") + piece
            assert last == (sent[stream_id] == bodies[stream_id])
            if last:
                send_windows.forget(stream_id)

    for stream_id, body in enumerate(bodies):
        take(send_windows.send(stream_id, body))
    initial = 0
    for number, (kind, amount) in enumerate(grants):
        stream_id = number % len(bodies)
        done = sent.get(stream_id) == bodies[stream_id]
        if kind == "stream" and not done:
            granted[stream_id] = granted.get(stream_id, 0) + amount
            take(send_windows.stream_update(stream_id, amount))
        elif kind == "connection":
            take(send_windows.connection_update(amount))
        elif kind == "initial":
            initial = max(initial, amount)
            take(resized(send_windows, initial))
        for each, octets in sent.items():
            assert len(octets) <= initial + granted.get(each, 0)
    take(resized(send_windows, 1000))
    assert sent == dict(enumerate(bodies))
