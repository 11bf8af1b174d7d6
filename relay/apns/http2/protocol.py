"""HTTP/2 for exactly this job, without a socket: pushes in, bytes out; bytes in, results out (RFC 9113).

Each push is given with a ticket of the caller's, and each comes back once, with its result: answered, certainly not
processed, or perhaps processed. Answers are matched by their stream.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from relay.apns.http2 import frames
from relay.apns.http2.frames import (
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    ErrorCode,
    Http2ConnectionError,
    Http2StreamError,
    SendWindows,
    Setting,
)
from relay.apns.http2.header_block import RequestBlocks, StatusReader
from relay.apns.push import OK, Push, Result

T = TypeVar("T")

DEFAULT_STREAM_LIMIT: Final = 100
"""A server that names no limit has none (6.5.2); this is the least that the RFC advises to allow."""
MAX_HEADER_BLOCK: Final = 64 * 1024
OUR_SETTINGS: Final = {Setting.HEADER_TABLE_SIZE: 0, Setting.ENABLE_PUSH: 0}
"""No table, so that answers' header blocks share no state; and no server push."""
MAX_BODY: Final = 16 * 1024
"""Octets. Apple's bodies have some 60; of a larger one only the status counts."""


class Http2(Generic[T]):
    """One client connection. `take_output()` after every call that may have produced something to write."""

    def __init__(self, authority: str) -> None:
        self.stream_limit = 0
        """SETTINGS_MAX_CONCURRENT_STREAMS. APNs starts with 1 until the first accepted provider token."""
        self.settings_received = False
        """The server's SETTINGS are here: its limits are known."""
        self.ending = ""
        """Why no further stream can be opened; empty while there can."""
        self.broken = False
        """The connection is of no use any more and must be closed, once the output is written."""
        self.last_stream_id = -1
        self._blocks, self._statuses = RequestBlocks(authority), StatusReader()
        self._reader = frames.FrameReader()
        self._send_windows, self._ungranted = SendWindows(), 0
        self._tickets: dict[int, T] = {}
        self._partial: dict[int, tuple[int, bytes]] = {}  # of unfinished answers, status and body so far
        self._block: tuple[int, int, bytes] | None = None  # flags, stream and so far, until END_HEADERS
        self._results: list[tuple[T, Result]] = []
        self._output = [frames.PREFACE, frames.settings(OUR_SETTINGS)]

    @property
    def in_flight(self) -> int:
        """Pushes that are out and not answered."""
        return len(self._tickets)

    def has_room(self, size: int) -> bool:
        """A push with a payload of so many bytes may be opened now: a stream and the window are free."""
        wanted = size if self._tickets else 1  # nothing that is out would open the window: `SendWindows`
        free = len(self._tickets) < self.stream_limit and wanted <= self._send_windows.left
        return free and not self.ending

    def take_output(self) -> bytes:
        """What is to be written, in order; it is yours now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    @property
    def has_output(self) -> bool:
        """There is something to write."""
        return bool(self._output)

    # What we send.

    def send_request(self, push: Push, authorization: str, ticket: T) -> int:
        """Write the push, for which there is room, onto a new stream; its id."""
        stream_id = self.last_stream_id = self.last_stream_id + 2
        if stream_id >= frames.MAX_STREAM_ID:
            self.ending = "all stream ids are used"  # section 5.1.1: the next needs a new connection
        self._tickets[stream_id] = ticket
        body, whole = self._send_windows.start(stream_id, push.payload)
        self._output.append(
            frames.request(stream_id, self._blocks.block(push, authorization), body, whole=whole)
        )
        return stream_id

    def cancel(self, stream_id: int) -> bool:
        """Reset the stream of a push that nobody waits for (5.1.2). False: it was not out whole, so not processed."""
        whole = not self._send_windows.is_partial(stream_id)
        if self._tickets.pop(stream_id, None) is not None:
            self._partial.pop(stream_id, None)
            self._send_windows.drop(stream_id)
            self._output.append(frames.rst_stream(stream_id, ErrorCode.CANCEL))
        return whole

    def ping(self) -> None:
        """Ask for a sign of life (6.7)."""
        self._output.append(frames.ping(b"are you?", ack=False))

    def send_goaway(self) -> None:
        """GOAWAY, as the last frame before the socket closes (5.4.1, 6.8)."""
        if not self.broken:
            self._output.append(frames.goaway(ErrorCode.NO_ERROR))
            self.ending = self.ending or "closed"

    def connection_lost(self, why: str, *, written: int) -> list[tuple[T, Result]]:
        """The socket is gone. What had been written whole, up to this stream, may have been processed."""
        self.ending = self.ending or why
        for stream_id in tuple(self._tickets):
            whole = stream_id <= written and not self._send_windows.is_partial(stream_id)
            self._drop(stream_id, Result("maybe_sent" if whole else "not_sent", error=why))
        return self._taken_results()

    # What we receive.

    def receive(self, data: bytes) -> list[tuple[T, Result]]:
        """The pushes that these bytes complete. A peer that breaks the protocol leaves the connection `broken`."""
        if self.broken:
            return []
        try:
            for kind, flags, stream_id, payload in self._reader.read(data):
                if self._block is not None or not self.settings_received:
                    self._check_order(kind)
                handler = _HANDLERS.get(kind)
                if handler is None:
                    continue  # an unknown type is ignored (5.5)
                try:
                    handler(self, flags, stream_id, payload)
                except Http2StreamError as failure:
                    self._output.append(frames.rst_stream(stream_id, ErrorCode.PROTOCOL_ERROR))
                    self._drop(stream_id, Result("maybe_sent", error=f"malformed answer: {failure}"))
        except Http2ConnectionError as failure:
            self._break(failure)
        return self._taken_results()

    def _check_order(self, kind: int) -> None:
        if not self.settings_received and kind != frames.SETTINGS:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")  # 3.4
        if self._block is not None and kind != frames.CONTINUATION:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")  # 4.3

    def _break(self, failure: Http2ConnectionError) -> None:
        self.broken = True
        self.ending = f"protocol error: {failure}"
        self._output.append(frames.goaway(failure.code, str(failure)))

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & (frames.PADDED | frames.PRIORITY):
            payload = frames.fragment(flags, payload)
        if flags & END_HEADERS:
            self._on_block(flags, stream_id, payload)
        else:
            self._block = flags, stream_id, payload

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None or self._block[1] != stream_id:  # section 6.10
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without its HEADERS")
        first_flags, _, so_far = self._block
        if len(so_far) + len(payload) > MAX_HEADER_BLOCK:
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "endless header block")
        self._block = first_flags, stream_id, so_far + payload
        if flags & END_HEADERS:
            self._block = None
            self._on_block(first_flags, stream_id, so_far + payload)

    def _on_block(self, flags: int, stream_id: int, block: bytes) -> None:
        """The final status, an interim one (8.1: passed over), or trailers (which say nothing here)."""
        status = self._statuses.status(block)  # of every block: the next may refer to it
        if stream_id not in self._tickets:
            self._check_not_idle(stream_id)
            return
        partial = self._partial.get(stream_id)
        if partial is None:
            if not status or (status < 200 and flags & END_STREAM):
                raise Http2StreamError("no status")
            if status < 200:
                return
            if not flags & END_STREAM:
                self._partial[stream_id] = status, b""
                return
            self._answered(stream_id, status, b"")
        elif flags & END_STREAM:
            self._answered(stream_id, *partial)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._grant(len(payload))
        body = frames.unpadded(flags, payload)
        if stream_id not in self._tickets:
            self._check_not_idle(stream_id)
            return
        partial = self._partial.get(stream_id)
        if partial is None:
            raise Http2StreamError("a body without a status")  # section 8.1
        status, body = partial[0], partial[1] + body
        if flags & END_STREAM:
            self._answered(stream_id, status, body)
        elif len(body) > MAX_BODY:  # the stream's window is never opened, so it would not end
            self._answered(stream_id, status, b"")
            self._output.append(frames.rst_stream(stream_id, ErrorCode.CANCEL))
        else:
            self._partial[stream_id] = status, body

    def _grant(self, octets: int) -> None:
        """Open the connection's window again, half of it at a time, for DATA that came, padding and all (6.9)."""
        self._ungranted += octets
        if self._ungranted >= DEFAULT_WINDOW // 2:
            self._output.append(frames.window_update(0, self._ungranted))
            self._ungranted = 0

    def _answered(self, stream_id: int, status: int, body: bytes) -> None:
        if self._send_windows.is_partial(stream_id):  # 8.1: an answer may come before the request is complete
            self._output.append(frames.rst_stream(stream_id, ErrorCode.CANCEL))
        self._drop(stream_id, OK if status == 200 else Result("answered", status, body))

    def _on_rst_stream(self, _: int, stream_id: int, payload: bytes) -> None:
        """REFUSED_STREAM means that nothing was processed (8.7); any other code says nothing about it."""
        code = frames.read_code(payload)
        if stream_id not in self._tickets:
            self._check_not_idle(stream_id)
        elif code == ErrorCode.REFUSED_STREAM:
            self._drop(stream_id, Result("not_sent", error="stream refused"))
        else:
            self._drop(stream_id, Result("maybe_sent", error=f"stream reset with code {code}"))

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        values = frames.read_settings(flags, stream_id, payload)
        if flags & frames.ACK:
            self._statuses.acknowledged()
            return
        if not self.settings_received:
            self.settings_received, self.stream_limit = True, DEFAULT_STREAM_LIMIT
        for setting, value in values:
            self._set(setting, value)
        self._output.append(
            frames.SETTINGS_ACK
        )  # before what the new values allow, or they do not hold yet (6.5.3)
        self._output += self._send_windows.resized()

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_CONCURRENT_STREAMS:
            self.stream_limit = value
        elif setting == Setting.INITIAL_WINDOW_SIZE:
            self._send_windows.resize(value)
        elif setting == Setting.HEADER_TABLE_SIZE:
            self._blocks.resize_table(value)

    def _on_push_promise(self, _: int, __: int, ___: bytes) -> None:
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a push promise")  # 8.4: we disabled it

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        opaque = frames.read_ping(stream_id, payload)
        if not flags & frames.ACK:
            self._output.append(frames.ping(opaque, ack=True))

    def _on_goaway(self, _: int, stream_id: int, payload: bytes) -> None:
        """Streams above the last were not and will not be processed (6.8); the others finish here."""
        last, code, debug = frames.read_goaway(stream_id, payload)
        self.ending = f"GOAWAY with code {code} {debug[:200].decode('ascii', 'backslashreplace')}".rstrip()
        for above in [stream for stream in self._tickets if stream > last]:
            self._drop(above, Result("not_sent", error=self.ending))

    def _on_window_update(self, _: int, stream_id: int, payload: bytes) -> None:
        increment = frames.read_increment(payload)
        if stream_id == 0:
            if not increment:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "window increment of 0")
            self._output += self._send_windows.open_connection(increment)
            return
        self._check_not_idle(stream_id)
        if not increment:
            raise Http2StreamError("window increment of 0")
        self._output += self._send_windows.open_stream(stream_id, increment)

    def _check_not_idle(self, stream_id: int) -> None:
        """A stream of ours that is over may still receive frames (5.1); one that never was may not."""
        if stream_id > self.last_stream_id or stream_id % 2 == 0:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, f"a frame on idle stream {stream_id}")

    def _drop(self, stream_id: int, result: Result) -> None:
        ticket = self._tickets.pop(stream_id, None)
        if ticket is None:
            return
        self._send_windows.drop(stream_id)
        partial = self._partial.pop(stream_id, None)
        if partial is not None and partial[0] == 200:
            result = OK  # the status is the answer; what was to follow it says nothing more
        self._results.append((ticket, result))

    def _taken_results(self) -> list[tuple[T, Result]]:
        results, self._results = self._results, []
        return results


_HANDLERS: Final[dict[int, Callable[[Any, int, int, bytes], None]]] = {
    frames.HEADERS: Http2._on_headers,
    frames.CONTINUATION: Http2._on_continuation,
    frames.DATA: Http2._on_data,
    frames.RST_STREAM: Http2._on_rst_stream,
    frames.SETTINGS: Http2._on_settings,
    frames.PUSH_PROMISE: Http2._on_push_promise,
    frames.PING: Http2._on_ping,
    frames.GOAWAY: Http2._on_goaway,
    frames.WINDOW_UPDATE: Http2._on_window_update,
}
