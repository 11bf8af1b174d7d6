"""Whatever is pushed, the sandbox stays observable: every GET of the control API answers, with JSON that others can read."""

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import jwt
import msgspec
import pytest
from hpack import Encoder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simulator.apns.http2 import frames
from simulator.apns.http2.server import ServerConnection
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.lab.control.app import create_app
from simulator.lab.control.history import _event
from simulator.lab.control.table import ROUTES
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab

from .conftest import ACTIVITY_TOPIC, AUTHORITY, TOPIC

UNIQUE = "123e4567-e89b-12d3-a456-426614174000"
NOW = 1_795_226_400
ENDLESS = "/control/events"
PATHS = [
    route.path.replace("{name}", "iPhone").replace("{id}", UNIQUE)
    for route in ROUTES
    if route.method == "GET" and route.path != ENDLESS
]
Fields = dict[str, bytes]


class Wire(asyncio.Transport):
    """A socket that forgets."""

    def write(self, data: Any) -> None: ...
    def close(self) -> None: ...


class World:
    """One lab for all examples."""

    def __init__(self) -> None:
        clock = VirtualClock(NOW)
        sandbox = Sandbox(clock, Journal(clock), random=Random(3), authority=AUTHORITY)
        self.lab = Lab(clock, sandbox_journal(sandbox), sandbox)
        sandbox.add_app(TOPIC)
        sandbox.profile.set({"device_rate": None})
        sandbox._ca_file = Path("ca.pem")  # it listens nowhere
        key = self.lab.issue_key()
        self.device = self.lab.add_device(DeviceSpec("iPhone", TOPIC, ios="26.0"))
        self.channel = sandbox.channels.create("sandbox", TOPIC, 1, NOW)
        claims = {"iss": key.team_id, "iat": NOW}
        self.bearer = b"bearer " + jwt.encode(claims, key.private_key, "ES256", {"kid": key.key_id}).encode()
        self.client = create_app(self.lab).test_client()

    def good(self, kind: str) -> tuple[Fields, Any]:
        """Headers and payload of an accepted push."""
        token = self.device.tokens["push-to-start" if kind == "start" else "alert"]
        live = kind in ("start", "broadcast")
        path = f"/4/broadcasts/apps/{TOPIC}" if kind == "broadcast" else f"/3/device/{token}"
        fields = {
            ":method": b"POST", ":scheme": b"https", ":path": path.encode(), ":authority": b"h", "authorization": self.bearer,
            "apns-id": UNIQUE.encode(), "apns-topic": (ACTIVITY_TOPIC if live else TOPIC).encode(),
            "apns-push-type": b"liveactivity" if live else b"alert",
        }  # fmt: skip
        if kind == "broadcast":
            fields |= {"apns-channel-id": self.channel.encode(), "apns-expiration": b"0"}
        return fields, PAYLOADS[kind]

    async def push(self, fields: Fields, body: bytes) -> None:
        connection = ServerConnection(self.lab.sandbox._listeners["sandbox"].port)
        connection.connection_made(Wire())
        block = Encoder().encode(list(fields.items()))
        connection.data_received(
            frames.PREFACE
            + frames.settings({})
            + frames.headers(1, block, end_stream=not body)
            + (frames.data(1, body, end_stream=True) if body else b"")
        )
        await asyncio.sleep(0)
        connection.connection_lost(None)

    async def require_observable(self) -> None:
        kept = self.lab.sandbox.requests
        for template in PATHS:
            if "{number}" in template and not kept:  # what was reset as malformed is no request
                continue
            path = template.replace("{number}", str(kept.first))
            response = await self.client.get(path)
            body = await response.get_data(as_text=False)
            if path.endswith(UNIQUE) and response.status_code == 404:  # this push had no such id
                assert msgspec.json.decode(body)["code"] == "not_found"
                continue
            assert response.status_code == 200, (path, body)
            assert msgspec.json.decode(body), path
        for entry in self.lab.journal.entries():
            assert msgspec.json.decode(_event(entry).removeprefix(b"data: "))
        assert not self.lab.journal.entries(what="connection_crashed")
        assert not self.lab.journal.entries(what="delivery_failed")


def sandbox_journal(sandbox: Sandbox) -> Journal:
    return sandbox._deliveries._journal


STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "x"}
PAYLOADS: dict[str, Any] = {
    "alert": {"aps": {"alert": {"title": "T", "body": "B"}, "sound": "s", "category": "c", "thread-id": "t"}, "url": "u"},
    "start": {
        "aps": {
            "event": "start", "timestamp": NOW, "attributes-type": "SessionActivityAttributes", "attributes": {"sessionId": "s"},
            "content-state": STATE, "alert": {"title": "T", "body": "B"}, "input-push-token": 1,
        }
    },
    "broadcast": {"aps": {"event": "update", "timestamp": NOW, "content-state": STATE}},
}  # fmt: skip
WORLD = World()

octets = st.binary(max_size=20) | st.sampled_from(
    [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\x00", b"\x01", "é".encode()]
)
texts = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.sampled_from([10**400, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
headers = st.dictionaries(
    st.sampled_from(
        [":path", ":method", "apns-id", "apns-topic", "apns-push-type", "apns-priority", "apns-expiration",
         "apns-collapse-id", "apns-channel-id", "apns-request-id", "authorization", "x-own"]
    ),
    octets,
    max_size=2,
)  # fmt: skip


@st.composite
def payloads(draw: st.DrawFn, kind: str) -> bytes:
    """A good payload with odd text in one place, as JSON that may hold half a surrogate pair; or any octets."""
    if draw(st.integers(0, 4)) == 0:
        return draw(octets)
    payload = json.loads(json.dumps(PAYLOADS[kind]))
    places = [payload, payload["aps"], *(each for each in payload["aps"].values() if isinstance(each, dict))]
    place = draw(st.sampled_from(places))
    place[draw(texts | st.sampled_from(sorted(place)))] = draw(values)
    return json.dumps(payload).encode()


pushes = st.sampled_from(["alert", "start", "broadcast"]).flatmap(
    lambda kind: st.tuples(st.just(kind), headers, payloads(kind))
)


def alert(text: str) -> bytes:
    return b'{"aps":{"alert":"%s"}}' % text.encode()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(pushes, st.booleans())
@example(("alert", {}, alert(r"\ud83d")), True)
@example(("alert", {}, alert(r"x\udfffx")), False)
@example(("alert", {"apns-collapse-id": b"\xff"}, alert("x")), True)
@example(("alert", {"apns-topic": b"\xff"}, alert("x")), True)
@example(("alert", {":path": b"/3/device/\xff\xfe" + b"\xfd" * 30}, alert("x")), True)
@example(("alert", {":path": b"/\xff"}, alert("x")), True)
@example(("alert", {":method": b"\xff"}, alert("x")), True)
@example(("broadcast", {"apns-channel-id": b"\xff"}, alert("x")), True)
@example(("alert", {}, b'{"aps":{"alert":"x"},"x":%s1%s}' % (b"[" * 511, b"]" * 511)), True)
@example(("alert", {}, b'{"aps":{"alert":"x"},"x":%s1%s}' % (b"[" * 900, b"]" * 900)), True)
@example(("alert", {}, b'{"aps":{"alert":"x"},"x":[1e999,-1e999,1%s]}' % (b"0" * 900)), True)
@example(
    ("start", {}, json.dumps({"aps": PAYLOADS["start"]["aps"] | {"attributes-type": "\ud800"}}).encode()),
    True,
)
def test_whatever_is_pushed_the_sandbox_stays_observable(
    push: tuple[str, Fields, bytes], online: bool
) -> None:
    kind, odd, body = push

    async def run() -> None:
        WORLD.lab.reset()
        WORLD.lab.change_device("iPhone", {"online": online})
        fields, _ = WORLD.good(kind)
        await WORLD.push(fields | odd, body)
        await WORLD.require_observable()
        WORLD.lab.change_device("iPhone", {"online": True})
        await WORLD.require_observable()

    asyncio.run(run())


@pytest.mark.parametrize("kind", PAYLOADS)
def test_the_good_pushes_of_that_test_are_accepted(kind: str) -> None:
    WORLD.lab.reset()
    fields, payload = WORLD.good(kind)
    asyncio.run(WORLD.push(fields, json.dumps(payload).encode()))
    [entry] = WORLD.lab.journal.entries("apns", "push")
    assert entry.detail["status"] == 200
