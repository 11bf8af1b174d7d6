"""One connection to APNs at its socket: HTTP/2 is next door (`http2.py`), here bytes are moved."""

import asyncio
import ssl
from typing import Final, Protocol, cast

from relay.apns.http2.errand import Errand
from relay.apns.http2.protocol import Http2, Result
from relay.apns.provider_token import SignedAt

MOST_UNREAD: Final = 16 * 2**20
"""Octets written that a peer does not read. No burst of pushes comes near: a thousand streams have 5 MB."""


class Owner(Protocol):
    """Who is told what becomes of a connection, and of the errands on it."""

    def opened(self, connection: "ApnsConnection") -> None:
        """The socket is open, and TLS agreed on."""

    def settle(self, errand: Errand, result: Result) -> None:
        """This is what became of the errand on that connection."""

    def changed(self, connection: "ApnsConnection") -> None:
        """There may be room for more, or an end in sight."""

    def lost(self, connection: "ApnsConnection") -> None:
        """The socket is closed, and all its errands are settled."""


class ApnsConnection(asyncio.Protocol):
    """Carries errands. One alone leaves at once; those of one turn of the event loop leave with one write."""

    def __init__(self, *, authority: str, sign: SignedAt, owner: Owner, opened_at: float) -> None:
        self._http2: Http2[Errand] = Http2(authority)
        self._sign, self._owner = sign, owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing: asyncio.Handle | None = None
        self._written = -1  # the last stream whose request went to the socket
        self._paused = False
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self.opened_at = opened_at
        """UNIX time."""
        self.answers = 0
        """How many pushes APNs answered here."""
        self.failed = False
        """It counts among the failures already."""
        self.heard = self.pushed = self._loop.time()
        """When the last byte came, and the last push went. Times of the event loop."""
        self.pinged = float("-inf")
        self._farewell = ""
        self._authorization = ""

    @property
    def in_flight(self) -> int:
        """Pushes that are out and not answered."""
        return self._http2.in_flight

    @property
    def ending(self) -> str:
        """Why it takes no more pushes; empty while it does."""
        return self._http2.ending or self._farewell

    @property
    def starved(self) -> bool:
        """Nothing is in flight, so no answer will change what can be sent."""
        return not self.in_flight

    def has_room(self, size: int) -> bool:
        """A push with a payload of so many bytes can go out now."""
        return not self._paused and not self._farewell and self._http2.has_room(size)

    def carry(self, errand: Errand) -> None:
        """Send the errand's push, for which there is room."""
        errand.connection, errand.answers_before = self, self.answers
        if not self._authorization:
            self._authorization = self._sign()  # once for all pushes of one write
        alone = not self._http2.in_flight and self._flushing is None
        errand.stream_id = self._http2.open(errand.push, self._authorization, errand)
        if alone:
            self._flush()
        else:
            self._flush_soon()

    def give_up(self, errand: Errand) -> bool:
        """Nobody waits for this errand any more. False: it was not sent whole, so it cannot have been processed."""
        whole = self._http2.cancel(errand.stream_id)
        self._flush_soon()
        self._close_if_drained()
        return whole

    async def greeted(self) -> None:
        """Return when the server's SETTINGS are here. ConnectionError if the connection ends before."""
        await self._greeted

    def ping(self) -> None:
        """Ask for a sign of life: any byte is one."""
        self.pinged = self._loop.time()
        self._http2.ping()
        self._flush_soon()

    def drain(self, why: str) -> None:
        """Take no more pushes; close when the last answer is in."""
        self._farewell = self._farewell or why
        self._close_if_drained()

    def abort(self) -> None:
        """Close the socket without waiting for anybody."""
        self._farewell = self._farewell or "aborted"
        if self._transport is not None:
            self._transport.abort()

    # What the socket says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's has no base class
        self._owner.opened(self)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._ungreeted("the server does not speak HTTP/2 (ALPN did not choose h2)")
            transport.abort()
            return
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Settle what is answered."""
        self.heard = self._loop.time()
        for errand, result in self._http2.receive(data):
            self.answers += result.transmission == "answered"
            self._owner.settle(errand, result)
        if self._http2.greeted and not self._greeted.done():
            self._greeted.set_result(None)
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
        self._ungreeted(why)
        self._farewell = self._farewell or why
        for errand, result in self._http2.lose(why, written=self._written):
            self._owner.settle(errand, result)
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
            self.pushed = self._loop.time()
        transport.write(self._http2.take_output())
        if self._paused and transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()

    def _close_if_drained(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._http2.broken or (self.ending and not self.in_flight):
            self._http2.say_goodbye()
            self._flush()
            self._transport.close()

    def _ungreeted(self, why: str) -> None:
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionError(why))
            self._greeted.exception()  # nobody may be waiting for it any more
