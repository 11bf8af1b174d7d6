"""One connection to APNs at its socket, and the pushes on it with their deadlines. HTTP/2 is next door (`protocol.py`)."""

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol, cast

from relay.apns.http2.protocol import Http2
from relay.apns.push import Outcome, Push, Result

SignedAt = Callable[[], str]
"""Returns the authorization header for a request that is written now."""

MAX_UNREAD: Final = 16 * 2**20
"""Octets written that a peer does not read. No burst of pushes comes near: a thousand streams have 5 MB."""

PING_AFTER: Final = 60.0
"""Seconds without a byte from the peer. Apple suggests to ping after an hour; but idle connections were seen to die
without a word much sooner (golang/go#14607), and node-apn pings each minute without complaint.
"""
PING_ANSWER: Final = 10.0
"""Seconds in which a living peer answers a ping."""
IDLE_LIFE: Final = 3600.0
"""Seconds without a push, after which the last connection is closed. Apple: keep connections open, for hours."""
SPARE_LIFE: Final = 60.0
"""The same for one of several connections: the load that called for it is over."""
WAKING_STEP: Final = 0.01
"""Seconds between two wakings for deadlines at least, so that a thousand of them in a row are one waking."""


class KeepAlive(Enum):
    """What an idle connection needs now."""

    NOTHING = "nothing"
    PING = "ping"
    DRAIN = "drain"
    ABORT = "abort"


def keep_alive(now: float, *, received: float, sent: float, pinged: float, spare: bool) -> KeepAlive:
    """For a connection that last received a byte, sent a push, and sent a ping at these times of one clock. Pure."""
    if pinged > received:
        return KeepAlive.ABORT if now - pinged >= PING_ANSWER else KeepAlive.NOTHING
    if now - sent >= (SPARE_LIFE if spare else IDLE_LIFE):
        return KeepAlive.DRAIN
    return KeepAlive.PING if now - received >= PING_AFTER else KeepAlive.NOTHING


class PendingPush:
    """Waits for a stream, then for its answer. `began` and `ends` are times of the event loop, in seconds."""

    __slots__ = (
        "answers_before", "began", "connection", "ends", "key_refused", "outcome", "push", "resent", "stream_id",
    )  # fmt: skip

    def __init__(self, push: Push, began: float, ends: float, outcome: "asyncio.Future[Outcome]") -> None:
        self.push = push
        self.began = began
        self.ends = ends
        self.outcome = outcome
        self.resent = False
        """It was sent before, and provably not processed."""
        self.key_refused = False
        """It was sent before, and APNs refused the key."""
        self.connection: ApnsConnection | None = None
        """Where it is out; None while it waits for a stream."""
        self.stream_id = 0
        self.answers_before = 0
        """How many pushes that connection had answered when this one went out."""

    def send_over(self, connection: "ApnsConnection") -> None:
        """Open a stream for it, for which there is room."""
        self.connection, self.answers_before = connection, connection.answers
        self.stream_id = connection.send(self.push, self)

    @property
    def may_resend(self) -> bool:
        """Somebody waits for it, and it was not sent twice."""
        return not self.resent and not self.outcome.done()

    def within(self, missing: str) -> str:
        """Why it ends without an answer."""
        return f"no {missing} within {self.ends - self.began:.1f} s"


class Deadlines:
    """Calls `expire` for each push whose time is over. One timer for all: one for each would cost more than the push."""

    def __init__(self, expire: Callable[[PendingPush], None]) -> None:
        self._expire = expire
        self._pending: set[PendingPush] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def add(self, pending: PendingPush) -> None:
        """Watch this one."""
        self._pending.add(pending)
        if pending.ends < self._next:
            self._wake_at(pending.ends)

    def remove(self, pending: PendingPush) -> None:
        """It has its outcome. The timer stays: it finds others, or nothing."""
        self._pending.discard(pending)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake_at(self, when: float) -> None:
        self.close()
        self._next = when
        self._timer = asyncio.get_running_loop().call_at(when, self._wake)

    def _wake(self) -> None:
        now, self._next = asyncio.get_running_loop().time(), float("inf")
        for pending in [pending for pending in self._pending if pending.ends <= now]:
            self._expire(pending)
        if self._pending:
            self._wake_at(max(min(pending.ends for pending in self._pending), now + WAKING_STEP))


class Owner(Protocol):
    """Who is notified of what becomes of a connection, and of the pushes on it."""

    def opened(self, connection: "ApnsConnection") -> None:
        """The socket is open, and TLS agreed on."""

    def completed(self, ticket: PendingPush, result: Result) -> None:
        """This is what became of the push with that ticket."""

    def changed(self, connection: "ApnsConnection") -> None:
        """There may be room for more, or an end in sight."""

    def lost(self, connection: "ApnsConnection") -> None:
        """The socket is closed, and all its pushes are completed."""


class ApnsConnection(asyncio.Protocol):
    """Carries pushes. One alone leaves at once; those of one turn of the event loop leave with one write."""

    def __init__(self, *, authority: str, sign: SignedAt, owner: Owner, serial: int) -> None:
        self._http2: Http2[PendingPush] = Http2(authority)
        self._sign, self._owner = sign, owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing: asyncio.Handle | None = None
        self._written = -1  # the last stream whose request went to the socket
        self._paused = False
        self._settings_received: asyncio.Future[None] = self._loop.create_future()
        self.serial = serial
        """How many provider tokens were signed before it was opened."""
        self.answers = 0
        """How many pushes APNs answered here."""
        self.failed = False
        """It counts among the failures already."""
        self._received_at = self._sent_at = self._loop.time()  # the last byte, and the last push
        self._pinged_at = float("-inf")
        self._closing = ""
        self._authorization = ""

    @property
    def in_flight(self) -> int:
        """Pushes that are out and not answered."""
        return self._http2.in_flight

    @property
    def ending(self) -> str:
        """Why it takes no more pushes; empty while it does."""
        return self._http2.ending or self._closing

    def has_room(self, size: int) -> bool:
        """A push with a payload of so many bytes can go out now."""
        return not self._paused and not self._closing and self._http2.has_room(size)

    def keep_alive(self, *, spare: bool) -> KeepAlive:
        """What it needs now. `spare`: there is an older connection that could take its pushes."""
        return keep_alive(
            self._loop.time(),
            received=self._received_at,
            sent=self._sent_at,
            pinged=self._pinged_at,
            spare=spare,
        )

    def send(self, push: Push, ticket: PendingPush) -> int:
        """Send a push, for which there is room; the stream that it is on."""
        if not self._authorization:
            self._authorization = self._sign()  # once for all pushes of one write
        alone = not self._http2.in_flight and self._flushing is None
        stream_id = self._http2.send_request(push, self._authorization, ticket)
        if alone:
            self._flush()
        else:
            self._flush_soon()
        return stream_id

    def cancel(self, stream_id: int) -> bool:
        """Nobody waits for this push any more. False: it was not sent whole, so it cannot have been processed."""
        whole = self._http2.cancel(stream_id)
        self._flush_soon()
        self._close_if_drained()
        return whole

    async def settings_received(self) -> None:
        """Return when the server's SETTINGS are here. ConnectionError if the connection ends before."""
        await self._settings_received

    def ping(self) -> None:
        """Ask for a sign of life: any byte is one."""
        self._pinged_at = self._loop.time()
        self._http2.ping()
        self._flush_soon()

    def drain(self, why: str) -> None:
        """Take no more pushes; close when the last answer is in."""
        self._closing = self._closing or why
        self._close_if_drained()

    def abort(self) -> None:
        """Close the socket without waiting for anybody."""
        self._closing = self._closing or "aborted"
        if self._transport is not None:
            self._transport.abort()

    # What the socket reports (asyncio.Protocol).

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's has no base class
        self._owner.opened(self)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._fail_settings("the server does not speak HTTP/2 (ALPN did not choose h2)")
            transport.abort()
            return
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Complete what is answered."""
        self._received_at = self._loop.time()
        for ticket, result in self._http2.receive(data):
            self.answers += result.transmission == "answered"
            self._owner.completed(ticket, result)
        if self._http2.settings_received and not self._settings_received.done():
            self._settings_received.set_result(None)
        self._owner.changed(self)
        if self._http2.has_output:
            self._flush_soon()
        self._close_if_drained()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write: open no more streams until it does."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._paused = False
        self._owner.changed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was written may have been processed; what was not, cannot."""
        if self._flushing is not None:
            self._flushing.cancel()
        why = f"connection lost: {exc or self.ending or 'closed by the peer'}"
        self._fail_settings(why)
        self._closing = self._closing or why
        for ticket, result in self._http2.connection_lost(why, written=self._written):
            self._owner.completed(ticket, result)
        self._owner.lost(self)

    # Writing.

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing, self._authorization = None, ""
        transport = self._transport
        if transport is None or transport.is_closing() or not self._http2.has_output:
            return
        if self._http2.last_stream_id != self._written:
            self._written = self._http2.last_stream_id
            self._sent_at = self._loop.time()
        transport.write(self._http2.take_output())
        if self._paused and transport.get_write_buffer_size() > MAX_UNREAD:
            transport.abort()

    def _close_if_drained(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._http2.broken or (self.ending and not self.in_flight):
            self._http2.send_goaway()
            self._flush()
            self._transport.close()

    def _fail_settings(self, why: str) -> None:
        if not self._settings_received.done():
            self._settings_received.set_exception(ConnectionError(why))
            self._settings_received.exception()  # nobody may be waiting for it any more
