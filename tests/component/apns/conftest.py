"""A running sandbox on a virtual clock, and two providers: a small one on the h2 library, and stock aioapns."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import jwt
import pytest
import trustme
from aioapns import APNs
from aioapns.connection import APNsTLSClientProtocol
from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import FrameBuffer
from simulator.apns.registry import ProviderKey
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Journal
from waiting import PATIENCE

TOPIC = "com.example.app"


class Response:
    """What came back on one stream."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.headers: dict[str, str] = {}
        self.body = b""
        self.reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def reason(self) -> str | None:
        return json.loads(self.body)["reason"] if self.body else None

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self)


class Provider(asyncio.Protocol):
    """One connection. It does not hold itself to the server's stream limit unless h2 does."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.cutter = FrameBuffer()
        self.answers: dict[int, Response] = {}
        self.settings: list[dict[int, int]] = []
        self.log: list[str] = []
        self.goaway: ConnectionTerminated | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self.pong = asyncio.Event()
        self.greeted = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        self.cutter.feed(data)
        while (frame := self.cutter.next()) is not None:
            self.on_frame(frames.frame(*frame))
        self.flush()

    def on_frame(self, octets: bytes) -> None:
        for event in self.h2.receive_data(octets):
            if isinstance(event, ResponseReceived):
                self.log.append("answer")
                self.answers[event.stream_id].headers = dict(event.headers)
            elif isinstance(event, DataReceived):
                self.answers[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.answers[event.stream_id].finish()
            elif isinstance(event, StreamReset):
                self.answers[event.stream_id].reset = int(event.error_code)
                self.answers[event.stream_id].finish()
            elif isinstance(event, RemoteSettingsChanged):
                self.log.append("settings")
                self.settings.append(
                    {int(code): each.new_value for code, each in event.changed_settings.items()}
                )
                self.greeted.set()
            elif isinstance(event, ConnectionTerminated):
                self.goaway = event
                # RFC 9113 section 6.8: answers may follow a GOAWAY; h2 would call them a protocol error.
                self.h2.state_machine.state = ConnectionState.CLIENT_OPEN
            elif isinstance(event, PingAckReceived):
                self.pong.set()

    def send(self, headers: list[tuple[str, str]], body: bytes) -> Response:
        """Write the request; its answer comes later."""
        stream_id = self.h2.get_next_available_stream_id()
        answer = self.answers[stream_id] = Response()
        self.h2.send_headers(stream_id, headers, end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)
        self.flush()
        return answer

    def forget_the_limit(self) -> None:
        """Open streams as a client may that has not yet seen the server's SETTINGS."""
        self.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        self.h2.remote_settings.acknowledge()

    def close(self) -> None:
        self.transport.abort()


class Bench:
    """A sandbox with one app, one key and one device token, and whatever a test opens to it."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.clock = VirtualClock()
        self.journal = Journal(self.clock)
        self.sandbox = Sandbox(
            self.clock, self.journal, random=Random(11), folder=folder, authority=AUTHORITY
        )
        self.sandbox.add_app(TOPIC)
        self.key = self.sandbox.issue_key()
        self.token = self.sandbox.registry.mint_token(TOPIC, "sandbox")
        self.delivered: list[Any] = []
        self.sandbox.registry.attach(self.token, self.delivered.append)
        self._stack = stack
        self._signed_at = 0.0

    def tls(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.sandbox.ca_file))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    async def connect(self, realm: str = "sandbox", *alpn: str) -> Provider:
        """A connection whose SETTINGS have arrived."""
        _, provider = await asyncio.get_running_loop().create_connection(
            Provider, "127.0.0.1", self.sandbox.ports[realm], ssl=self.tls(*(alpn or ("h2",)))
        )
        self._stack.callback(provider.close)
        await within(provider.greeted.wait())
        return provider

    def sign(self, key: ProviderKey | None = None, **claims: Any) -> str:
        key = key or self.key
        claims = {"iss": key.team_id, "iat": int(self.clock.now()), **claims}
        return jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key.key_id})

    def token_of_the_hour(self) -> str:
        """One provider token, renewed when it is 50 minutes old, as Apple wants it."""
        if self.clock.now() - self._signed_at > 3000:
            self._signed_at = self.clock.now()
            self._provider_token = self.sign()
        return self._provider_token

    def headers(self, **changes: str | None) -> list[tuple[str, str]]:
        """The fields of a good push; `apns_topic="x"` replaces a header, None drops it, and so for `path`, `method`."""
        fields: dict[str, str | None] = {
            ":method": "POST",
            ":scheme": "https",
            ":path": f"/3/device/{self.token}",
            ":authority": "localhost",
            "authorization": f"bearer {self.token_of_the_hour()}",
            "apns-topic": TOPIC,
            "apns-push-type": "alert",
        }
        for name, value in changes.items():
            fields[f":{name}" if name in ("method", "path") else name.replace("_", "-")] = value
        return [(name, value) for name, value in fields.items() if value is not None]

    def push(
        self, provider: Provider, body: bytes = b'{"aps":{"alert":"hi"}}', **changes: str | None
    ) -> Response:
        return provider.send(self.headers(**changes), body)

    async def ask(
        self, provider: Provider, body: bytes = b'{"aps":{"alert":"hi"}}', **changes: str | None
    ) -> Response:
        """Push and wait for the answer."""
        return await within(self.push(provider, body, **changes).done)

    def aioapns(self, realm: str = "sandbox", **options: Any) -> APNs:
        """Stock aioapns, pointed at this sandbox."""
        port = self.sandbox.ports[realm]
        protocol = type("Here", (APNsTLSClientProtocol,), {"APNS_SERVER": "localhost", "APNS_PORT": port})
        apns = APNs(
            key=self.key.private_key,
            key_id=self.key.key_id,
            team_id=self.key.team_id,
            topic=TOPIC,
            ssl_context=self.tls(),
            **options,
        )
        apns.pool.protocol_class = protocol
        self._stack.callback(apns.pool.close)
        return apns

    def pushes(self) -> list[dict[str, Any]]:
        return [entry.detail for entry in self.journal.entries("apns", "push")]


class Wire(asyncio.Transport):
    """A socket that remembers what was written to it, and what else was done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.calls: list[str] = []

    def write(self, data: Any) -> None:
        self.written += data
        self.calls.append("write")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def frames(self) -> list[frames.Frame]:
        """What was written since the last call."""
        buffer, found = FrameBuffer(), []
        buffer.feed(self.written)
        self.written = b""
        while (frame := buffer.next()) is not None:
            found.append(frame)
        return found


class Device:
    """A device as APNs sees it; attributes may be changed at any time. `known`: the journal at each delivery."""

    def __init__(self, bench: "Bench", name: str = "iPhone") -> None:
        self.bench = bench
        self.name = name
        self.online = True
        self.asleep = False
        self.refusal: str | None = None
        self.got: list[Any] = []
        self.known: list[list[str]] = []

    def refuses(self, delivery: Any) -> str | None:
        if self.refusal == "crash":
            raise RuntimeError("no answer")
        return self.refusal

    def receive(self, delivery: Any) -> None:
        self.got.append(delivery)
        self.known.append([entry.what for entry in self.bench.journal.entries("apns")])

    def reconnect(self) -> None:
        self.online = True
        self.bench.sandbox.reconnected(self)


async def within(awaitable: Awaitable[Any]) -> Any:
    """What it gives; TimeoutError if that never comes."""
    return await asyncio.wait_for(awaitable, PATIENCE)


AUTHORITY = trustme.CA()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        bench = Bench(tmp_path, stack)
        await bench.sandbox.start()
        stack.push_async_callback(bench.sandbox.close)
        yield bench
