"""An HTTP/2 client that sends exactly what a case says, and remembers everything that the server did."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from simulator.conform.cases import SkipCase

ANSWER_SECONDS = 5.0
"""Real time for a round trip on this machine; only a server that does not answer at all takes so long."""

NOT_OFFERED = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"})
"""OpenSSL's words when nothing was sent at all: no server has refused anything then."""

TURNS = 20
"""Turns of the event loop, in which the server in the same loop writes and this client reads."""

Header = tuple[str, str]


@dataclass(slots=True)
class Answer:
    """What came back on one stream."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    reset: str | None = None
    ended: bool = False
    began_at: int = 0

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object in the body; empty if there is none."""
        try:
            value = json.loads(bytes(self.body))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class _Http2(H2Connection):
    """h2 takes a GOAWAY for the end; but streams that the server has taken are answered after it (RFC 9113, 6.8)."""

    def _receive_goaway_frame(self, frame: Any) -> Any:
        received = super()._receive_goaway_frame(frame)
        self.state_machine.state = ConnectionState.CLIENT_OPEN
        return received


class Connection:
    """One connection, from its handshake to its end. `steps` numbers everything received, for what came first."""

    def __init__(self) -> None:
        self.refused = False
        self.closed = False
        self.http1 = False
        self.goaway: tuple[str, bytes] | None = None
        self.stream_limits: list[tuple[int, int]] = []
        self.pings = 0
        self.answers: dict[int, Answer] = {}
        self._steps = 0
        self._http2: H2Connection | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._happened = asyncio.Event()

    async def open(self, port: int, tls: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        """Shake hands; a refusal is remembered, not raised. The first SETTINGS frame is awaited."""
        try:
            reader, self._writer = await asyncio.open_connection(
                host, port, ssl=tls, server_hostname="localhost"
            )
        except (ssl.SSLError, ConnectionError) as error:
            if getattr(error, "reason", None) in NOT_OFFERED:
                raise SkipCase(
                    "the TLS library of this machine cannot offer what the case asks for"
                ) from None
            self.refused = self.closed = True
            return
        chosen = self._writer.get_extra_info("ssl_object").selected_alpn_protocol()
        if chosen == "h2":
            # Outbound header checks are off: a case may want to send what HTTP/2 forbids.
            config = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
            self._http2 = _Http2(config)
            self._http2.initiate_connection()
            self._write()
        self._reading = asyncio.create_task(self._read(reader), name="conform-read")
        if self._http2 is not None:
            await self._until(lambda: bool(self.stream_limits))

    async def request(self, headers: Sequence[Header], body: bytes | None) -> int | None:
        """Send a request, whatever the stream limit; its stream id, None if it could not be sent.

        After a GOAWAY nothing new is sent (RFC 9113 section 6.8).
        """
        if self.closed or self.goaway is not None:
            return None
        if self._http2 is None:
            self._http1_request(headers, body or b"")
            return None
        self._http2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1 << 30
        self._http2.remote_settings.acknowledge()
        try:
            stream_id = self._http2.get_next_available_stream_id()
            self.answers[stream_id] = Answer()
            self._http2.send_headers(stream_id, headers, end_stream=body is None)
            if body is not None:
                await self._send_body(stream_id, body)
        except ProtocolError:
            return None
        self._write()
        return stream_id

    async def answer(self, stream_id: int | None) -> Answer:
        """The answer on a stream, as far as it came: until it ended, was reset, or the connection closed."""
        if stream_id is None:
            return Answer()
        answer = self.answers[stream_id]
        await self._until(lambda: answer.ended or answer.reset is not None)
        return answer

    async def ping(self) -> bool:
        """Send a PING and wait for its ACK: everything the server sent before has then been read."""
        if self._http2 is None or self.closed:
            return False
        before = self.pings
        try:
            self._http2.ping(b"conform!")
        except ProtocolError:
            return False
        self._write()
        await self._until(lambda: self.pings > before)
        return self.pings > before

    async def finish(self) -> None:
        """Read what is on its way: until a PING comes back, or the connection is at its end.

        First what the server has sent of itself: a PING into a connection that it is closing would be answered by a
        reset, and a reset takes unread bytes along.
        """
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if not self.closed and self.goaway is None:
            await self.ping()
        elif not self.closed:
            await self._until(lambda: self.closed, within=0.2)

    async def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _send_body(self, stream_id: int, body: bytes) -> None:
        assert self._http2 is not None
        size = self._http2.max_outbound_frame_size
        for at in range(0, max(1, len(body)), size):
            self._http2.send_data(stream_id, body[at : at + size], end_stream=at + size >= len(body))

    def _http1_request(self, headers: Sequence[Header], body: bytes) -> None:
        assert self._writer is not None
        fields = dict(headers)
        lines = [f"{fields[':method']} {fields[':path']} HTTP/1.1", f"host: {fields[':authority']}"]
        lines += [f"{name}: {value}" for name, value in headers if not name.startswith(":")]
        lines += [f"content-length: {len(body)}", "", ""]
        # A connection that the server has refused meanwhile cannot be written to; asyncio says so in several ways.
        with contextlib.suppress(OSError, AttributeError):
            self._writer.write("\r\n".join(lines).encode() + body)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65536):
                self._take(data)
        except (OSError, ProtocolError):
            pass  # a cut connection is an ending like any other
        self.closed = True
        self._happened.set()

    def _take(self, data: bytes) -> None:
        if self._http2 is None:
            self.http1 = self.http1 or data.startswith(b"HTTP/")
        else:
            for event in self._http2.receive_data(data):
                self._on_event(event)
            self._write()
        self._happened.set()

    def _on_event(self, event: Event) -> None:
        self._steps += 1
        match event:
            case RemoteSettingsChanged():
                limit = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
                self.stream_limits.append((self._steps, limit.new_value if limit else 1 << 31))
            case ResponseReceived():
                self._on_headers(event)
            case DataReceived():
                self._answer_of(event.stream_id).body += event.data
                if self._http2 is not None:
                    self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self._answer_of(event.stream_id).ended = True
            case StreamReset():
                self._answer_of(event.stream_id).reset = _error_name(event.error_code)
            case ConnectionTerminated():
                self.goaway = (_error_name(event.error_code), bytes(event.additional_data or b""))
            case PingAckReceived():
                self.pings += 1

    def _on_headers(self, event: ResponseReceived) -> None:
        answer = self._answer_of(event.stream_id)
        answer.headers = {name.decode(): value.decode() for name, value in event.headers or ()}
        answer.status = int(answer.headers.pop(":status"))
        answer.began_at = self._steps

    def _answer_of(self, stream_id: int | None) -> Answer:
        return self.answers.setdefault(stream_id or 0, Answer())

    def _write(self) -> None:
        if self._http2 is not None and self._writer is not None and not self.closed:
            self._writer.write(self._http2.data_to_send())

    async def _until(self, done: Any, within: float = ANSWER_SECONDS) -> None:
        try:
            async with asyncio.timeout(within):
                while not done() and not self.closed:
                    self._happened.clear()
                    await self._happened.wait()
        except TimeoutError:
            pass


def goaway_reason(debug: bytes) -> str | None:
    """The reason in a GOAWAY's debug data, if that is exactly compact JSON {"reason":"..."}."""
    try:
        fields = json.loads(debug)
    except ValueError:
        return None
    if not isinstance(fields, dict) or list(fields) != ["reason"]:
        return None
    compact = json.dumps(fields, separators=(",", ":")).encode()
    return fields["reason"] if debug == compact else None


def _error_name(code: ErrorCodes | int | None) -> str:
    """The name in RFC 9113 section 7; the number as text for a code that has none."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return str(code)
