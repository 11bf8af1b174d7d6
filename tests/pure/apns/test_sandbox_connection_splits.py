"""The connection with any bytes, cut anywhere."""

from hpack import Encoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.connection import Connection
from simulator.apns.http2.frames import FrameType
from simulator.apns.http2.streams import RequestReceived

from .conftest import OK


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
