"""One HTTP/2 connection to APNs: aioapns' protocol with its answers matched by stream, and nothing left hanging.

aioapns 4.0 matches answers by apns-id, never acknowledges received DATA, resends everything at a GOAWAY and waits for
ever when a stream is reset; each of these loses or doubles alerts. This subclass keeps its class tree and h2, and
replaces what happens between a request and its answer (RFC 9113 section numbers in the comments).
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aioapns.connection import APNsTLSClientProtocol
from h2.connection import ConnectionInputs, ConnectionState, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error

from relay.apns.provider_token import SignedAt
from relay.apns.push import Answered, MaybeSent, NotSent, Outcome, Push

IDLE_SECONDS = 3600
"""Apple, "Sending notification requests": keep connections open; a ping is due only after an hour of idleness."""
MAX_ERROR_BODY = 64 * 1024


class _GoawayIsNoEnd(H2ConnectionStateMachine):
    """h2 takes a GOAWAY for the end of the connection, and the answers that follow it for a protocol error.

    RFC 9113 6.8 says the opposite: streams up to last_stream_id are still answered.
    """

    _transitions = H2ConnectionStateMachine._transitions | {
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN)
    }


@dataclass(slots=True)
class _Waiting:
    """A request that was written and whose answer is awaited."""

    outcome: asyncio.Future[Outcome]
    answers_before: int = 0
    status: int = 0
    body: bytearray = field(default_factory=bytearray)


class ApnsConnection(APNsTLSClientProtocol):
    """Sends pushes. Every one of them gets an Outcome, whatever the connection goes through."""

    INACTIVITY_TIME = IDLE_SECONDS

    def __init__(
        self, *, authority: str, sign: SignedAt, on_gone: Callable[["ApnsConnection"], None]
    ) -> None:
        super().__init__(apns_topic="")
        self.conn.state_machine = _GoawayIsNoEnd()
        self._on_gone = on_gone
        self._authority = authority
        self._sign = sign
        self._waiting: dict[int, _Waiting] = {}
        self._turn = asyncio.Lock()
        self._window_opened = asyncio.Event()
        self._settings_known = asyncio.Event()
        self.draining = False
        self.lost = False
        self.answers = 0
        """How many pushes APNs answered here."""

    @property
    def in_flight(self) -> int:
        """Requests whose answer is awaited."""
        return len(self._waiting)

    async def send(self, push: Push, deadline: float) -> Outcome:
        """What became of `push` within `deadline` seconds. Cancelling the caller harms no other push."""
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        stream_id = 0
        try:
            async with asyncio.timeout(deadline):
                await self._settings_known.wait()
                async with self._turn:
                    stream_id = await self._open_stream(push, waiting)
                return await waiting.outcome
        except TimeoutError:
            # After this process was held up, the answer and the deadline are found at once: the answer counts.
            if waiting.outcome.done() and not waiting.outcome.cancelled():
                return waiting.outcome.result()
            return self._expired(stream_id, waiting, deadline)
        except (H2Error, ConnectionError) as error:
            self.drain()
            return NotSent(f"connection unusable: {error}")
        finally:
            self._forget(stream_id)

    async def _open_stream(self, push: Push, waiting: _Waiting) -> int:
        """Wait for a stream and for room in the flow-control window, then write the whole request at once."""
        while not self._has_room(len(push.payload)):
            if self.draining:
                raise ConnectionError("the connection is closing")
            self._window_opened.clear()
            await self._window_opened.wait()
        stream_id: int = self.conn.get_next_available_stream_id()
        self.conn.send_headers(stream_id, self._headers(push))
        self.conn.send_data(stream_id, push.payload, end_stream=True)
        waiting.answers_before = self.answers
        self._waiting[stream_id] = waiting
        self.flush()
        return stream_id

    def _has_room(self, size: int) -> bool:
        if self.draining:
            return False
        limit = self.conn.remote_settings.max_concurrent_streams
        window = min(self.conn.outbound_flow_control_window, self.conn.remote_settings.initial_window_size)
        return self.in_flight < limit and size <= window

    def _headers(self, push: Push) -> list[tuple[str, str]]:
        return [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", self._authority),
            (":path", f"/3/device/{push.device_token}"),
            ("authorization", self._sign()),
            ("apns-id", push.apns_id),
            ("apns-topic", push.topic),
            ("apns-push-type", push.push_type),
            ("apns-priority", str(push.priority)),
            ("apns-expiration", str(push.expiration)),
            ("apns-collapse-id", push.collapse_id),
        ]

    def _expired(self, stream_id: int, waiting: _Waiting, deadline: float) -> Outcome:
        """A connection that stays silent may be dead without a word (golang/go#14607): the next push takes a new one."""
        if not stream_id and self._settings_known.is_set():
            if not self._waiting and self.conn.remote_settings.max_concurrent_streams:
                self.drain()  # only the flow-control window is in the way, and nothing will open it any more
            return NotSent(f"no free stream within {deadline:.1f} s")
        if self.answers == waiting.answers_before:
            self.drain()
        if not stream_id:
            return NotSent(f"no HTTP/2 settings within {deadline:.1f} s")
        return MaybeSent(f"no answer within {deadline:.1f} s")

    def _forget(self, stream_id: int) -> None:
        """Give up a stream nobody waits for any more, so that its slot is free again (RFC 9113 5.1.2)."""
        if self._waiting.pop(stream_id, None) is not None:
            try:
                self.conn.reset_stream(stream_id, ErrorCodes.CANCEL)
                self.flush()
            except H2Error:
                pass
        self._after_answer()

    def _after_answer(self) -> None:
        self._window_opened.set()
        if self.draining and not self._waiting:
            self.close()

    # What the peer sends.

    def data_received(self, data: bytes) -> None:
        """Act on every event in the bytes; a peer that breaks the protocol ends the connection."""
        try:
            for event in self.conn.receive_data(data):
                handler = _HANDLERS.get(type(event))
                if handler is not None:
                    handler(self, event)
            self.flush()
        except H2Error:
            self.flush()
            self.drain()
            self.close()

    def on_settings(self, _: RemoteSettingsChanged) -> None:
        """The first SETTINGS frame says how many streams are allowed; a later one may change it (6.5.2)."""
        self._settings_known.set()
        self._window_opened.set()

    def on_headers(self, event: ResponseReceived) -> None:
        """The status of an answer."""
        if waiting := self._waiting.get(event.stream_id):
            waiting.status = _status(dict(event.headers).get(b":status", b""))

    def on_data(self, event: DataReceived) -> None:
        """Part of an error body. Acknowledged at once: unread bytes would close the window for all (6.9)."""
        self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        waiting = self._waiting.get(event.stream_id)
        if waiting and len(waiting.body) < MAX_ERROR_BODY:
            waiting.body += event.data

    def on_answer(self, event: StreamEnded) -> None:
        """The answer is complete."""
        if waiting := self._waiting.get(event.stream_id):
            self.answers += 1
            self._settle(event.stream_id, _answer(waiting.status, bytes(waiting.body)))

    def on_reset(self, event: StreamReset) -> None:
        """REFUSED_STREAM means that nothing was processed (8.7); any other reset says nothing about it."""
        refused = event.error_code == ErrorCodes.REFUSED_STREAM
        self._settle(event.stream_id, NotSent("stream refused") if refused else MaybeSent("stream reset"))

    def on_goaway(self, event: ConnectionTerminated) -> None:
        """Streams above last_stream_id were not and will not be processed (6.8); the others finish here."""
        last = event.last_stream_id or 0
        for stream_id in [stream for stream in self._waiting if stream > last]:
            self._settle(stream_id, NotSent(f"GOAWAY {bytes(event.additional_data or b'')[:200]!r}"))
        self.drain()

    def on_window(self, _: WindowUpdated) -> None:
        """There may be room for the next request."""
        self._window_opened.set()

    def _settle(self, stream_id: int, outcome: Outcome) -> None:
        waiting = self._waiting.pop(stream_id, None)
        if waiting and not waiting.outcome.done():
            waiting.outcome.set_result(outcome)
        self._after_answer()

    # The end.

    def drain(self) -> None:
        """Take no more pushes; close when the last answer is in."""
        self.draining = True
        self._settings_known.set()
        self._after_answer()

    def close(self) -> None:
        """Close the socket; what is unanswered is settled by connection_lost."""
        self.draining = True
        super().close()

    def abort(self) -> None:
        """Close the socket without waiting for the peer."""
        self.draining = True
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: what was written may have been processed."""
        self.lost = True
        if self.inactivity_timer:
            self.inactivity_timer.cancel()
        self.draining = True
        self._settings_known.set()
        for stream_id in list(self._waiting):
            self._settle(stream_id, MaybeSent(f"connection lost: {exc or 'closed by APNs'}"))
        self._window_opened.set()
        self._on_gone(self)

    def flush(self) -> None:
        """Write what h2 has ready, unless the socket is gone."""
        if self.transport is not None and not self.transport.is_closing():
            super().flush()


_REASON = re.compile(r"[\x21-\x7e]{1,64}")
_LATEST = 2**53
"""Milliseconds; more is no time and would not fit a table."""


def _status(text: bytes) -> int:
    return int(text) if re.fullmatch(rb"[1-9][0-9]{2}", text) else 0


def _answer(status: int, body: bytes) -> Outcome:
    """What APNs said; of a body that is not what Apple documents, only the status counts."""
    if status == 200:
        return Answered(200)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return Answered(status)
    reason, timestamp = fields.get("reason"), fields.get("timestamp")
    return Answered(
        status,
        reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None,
        timestamp if type(timestamp) is int and 0 < timestamp < _LATEST else None,
    )


_HANDLERS: dict[type[Event], Callable[[Any, Any], None]] = {
    RemoteSettingsChanged: ApnsConnection.on_settings,
    ResponseReceived: ApnsConnection.on_headers,
    DataReceived: ApnsConnection.on_data,
    StreamEnded: ApnsConnection.on_answer,
    StreamReset: ApnsConnection.on_reset,
    ConnectionTerminated: ApnsConnection.on_goaway,
    WindowUpdated: ApnsConnection.on_window,
}
