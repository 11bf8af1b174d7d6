"""The other side of the wire, spoken by hyperframe and hpack: a reading of HTTP/2 that is not the relay's."""

from collections.abc import Callable
from typing import Any

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from relay.apns.http2.protocol import Http2
from relay.apns.push import Push

MakePush = Callable[..., Push]
APNS_ID = "0123abcd-4567-89ef-0123-456789abcdef"
BEARER = "bearer " + "t" * 180


class Wire:
    """A server's frames as octets, and the client's octets as frames."""

    @staticmethod
    def settings(**values: int) -> bytes:
        """`settings(MAX_CONCURRENT_STREAMS=1)`"""
        frame = SettingsFrame(
            0, settings={getattr(SettingsFrame, name): value for name, value in values.items()}
        )
        return frame.serialize()

    @staticmethod
    def settings_ack() -> bytes:
        return SettingsFrame(0, flags=["ACK"]).serialize()

    @staticmethod
    def headers(
        stream_id: int, *fields: tuple[str, str], flags: tuple[str, ...] = ("END_HEADERS", "END_STREAM")
    ) -> bytes:
        block = Encoder().encode(fields or ((":status", "200"),))
        return HeadersFrame(stream_id, block, flags=flags).serialize()

    @staticmethod
    def data(stream_id: int, body: bytes, *, end: bool = True, pad: int = 0) -> bytes:
        flags = ["END_STREAM"] if end else []
        return DataFrame(
            stream_id, body, pad_length=pad, flags=flags + (["PADDED"] if pad else [])
        ).serialize()

    @classmethod
    def answer(cls, stream_id: int, status: int = 200, body: bytes = b"") -> bytes:
        ends = () if body else ("END_STREAM",)
        head = cls.headers(
            stream_id, (":status", str(status)), ("apns-id", APNS_ID), flags=("END_HEADERS", *ends)
        )
        return head + (cls.data(stream_id, body) if body else b"")

    @staticmethod
    def reset(stream_id: int, code: int) -> bytes:
        return RstStreamFrame(stream_id, error_code=code).serialize()

    @staticmethod
    def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
        return GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=debug).serialize()

    @staticmethod
    def window(stream_id: int, increment: int) -> bytes:
        return WindowUpdateFrame(stream_id, window_increment=increment).serialize()

    @staticmethod
    def raw(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
        """Any frame, however wrong."""
        return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload

    @staticmethod
    def read(octets: bytes) -> list[Frame]:
        """What the client wrote, after the preface."""
        octets = octets.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        frames = []
        while octets:
            frame, length = Frame.parse_frame_header(memoryview(octets[:9]))
            frame.parse_body(memoryview(octets[9 : 9 + length]))
            frames.append(frame)
            octets = octets[9 + length :]
        return frames


@pytest.fixture(scope="session")
def wire() -> type[Wire]:
    return Wire


@pytest.fixture(scope="session")
def make_push() -> MakePush:
    def make(**changes: Any) -> Push:
        fields: dict[str, Any] = {
            "apns_id": APNS_ID,
            "device_token": "ab" * 32,
            "apns_env": "production",
            "topic": "com.example.app",
            "push_type": "alert",
            "priority": 10,
            "expiration": 1_800_000_000,
            "collapse_id": "c1",
            "payload": b'{"aps":{}}',
        }
        return Push(**(fields | changes))

    return make


class Client:
    """The relay's HTTP/2, and what a server would make of its octets."""

    def __init__(self, make_push: MakePush, **settings: int) -> None:
        self.http2: Http2[str] = Http2("localhost")
        self._make_push = make_push
        self._decoder = Decoder()
        self.http2.receive(
            Wire.settings(**({"MAX_CONCURRENT_STREAMS": 100} | settings)) + Wire.settings_ack()
        )
        self.greeting = self.sent()

    def open(self, ticket: str, **changes: Any) -> int:
        return self.http2.send_request(self._make_push(**changes), BEARER, ticket)

    def sent(self) -> list[Frame]:
        return Wire.read(self.http2.take_output())

    def header_lists(self) -> list[dict[str, str]]:
        frames = [frame for frame in self.sent() if isinstance(frame, HeadersFrame)]
        return [dict(self._decoder.decode(frame.data)) for frame in frames]


@pytest.fixture
def client(make_push: MakePush) -> Client:
    return Client(make_push)


@pytest.fixture(scope="session")
def make_client(make_push: MakePush) -> Callable[..., Client]:
    """`make_client(MAX_CONCURRENT_STREAMS=1)`: greeted with these settings."""
    return lambda **settings: Client(make_push, **settings)
