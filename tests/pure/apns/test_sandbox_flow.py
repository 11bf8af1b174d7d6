"""Flow control: never more than was granted, and everything in the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.flow import Inflow, Outflow
from simulator.apns.http2.frames import MAX_WINDOW, ErrorCode


def test_inflow_grants_back_what_was_used_once_it_is_half_the_window() -> None:
    inflow = Inflow(100)
    assert inflow.receive(49)
    assert inflow.grant() == 0
    assert inflow.receive(1)
    assert inflow.grant() == 50
    assert inflow.grant() == 0
    assert inflow.receive(100)


def test_inflow_sees_that_the_peer_sent_too_much() -> None:
    inflow = Inflow(10)
    assert inflow.receive(10)
    assert not inflow.receive(1)


def test_a_body_that_fits_goes_at_once() -> None:
    assert Outflow().send(1, b"abc") == [(1, b"abc", True)]


def test_a_body_waits_for_its_stream() -> None:
    outflow = Outflow()
    assert outflow.initial_update(2) == []
    assert outflow.send(1, b"abcde") == [(1, b"ab", False)]
    assert outflow.stream_update(1, 2) == [(1, b"cd", False)]
    assert outflow.connection_update(5) == []
    assert outflow.initial_update(3) == [(1, b"e", True)]


def test_a_body_waits_for_the_connection_and_the_oldest_goes_first() -> None:
    outflow = Outflow()
    assert outflow.send(1, bytes(65_535)) == [(1, bytes(65_535), True)]
    outflow.forget(1)
    assert outflow.send(3, b"first") == []
    assert outflow.send(5, b"second") == []
    assert outflow.connection_update(7) == [(3, b"first", True), (5, b"se", False)]


def test_forgotten_streams_send_no_more() -> None:
    outflow = Outflow()
    outflow.initial_update(0)
    outflow.send(1, b"abc")
    outflow.forget(1)
    assert outflow.initial_update(100) == []


def test_a_stream_may_be_granted_more_before_it_has_anything_to_send() -> None:
    outflow = Outflow()
    outflow.initial_update(0)
    assert outflow.stream_update(1, 3) == []
    assert outflow.send(1, b"abc") == [(1, b"abc", True)]


def test_windows_above_two_gigabytes_are_errors() -> None:
    with pytest.raises(ConnectionFailure) as of_connection:
        Outflow().connection_update(MAX_WINDOW)
    with pytest.raises(StreamFailure) as of_stream:
        Outflow().stream_update(1, MAX_WINDOW)
    with pytest.raises(ConnectionFailure) as of_all:
        Outflow().initial_update(MAX_WINDOW + 1)
    codes = {of_connection.value.code, of_stream.value.code, of_all.value.code}
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
    outflow = Outflow()
    outflow.connection_update(1000)
    outflow.initial_update(0)
    sent: dict[int, bytes] = {}
    granted: dict[int, int] = {}

    def take(pieces: list[tuple[int, bytes, bool]]) -> None:
        for stream_id, piece, last in pieces:
            sent[stream_id] = sent.get(stream_id, b"") + piece
            assert last == (sent[stream_id] == bodies[stream_id])
            if last:
                outflow.forget(stream_id)

    for stream_id, body in enumerate(bodies):
        take(outflow.send(stream_id, body))
    initial = 0
    for number, (kind, amount) in enumerate(grants):
        stream_id = number % len(bodies)
        done = sent.get(stream_id) == bodies[stream_id]
        if kind == "stream" and not done:
            granted[stream_id] = granted.get(stream_id, 0) + amount
            take(outflow.stream_update(stream_id, amount))
        elif kind == "connection":
            take(outflow.connection_update(amount))
        elif kind == "initial":
            initial = max(initial, amount)
            take(outflow.initial_update(initial))
        for each, octets in sent.items():
            assert len(octets) <= initial + granted.get(each, 0)
    take(outflow.initial_update(1000))
    assert sent == dict(enumerate(bodies))
