"""A small APNs over real TLS and HTTP/2 whose every answer, and misbehaviour, is written in the test."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes


@dataclass
class Request:
    """A push as the server received it."""

    peer: "Peer"
    stream_id: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def apns_id(self) -> str:
        return self.headers["apns-id"]

    def answer(self, status: int | str = 200, body: bytes = b"", headers: Any = None, parts: int = 1) -> None:
        """Answer with HEADERS and, if there is a body, DATA in so many parts."""
        fields = [(":status", str(status)), *([("apns-id", self.apns_id)] if headers is None else headers)]
        h2 = self.peer.h2
        h2.send_headers(self.stream_id, fields, end_stream=not body)
        size = -(-len(body) // parts)
        for at in range(0, len(body), size or 1):
            h2.send_data(self.stream_id, body[at : at + size], end_stream=at + size >= len(body))
        self.peer.flush()
        self.peer.in_flight.discard(self.stream_id)

    def reset(self, code: ErrorCodes) -> None:
        self.peer.h2.reset_stream(self.stream_id, code)
        self.peer.flush()
        self.peer.in_flight.discard(self.stream_id)


class Peer(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, server: "MisbehavingApns") -> None:
        self.server = server
        self.h2 = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))
        self.requests: dict[int, Request] = {}
        self.in_flight: set[int] = set()
        self.most_in_flight = 0
        self.resets: list[int] = []
        self.closed = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server.peers.append(self)
        self.server.on_connect(self)

    def greet(self, streams: int | None = None) -> None:
        """Send SETTINGS, as a server that works does first."""
        self.h2.local_settings = self.h2.local_settings  # h2's own defaults
        if streams is not None:
            self.h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = streams
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.flush()

    def allow(self, streams: int) -> None:
        """Change MAX_CONCURRENT_STREAMS."""
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.flush()

    def go_away(self, last_stream_id: int, debug: bytes = b"") -> None:
        """GOAWAY, written by hand: h2 would end its own connection with it."""
        body = last_stream_id.to_bytes(4, "big") + (0).to_bytes(4, "big") + debug
        self.transport.write(len(body).to_bytes(3, "big") + bytes([7, 0, 0, 0, 0, 0]) + body)

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except H2Error:
            self.transport.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                fields = {bytes(k).decode(): bytes(v).decode() for k, v in event.headers}
                self.requests[event.stream_id] = Request(self, event.stream_id, fields)
                self.in_flight.add(event.stream_id)
                self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
            elif isinstance(event, DataReceived):
                self.requests[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamReset):
                self.resets.append(event.stream_id)
                self.in_flight.discard(event.stream_id)
            elif isinstance(event, StreamEnded):
                self.server.requests.append(self.requests[event.stream_id])
                self.server.on_push(self.requests[event.stream_id])
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True


@dataclass
class MisbehavingApns:
    """What listens. Set `on_push` and `on_connect` to misbehave."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    on_connect: Callable[[Peer], None] = Peer.greet
    on_push: Callable[[Request], None] = Request.answer

    @property
    def apns_ids(self) -> list[str]:
        return [request.apns_id for request in self.requests]

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext) -> AsyncIterator[Self]:
        """While it runs; at the end it cuts what is still connected."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Peer(self), "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
        for peer in self.peers:
            peer.transport.abort()
        await server.wait_closed()
