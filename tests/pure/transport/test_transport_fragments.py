"""However the server's octets are cut, and whatever they are: the same results, and each push has one outcome."""

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PUSHES = 6
STREAMS = st.integers(0, PUSHES).map(lambda number: 2 * number + 1)  # one of them is idle
BODIES = st.sampled_from(
    [b"", b'{"reason":"BadTopic"}', b'{"reason":"Unregistered","timestamp":1700000000000}', b"<html>"]
)


def well_formed(wire: Any) -> st.SearchStrategy[bytes]:
    """What servers send."""
    return st.one_of(
        st.builds(wire.answer, STREAMS, st.sampled_from([200, 400, 403, 410, 429, 503]), BODIES),
        st.builds(wire.reset, STREAMS, st.sampled_from([0, 1, 7, 8])),
        st.builds(wire.goaway, STREAMS, st.just(0), st.sampled_from([b"", b'{"reason":"Shutdown"}'])),
        st.builds(wire.window, st.just(0) | STREAMS, st.integers(1, 70_000)),
        st.builds(lambda size: wire.settings(INITIAL_WINDOW_SIZE=size), st.integers(0, 5000)),
        st.builds(lambda count: wire.settings(MAX_CONCURRENT_STREAMS=count), st.integers(0, 9)),
        st.just(wire.raw(6, 0, 0, b"12345678")),
    )


def any_frame(wire: Any) -> st.SearchStrategy[bytes]:
    """What breaks them."""
    return st.builds(
        wire.raw, st.integers(0, 10), st.integers(0, 255), STREAMS | st.just(0), st.binary(max_size=40)
    )


@st.composite
def octets(draw: st.DrawFn, wire: Any) -> bytes:
    return b"".join(draw(st.lists(well_formed(wire) | any_frame(wire), max_size=20)))


def outcomes_of(make_client: Any, pieces: list[bytes]) -> tuple[Any, ...]:
    client = make_client(INITIAL_WINDOW_SIZE=3000)
    for number in range(PUSHES):
        client.open(str(number), payload=b"x" * (1000 * (number % 5)) + b"x")
    found = [each for piece in pieces for each in client.http2.receive(piece)]
    sent = client.http2.take_output()
    state = client.http2.ending, client.http2.broken, client.http2.stream_limit, client.http2.in_flight
    left = client.http2.connection_lost("cut", written=5)
    return found, left, sent, state


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_split_gives_the_same(wire: Any, make_client: Any, data: st.DataObject) -> None:
    whole = data.draw(octets(wire))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    edges = [0, *cuts, len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    expected = outcomes_of(make_client, [whole])
    assert outcomes_of(make_client, pieces) == expected
    found, left, _, (_, _, _, in_flight) = expected
    assert sorted(ticket for ticket, _ in found + left) == [str(number) for number in range(PUSHES)]
    assert len(left) == in_flight
