"""A connection that accepts everything: 200 for each request, nothing checked, nothing recorded. For load tests."""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from simulator.apns.errors import SandboxError
from simulator.apns.http2 import frames
from simulator.apns.http2.connection import server_settings
from simulator.apns.http2.frames import END_STREAM, ErrorCode, Frame, FrameReader, FrameType
from simulator.apns.http2.header_block import TABLE_SIZE_ZERO, Block, BlockReader, literal_field, status_field
from simulator.apns.http2.streams import ReceiveWindow

STREAM_LIMIT: Final = 1000
LONGEST_ID: Final = 126  # what a literal field of a response holds
_OK: Final = status_field(200)


def _new_id() -> bytes:
    return str(uuid4()).upper().encode("ascii")


class SinkConnection(asyncio.Protocol):
    """Speaks enough HTTP/2 for a well-behaved provider: keeps HPACK's table in step, grants windows, keeps its stream limit,
    and answers with the apns-id of the request or one of its own."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._blocks = BlockReader()
        self._window = ReceiveWindow()
        self._ids: dict[int, bytes] = {}  # apns-id of requests that are still coming
        self._out: list[bytes] = []
        self._table_notice = TABLE_SIZE_ZERO  # our blocks use no table, whatever size the client allows
        self._handlers: dict[int, Callable[[Frame], None]] = {
            FrameType.HEADERS: self._on_headers,
            FrameType.CONTINUATION: self._on_continuation,
            FrameType.DATA: self._on_data,
            FrameType.SETTINGS: self._on_settings,
            FrameType.PING: self._on_ping,
            FrameType.RST_STREAM: self._on_rst_stream,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Bodies are thrown away, so no stream ever has to wait for a window of its own.
        transport.write(frames.settings(server_settings(STREAM_LIMIT)))

    def data_received(self, data: bytes) -> None:
        """Response every request that ends in these bytes, with one write."""
        self._reader.feed(data)
        try:
            while (frame := self._reader.next(inside_block=self._blocks.expects_more)) is not None:
                handler = self._handlers.get(frame.type)
                if handler is not None:
                    handler(frame)
        except SandboxError:
            self._transport.abort()
            return
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def pause_writing(self) -> None:
        """The client does not read its responses: read no more of its requests until it does."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._transport.resume_reading()

    def _on_headers(self, frame: Frame) -> None:
        self._on_block(self._blocks.on_headers(frame))

    def _on_continuation(self, frame: Frame) -> None:
        self._on_block(self._blocks.on_continuation(frame))

    def _on_block(self, block: Block | None) -> None:
        if block is None:
            return
        if block.stream_id not in self._ids:  # otherwise these are trailers
            if len(self._ids) >= STREAM_LIMIT:
                self._out.append(frames.rst_stream(block.stream_id, ErrorCode.REFUSED_STREAM))
                return
            given = next((value for name, value in block.fields if name == b"apns-id"), b"")
            self._ids[block.stream_id] = given[:LONGEST_ID] or _new_id()
        if block.ends_stream:
            self._respond(block.stream_id)

    def _on_data(self, frame: Frame) -> None:
        self._window.receive(len(frame.payload))
        if increment := self._window.grant():
            self._out.append(frames.window_update(0, increment))
        if frame.stream_id not in self._ids:  # it was refused or reset
            return
        if frame.flags & END_STREAM:
            self._respond(frame.stream_id)
        elif frame.payload:
            self._out.append(frames.window_update(frame.stream_id, len(frame.payload)))

    def _respond(self, stream_id: int) -> None:
        block = _OK + literal_field(b"apns-id", self._ids.pop(stream_id))
        block, self._table_notice = self._table_notice + block, b""
        self._out.append(frames.headers(stream_id, block, end_stream=True))

    def _on_rst_stream(self, frame: Frame) -> None:
        self._ids.pop(frame.stream_id, None)

    def _on_settings(self, frame: Frame) -> None:
        if not frame.flags & frames.ACK:
            self._out.append(frames.settings_ack())

    def _on_ping(self, frame: Frame) -> None:
        if not frame.flags & frames.ACK:
            self._out.append(frames.ping(frame.payload, ack=True))
