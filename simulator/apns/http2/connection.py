"""The server's end of one HTTP/2 connection, without I/O: bytes in, events and bytes out (RFC 9113).

`receive` yields its events one by one and reads on only when asked for the next. So a response given between two
events counts before the next frame is read, and how the bytes were split never matters to the stream limit.
"""

import json
from collections.abc import Callable, Iterator
from typing import Final

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2 import frames
from simulator.apns.http2.frames import MAX_WINDOW, ErrorCode, Frame, FrameReader, FrameType, Setting
from simulator.apns.http2.header_block import (
    HEADER_TABLE_SIZE,
    TABLE_SIZE_ZERO,
    Block,
    BlockReader,
    check_trailers,
    checked_fields,
)
from simulator.apns.http2.streams import (
    ConnectionEnded,
    Event,
    ReceiveWindow,
    Stream,
    StreamRefused,
    StreamReset,
    StreamTable,
    split_pieces,
)

_ALLOWED: Final[
    dict[int, range]
] = {  # section 6.5.2; windows are checked where they are kept, unknown settings pass
    Setting.ENABLE_PUSH: range(2),
    Setting.MAX_FRAME_SIZE: range(frames.DEFAULT_MAX_FRAME_SIZE, 2**24),
}
NO_LAST_STREAM: Final = (
    MAX_WINDOW  # 2^31-1: a GOAWAY that announces the end, and excludes no stream yet (section 6.8)
)


class Connection:
    """One client. Feed `receive`, respond with `respond`, write `data_to_send` to the socket.

    `stream_limit` is announced in the first SETTINGS and enforced from the first frame on. A client that has not yet
    seen it may open more in good faith; like APNs, this end resets those with REFUSED_STREAM.
    """

    def __init__(self, stream_limit: int) -> None:
        self.stream_limit = stream_limit
        self.closed = False
        self.acknowledged = 0  # SETTINGS frames of ours that the peer has acknowledged
        self._streams = StreamTable()
        self._reader = FrameReader()
        self._blocks = BlockReader()
        self._table_notice = b""
        self._window = ReceiveWindow()
        self._send_windows = self._streams.send_windows
        self._out: list[bytes] = [frames.settings(server_settings(stream_limit))]
        self._handlers: dict[int, Callable[[Frame], Event | None]] = {
            FrameType.DATA: self._on_data,
            FrameType.HEADERS: self._on_headers,
            FrameType.PRIORITY: self._on_priority,
            FrameType.RST_STREAM: self._on_rst_stream,
            FrameType.SETTINGS: self._on_settings,
            FrameType.PUSH_PROMISE: self._on_push_promise,
            FrameType.PING: self._on_ping,
            FrameType.GOAWAY: self._on_goaway,
            FrameType.WINDOW_UPDATE: self._on_window_update,
            FrameType.CONTINUATION: self._on_continuation,
        }

    # --- what the server does ---------------------------------------------------------------------------------

    @property
    def open_streams(self) -> int:
        """Streams without a whole response that are not reset."""
        return len(self._streams.open)

    @property
    def unfinished(self) -> int:
        """How many requests were begun and not ended by the client."""
        return self._streams.unfinished

    @property
    def finished(self) -> bool:
        """A final GOAWAY was sent, and nothing at or below its last stream is left to respond to."""
        return self._streams.finished

    def data_to_send(self) -> bytes:
        """All bytes due since the last call, in order."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def receive(self, data: bytes) -> Iterator[Event]:
        """Events of these bytes, lazily; run the iterator to its end. Never raises, whatever the bytes are."""
        if self.closed:
            return
        self._reader.feed(data)
        try:
            while not self.closed and (frame := self._next_frame()) is not None:
                event = self._on_frame(frame)
                if event is not None:
                    yield event
        except ConnectionFailure as failure:
            yield self._fail(failure)

    def respond(self, stream_id: int, block: bytes, body: bytes = b"", *, split: bool = False) -> bool:
        """Response a request: header block, then body, in more than one DATA frame if `split`.

        False if the client has reset the stream meanwhile.
        """
        if stream_id not in self._streams.open:
            return False
        if (
            body and self._streams.open[stream_id].is_head
        ):  # RFC 9110 section 9.3.2: its response has no content
            body = b""
        block, self._table_notice = self._table_notice + block, b""
        self._out.append(frames.headers(stream_id, block, end_stream=not body))
        if body:
            pieces = self._send_windows.send(stream_id, body)
            self._send_pieces(split_pieces(pieces) if split else pieces)
        else:
            self._streams.close(stream_id)
        return True

    def set_stream_limit(self, limit: int) -> None:
        """Announce another MAX_CONCURRENT_STREAMS and enforce it from now on; nothing if it is the same."""
        if limit != self.stream_limit:
            self.stream_limit = limit
            self._out.append(frames.settings({Setting.MAX_CONCURRENT_STREAMS: limit}))

    def reset(self, stream_id: int, code: int) -> None:
        """Send RST_STREAM instead of a response."""
        if stream_id in self._streams.open:
            self._out.append(frames.rst_stream(stream_id, code))
            self._streams.close_by_reset(stream_id)

    def announce_shutdown(self, reason: str) -> None:
        """Send a GOAWAY that excludes no stream yet: requests on their way are still answered (section 6.8). `goaway` must follow."""
        self._out.append(_goaway(NO_LAST_STREAM, ErrorCode.NO_ERROR, reason))

    def goaway(self, reason: str, code: int = ErrorCode.NO_ERROR, last_stream: int | None = None) -> None:
        """Take no more streams. Those up to `last_stream` (default: all seen) may still be answered."""
        last = self._streams.last if last_stream is None else last_stream
        self._out.append(_goaway(last, code, reason))
        self._streams.goaway(last)

    # --- frames in ----------------------------------------------------------------------------------------------

    def _next_frame(self) -> Frame | None:
        return self._reader.next(inside_block=self._blocks.expects_more)

    def _on_frame(self, frame: Frame) -> Event | None:
        handler = self._handlers.get(frame.type)
        if handler is None:  # section 5.5: unknown types are ignored
            return None
        try:
            return handler(frame)
        except StreamFailure as failure:
            return self._reset_stream(failure)

    def _on_headers(self, frame: Frame) -> Event | None:
        if frame.stream_id % 2 == 0:  # section 5.1.1: clients open odd streams
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "HEADERS on an even stream")
        return self._on_block(self._blocks.on_headers(frame))

    def _on_continuation(self, frame: Frame) -> Event | None:
        return self._on_block(self._blocks.on_continuation(frame))

    def _on_block(self, block: Block | None) -> Event | None:
        if block is None:
            return None
        streams = self._streams
        if block.stream_id <= streams.last:
            return self._on_trailers(block)
        stream_id = streams.last = block.stream_id
        if streams.goaway_last is not None:  # section 6.8: streams above our GOAWAY's last stream are ignored
            streams.close_by_reset(stream_id)
            return None
        if len(streams.open) >= self.stream_limit:  # section 5.1.2
            self._out.append(frames.rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
            streams.close_by_reset(stream_id)
            return StreamRefused(stream_id, self.stream_limit)
        stream = streams.open[stream_id] = Stream(stream_id, checked_fields(stream_id, block.fields))
        return stream.end() if block.ends_stream else None

    def _on_trailers(self, block: Block) -> Event | None:
        stream = self._streams.open.get(block.stream_id)
        if stream is None:
            self._streams.drop_late_headers(block.stream_id)
            return None
        stream.receive_trailers(ends_stream=block.ends_stream)
        check_trailers(block.stream_id, block.fields)
        return stream.end()

    def _on_data(self, frame: Frame) -> Event | None:
        stream_id, size = frame.stream_id, len(frame.payload)
        if stream_id % 2 == 0 or stream_id > self._streams.last:  # sections 6.1 and 5.1 (idle)
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "DATA on a stream that was never opened")
        if not self._window.receive(size):
            raise ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self._grant(0, self._window)
        data = frames.read_data(frame)
        ends_stream = bool(frame.flags & frames.END_STREAM)
        stream = self._streams.open.get(stream_id)
        if stream is None:
            self._streams.drop_late_data(stream_id, ends_stream=ends_stream)
            return None
        stream.receive(data, size)
        if ends_stream:
            return stream.end()
        self._grant(stream_id, stream.window)
        return None

    def _on_priority(self, frame: Frame) -> None:
        """Ignored, as APNs does ("Sending notification requests to APNs"); RFC 9113 section 5.3.2 agrees."""
        frames.read_priority(frame)

    def _on_push_promise(self, _: Frame) -> None:
        raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")  # section 8.4

    def _on_rst_stream(self, frame: Frame) -> Event | None:
        code = frames.read_rst_stream(frame)
        streams = self._streams
        streams.require_opened(frame.stream_id, "RST_STREAM")  # section 6.4
        streams.reset.pop(frame.stream_id, None)
        if frame.stream_id not in streams.open:
            return None
        streams.close(frame.stream_id)
        return StreamReset(frame.stream_id, code, "reset by the client", by_peer=True)

    def _on_settings(self, frame: Frame) -> None:
        values = frames.read_settings(frame)
        if frame.flags & frames.ACK:
            self.acknowledged += 1
            return
        for setting, value in values:
            self._apply(setting, value)
        self._out.append(frames.settings_ack())
        self._send_pieces(self._send_windows.acknowledged())

    def _apply(self, setting: int, value: int) -> None:
        """Section 6.5.2. Only the window concerns us: our blocks are stateless, our frames are small."""
        if setting in _ALLOWED and value not in _ALLOWED[setting]:
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, f"setting {setting} may not be {value}")
        if setting == Setting.INITIAL_WINDOW_SIZE:
            self._send_windows.initial_update(value)
        elif setting == Setting.HEADER_TABLE_SIZE and value < HEADER_TABLE_SIZE:
            self._table_notice = (
                TABLE_SIZE_ZERO  # RFC 7541 section 4.2: a smaller table must be acknowledged in a block
            )

    def _on_ping(self, frame: Frame) -> None:
        opaque = frames.read_ping(frame)
        if not frame.flags & frames.ACK:
            self._out.append(frames.ping(opaque, ack=True))

    def _on_goaway(self, frame: Frame) -> Event:
        _, code, debug = frames.read_goaway(frame)
        return ConnectionEnded(code, debug.decode("utf-8", "replace"), by_peer=True)

    def _on_window_update(self, frame: Frame) -> None:
        increment = frames.read_window_update(frame)
        if frame.stream_id == 0:
            self._send_pieces(self._send_windows.connection_update(increment))
            return
        self._streams.require_opened(frame.stream_id, "WINDOW_UPDATE")
        if frame.stream_id in self._streams.open:
            self._send_pieces(self._send_windows.stream_update(frame.stream_id, increment))

    # --- bookkeeping --------------------------------------------------------------------------------------------

    def _send_pieces(self, pieces: list[tuple[int, bytes, bool]]) -> None:
        for stream_id, body, last in pieces:
            self._out.append(frames.data(stream_id, body, end_stream=last))
            if last:
                self._streams.close(stream_id)

    def _grant(self, stream_id: int, window: ReceiveWindow) -> None:
        increment = window.grant()
        if increment:
            self._out.append(frames.window_update(stream_id, increment))

    def _reset_stream(self, failure: StreamFailure) -> StreamReset:
        self._out.append(frames.rst_stream(failure.stream_id, failure.code))
        self._streams.close_by_reset(failure.stream_id)
        return StreamReset(failure.stream_id, failure.code, str(failure))

    def _fail(self, failure: ConnectionFailure) -> ConnectionEnded:
        self.goaway(str(failure), failure.code)
        self.closed = True
        return ConnectionEnded(failure.code, str(failure), by_peer=False)


def _goaway(last_stream: int, code: int, reason: str) -> bytes:
    """The debug data is compact JSON, as APNs sends it ("Handling notification responses")."""
    return frames.goaway(last_stream, code, json.dumps({"reason": reason}, separators=(",", ":")).encode())


def server_settings(stream_limit: int) -> dict[int, int]:
    """As seen from api.push.apple.com with token authentication (GitHub jchambers/pushy issue 878)."""
    return {
        Setting.HEADER_TABLE_SIZE: HEADER_TABLE_SIZE,
        Setting.MAX_CONCURRENT_STREAMS: stream_limit,
        Setting.INITIAL_WINDOW_SIZE: frames.DEFAULT_WINDOW,
        Setting.MAX_FRAME_SIZE: frames.DEFAULT_MAX_FRAME_SIZE,
    }
