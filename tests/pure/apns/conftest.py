"""A provider without I/O: writes the bytes of a client and reads the frames of the sandbox's answer."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hpack import Decoder, Encoder

from simulator.apns.authentication import ProviderState
from simulator.apns.channels.registry import Channels
from simulator.apns.checks import RequestContext, first_failed
from simulator.apns.endpoints import Decision, Environment, PushEndpoint
from simulator.apns.http2 import frames
from simulator.apns.http2.connection import Connection
from simulator.apns.http2.frames import Frame, FrameBuffer, FrameType
from simulator.apns.http2.streams import RequestReceived
from simulator.apns.messages import Request, read_request
from simulator.apns.profile import Profile
from simulator.apns.provider_token import TokenReader
from simulator.apns.registry import ProviderKey, Registry

NOW = 1_795_226_400.0
TOPIC = "com.example.app"
OK = b"\x88"
"""The header block of `:status: 200` (RFC 7541, A: index 8 of the static table)."""


class PureClient:
    """The other end of a Connection. Everything it sends goes in at once; everything it gets is cut into frames."""

    def __init__(self, stream_limit: int = 1000) -> None:
        self.connection = Connection(stream_limit)
        self.encoder = Encoder()
        self.decoder = Decoder()
        self._buffer = FrameBuffer()

    def block(
        self, path: str = "/3/device/ab", extra: Iterable[tuple[str, str]] = (), method: str = "POST"
    ) -> bytes:
        fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost")]
        return self.encoder.encode([*fields, *extra])

    def send(self, *pieces: bytes) -> list[object]:
        return list(self.connection.receive(b"".join(pieces)))

    def greet(self, settings: dict[int, int] | None = None) -> list[object]:
        return self.send(frames.PREFACE, frames.settings(settings or {}))

    def request(self, stream_id: int, body: bytes = b"{}") -> bytes:
        return frames.headers(stream_id, self.block(), end_stream=False) + frames.data(
            stream_id, body, end_stream=True
        )

    def received(self) -> list[Frame]:
        self._buffer.feed(self.connection.data_to_send())
        found = []
        while (frame := self._buffer.next()) is not None:
            found.append(frame)
        return found

    def types(self) -> list[int]:
        return [frame.type for frame in self.received()]

    def goaway(self) -> tuple[int, int, bytes]:
        """Last stream, code and debug data of the one GOAWAY received."""
        [found] = [frame for frame in self.received() if frame.type == FrameType.GOAWAY]
        return frames.read_goaway(found)


@pytest.fixture
def client() -> PureClient:
    """A client that has exchanged SETTINGS with a connection of 1000 streams."""
    client = PureClient()
    client.greet()
    client.received()
    return client


@pytest.fixture
def new_client() -> type[PureClient]:
    return PureClient


def first(events: list[object]) -> RequestReceived:
    """The request that is the only event."""
    [event] = events
    assert isinstance(event, RequestReceived)
    return event


class PushCase:
    """Everything needed to put one request before the checks; attributes may be changed before `decide`."""

    def __init__(self) -> None:
        self.registry = Registry(Random(7))
        self.registry.add_app(TOPIC)
        self.registry.add_app("com.example.other")
        self.registry.add_app("com.foreign.app", "FOREIGN000")
        self.key: ProviderKey = self.registry.issue_key()
        self.device = self.registry.mint_token(TOPIC, "sandbox")
        self.profile = Profile()
        self.provider = ProviderState()
        self.reader = TokenReader(self.registry.keys)
        self.now = NOW
        self.realm = "sandbox"
        self.pushes_left = float("inf")
        self.method = "POST"
        self.path = f"/3/device/{self.device}"
        self.body = b'{"aps":{"alert":"hello"}}'
        self.body_size: int | None = None
        self.headers: list[tuple[str, str]] = [("apns-topic", TOPIC), ("apns-push-type", "alert")]
        self.authorization: str | None = f"bearer {self.sign()}"

    def sign(self, key: ProviderKey | None = None, **claims: object) -> str:
        key = key or self.key
        return jwt.encode(
            {"iss": key.team_id, "iat": int(self.now), **claims},
            key.private_key,
            algorithm="ES256",
            headers={"kid": key.key_id},
        )

    def use(self, key: ProviderKey, **claims: object) -> None:
        self.authorization = f"bearer {self.sign(key, **claims)}"

    def sign_in_der(self) -> None:
        """As OpenSSL writes a signature."""
        text, _, signature = self.sign().rpartition(".")
        octets = base64.urlsafe_b64decode(signature + "==")
        r, s = (int.from_bytes(half, "big") for half in (octets[:32], octets[32:]))
        der = base64.urlsafe_b64encode(encode_dss_signature(r, s)).rstrip(b"=").decode()
        self.authorization = f"bearer {text}.{der}"

    def set(self, name: str, value: str | None) -> None:
        self.headers = [item for item in self.headers if item[0] != name]
        if value is not None:
            self.headers.append((name, value))

    def request(self) -> Request:
        fields = [(":method", self.method), (":scheme", "https"), (":path", self.path), *self.headers]
        if self.authorization is not None:
            fields.append(("authorization", self.authorization))
        size = len(self.body) if self.body_size is None else self.body_size
        return read_request(fields, self.body, size)

    def context(self) -> RequestContext:
        context = self._endpoint().context(self.request(), self.provider)
        return replace(context, pushes_left=self.pushes_left)

    def reason(self) -> str | None:
        """Why the checks refuse it; None if they do not."""
        check = first_failed(self.context())
        return None if check is None else check.reason

    def decide(self) -> Decision:
        return self._endpoint().handle(self.request(), self.provider)

    def environment(self, channels: Channels | None = None) -> Environment:
        clock = SimpleNamespace(now=lambda: self.now)
        random = Random(8)
        return Environment(
            self.realm,  # type: ignore[arg-type]
            self.registry,
            channels or Channels(random),
            self.profile,
            self.reader,
            clock,  # type: ignore[arg-type]
            random,
        )

    def _endpoint(self) -> PushEndpoint:
        return PushEndpoint(self.environment())


@pytest.fixture
def case() -> PushCase:
    return PushCase()


@pytest.fixture
def new_case() -> Callable[[], PushCase]:
    return PushCase
