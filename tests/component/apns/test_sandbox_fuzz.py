"""Requests nobody should send, through a whole server connection without a socket: each gets an answer of APNs' table."""

import asyncio
import json
from random import Random
from typing import Any

import jwt
from hpack import Decoder, Encoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import FrameType
from simulator.apns.http2.server import ServerConnection
from simulator.apns.reasons import REASONS
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Journal

from .conftest import AUTHORITY, TOPIC, Wire

NAMES = [
    "authorization", "apns-id", "apns-topic", "apns-push-type", "apns-priority", "apns-expiration",
    "apns-collapse-id", "apns-channel-id", "apns-request-id", "content-length", "te", "cookie",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["", " ", "0", "10", "bearer ", "bearer a.b.c", TOPIC, "liveactivity", "alert", "voip", "é" * 40]
    ),
    st.text(max_size=80),
    st.binary(max_size=80),
)
PATHS = st.one_of(
    st.just("/3/device/TOKEN"),
    st.sampled_from(
        ["", "/", "*", "/3/device/", "/3/device/zz", f"/4/broadcasts/apps/{TOPIC}", "/1/apps/x/channels"]
    ),
    st.text(max_size=40).map(lambda text: f"/3/device/{text}"),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"{}", b'{"aps":{}}', b"[" * 3000, b'{"aps":' * 600, b"\xff{}", b"null", b"1e999", b"x" * 5000]
    ),
)


class Lab:
    """One sandbox for all examples; each example has a connection of its own."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.journal = Journal(clock)
        self.sandbox = Sandbox(clock, self.journal, random=Random(3), authority=AUTHORITY)
        self.sandbox.add_app(TOPIC)
        key = self.sandbox.issue_key()
        self.token = self.sandbox.registry.mint_token(TOPIC, "sandbox")
        claims = {"iss": key.team_id, "iat": int(clock.now())}
        self.bearer = "bearer " + jwt.encode(claims, key.private_key, "ES256", {"kid": key.key_id})
        self.encoder_fields = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost")]

    def block(self, path: str, extra: list[tuple[str, Any]], *, proven: bool) -> bytes:
        fields = [*self.encoder_fields, (":path", path.replace("TOKEN", self.token))]
        fields += [("authorization", self.bearer)] if proven else []
        return Encoder().encode([(name, value) for name, value in [*fields, *extra]])

    async def ask(self, host: str, block: bytes, body: bytes) -> list[frames.Frame]:
        connection, wire = ServerConnection(self.sandbox._listeners[host].port), Wire()
        connection.connection_made(wire)
        connection.data_received(
            frames.PREFACE
            + frames.settings({})
            + frames.headers(1, block, end_stream=not body)
            + (frames.data(1, body, end_stream=True) if body else b"")
        )
        await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.frames()


LAB = Lab()


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    host=st.sampled_from(["sandbox", "production", "manage-sandbox", "manage-production"]),
    path=PATHS,
    extra=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6),
    body=BODIES,
    proven=st.booleans(),
)
def test_every_request_gets_an_answer_or_a_reset(
    host: str, path: str, extra: list[tuple[str, Any]], body: bytes, proven: bool
) -> None:
    answer = asyncio.run(LAB.ask(host, LAB.block(path, extra, proven=proven), body))
    kinds = [frame.type for frame in answer]
    assert FrameType.GOAWAY not in kinds
    assert (FrameType.HEADERS in kinds) != (FrameType.RST_STREAM in kinds)
    assert LAB.journal.entries("apns", "connection_crashed") == []
    if FrameType.HEADERS not in kinds:
        return
    [block] = [frame.payload for frame in answer if frame.type == FrameType.HEADERS]
    found = dict(Decoder().decode(block))
    content = b"".join(frame.payload for frame in answer if frame.type == FrameType.DATA)
    if int(found[":status"]) >= 300:
        assert REASONS[json.loads(content)["reason"]].status == int(found[":status"])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.booleans(), st.integers(0, 9))
def test_no_octets_crash_a_connection(octets: bytes, greeted: bool, kind: int) -> None:
    async def send() -> None:
        connection, wire = ServerConnection(LAB.sandbox._listeners["sandbox"].port), Wire()
        connection.connection_made(wire)
        connection.data_received((frames.PREFACE + frames.settings({}) if greeted else b"") + octets)
        connection.data_received(frames.frame(kind, 5, 1, octets))
        await asyncio.sleep(0)
        connection.connection_lost(None)

    asyncio.run(send())
    assert LAB.journal.entries("apns", "connection_crashed") == []
