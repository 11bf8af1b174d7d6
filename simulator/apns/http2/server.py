"""One provider's connection on a socket: the one place where an outcome becomes bytes, and every fault bends it."""

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Literal

from simulator.apns.answers import Answer, encode
from simulator.apns.authentication.provider_certificate import ProviderCertificate, read_certificate
from simulator.apns.faults import (
    Action,
    CloseConnection,
    Delay,
    GoAway,
    Misshape,
    Reset,
    StreamLimit,
)
from simulator.apns.http2.connection import Connection
from simulator.apns.http2.events import ConnectionEnded, Event, RequestReceived, StreamRefused
from simulator.apns.http2.frames import ErrorCode
from simulator.apns.http2.idle_watch import IdleWatch
from simulator.apns.http2.manners import Manners
from simulator.apns.http2.misshapen import encode_misshapen
from simulator.apns.push_service import Outcome
from simulator.apns.requests import Request, read_request
from simulator.apns.session import Session

if TYPE_CHECKING:
    from simulator.apns.http2.listener import Listener


class ServerConnection(asyncio.Protocol):
    """One provider's connection. Whatever goes wrong here ends this connection and no other."""

    _http2: Connection
    _manners: Manners
    _watch: IdleWatch

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self.session = Session()
        self._transport: asyncio.Transport | None = None
        self._flush_due = False
        self._idle: Literal["no", "warned", "silent"] = "no"
        self.requests = 0
        self._late: set[asyncio.Task[None]] = set()  # answers and ends that wait for their time

    # --- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done. Without ALPN the client is taken at its word: HTTP/2 by prior knowledge."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        certificate = _certificate(transport)
        self.session = Session(certificate)
        self._manners = Manners(self._listener.profile, by_certificate=certificate is not None)
        self._http2 = Connection(self._manners.first_limit)
        self._watch = IdleWatch(self._listener.clock, self._listener.profile, self._is_busy, self.become_idle)
        self._listener.opened(self)
        if certificate is not None and not certificate.serves(self._listener.service.realm):
            self._http2.goaway("BadCertificateEnvironment")  # as seen: GitHub sideshow/apns2 issue 93
        self._watch.touch()
        self._write()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; an answer is written at the end of this turn of the loop."""
        if self._idle == "silent":  # a dead peer: its system takes the bytes, and nobody reads them
            return
        try:
            for event in self._http2.receive(data):
                self._on_event(event)
        except Exception as error:  # a defect of ours must not take the other connections along
            self._listener.journal.record("apns", "connection_crashed", error=repr(error))
            self._http2.goaway("InternalServerError", ErrorCode.INTERNAL_ERROR)
            self._http2.closed = True
        self._flush_soon()

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests until it does."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; answers still due are dropped."""
        self._transport = None
        self._watch.stop()
        del self._watch  # it knows us as we know it
        for task in self._late:
            task.cancel()
        self._listener.lost(self, exc)

    # --- requests -----------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            request = read_request(event.headers, event.body, event.body_size)
            self.requests += 1
            self._watch.touch()
            self._on_request(event.stream_id, request)
        elif isinstance(event, StreamRefused):
            self._listener.journal.record("apns", "stream_refused", limit=event.limit)
        elif isinstance(event, ConnectionEnded) and not event.by_peer:
            self._listener.journal.record("apns", "protocol_error", code=event.code, message=event.message)

    def _on_request(self, stream_id: int, request: Request) -> None:
        listener = self._listener
        if self._idle == "warned":
            self._send(stream_id, listener.service.refuse(request, "IdleTimeout"))
            self.goaway("IdleTimeout")
        elif listener.draining:
            self._send(stream_id, listener.service.refuse(request, "Shutdown"))
            listener.drained()
        else:
            self._emit(stream_id, listener.service.handle(request, self.session))

    def _emit(self, stream_id: int, outcome: Outcome) -> None:
        """The seam: every outcome becomes bytes here, and every fault bends it here."""
        delay_s = self._manners.delay_s
        if outcome.fault is not None:
            self._misbehave(stream_id, outcome, outcome.fault)
        elif delay_s:
            self._later(delay_s, partial(self._answer, stream_id, outcome))
        else:
            self._answer(stream_id, outcome)

    def _answer(self, stream_id: int, outcome: Outcome, shape: Misshape | None = None) -> None:
        answer = outcome.answer
        if answer is None:
            return
        if not self._listener.orders.holds(answer, partial(self._send, stream_id, outcome, shape)):
            self._send(stream_id, outcome, shape)

    def _send(self, stream_id: int, outcome: Outcome, shape: Misshape | None = None) -> None:
        answer = outcome.answer
        assert answer is not None  # only answers are held back or sent
        limit = self._manners.limit_before(answer.status, authenticated=outcome.authenticated)
        if limit is not None:  # the SETTINGS that raise the limit go before the answer
            self._http2.set_stream_limit(limit)
        self._respond(stream_id, answer, shape)
        if self._manners.counts_out(answer.status):
            self._http2.goaway(
                "TooManyRequests", ErrorCode.ENHANCE_YOUR_CALM
            )  # that it ends is Apple's; how, assumed
        self._flush_soon()

    def _respond(self, stream_id: int, answer: Answer, shape: Misshape | None) -> None:
        if shape is None:
            self._http2.respond(stream_id, *encode(answer))
        else:
            self._http2.respond(stream_id, *encode_misshapen(answer, shape), split=shape.body == "split")

    def _misbehave(self, stream_id: int, outcome: Outcome, fault: Action) -> None:
        match fault:
            case Delay(seconds):
                self._later(seconds, partial(self._answer, stream_id, outcome))
            case Reset(code):
                self._http2.reset(stream_id, code)
            case GoAway():
                self._go_away(stream_id, outcome, fault)
            case CloseConnection():
                self.abort()
            case Misshape():
                self._answer(stream_id, outcome, fault)
            case StreamLimit(limit):
                self.lower_stream_limit(limit)
                self._answer(stream_id, outcome._replace(authenticated=False))
            case _:  # Stall: silence. A staged answer travels as the outcome's answer and never comes here.
                pass
        self._flush_soon()

    def _go_away(self, stream_id: int, outcome: Outcome, fault: GoAway) -> None:
        """A push that was not judged lies above the last stream, so the provider may safely send it again."""
        last = stream_id if outcome.answer is not None else stream_id - 2
        self._http2.goaway(fault.reason, fault.code, max(last + 2 * fault.offset, 0))
        self._answer(stream_id, outcome)

    def _later(self, seconds: float, act: partial[None]) -> None:
        task = asyncio.create_task(self._wait_and_act(seconds, act), name="apns later")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _wait_and_act(self, seconds: float, act: partial[None]) -> None:
        await self._listener.clock.sleep(seconds)
        act()

    # --- idleness -----------------------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        return self._http2.open_streams > 0

    def become_idle(self) -> None:
        """It was idle for too long: warn and take one more request, or fall silent, as the profile says."""
        profile = self._listener.profile
        self._listener.journal.record("apns", "connection_idle", manner=profile.idle)
        if profile.idle == "silent":
            self._idle = "silent"
        elif self._idle == "no":
            self._idle = "warned"
            self._http2.warn("IdleTimeout")
            self._flush_soon()
            self._later(profile.goaway_grace_s, partial(self.goaway, "IdleTimeout"))

    # --- bytes out ----------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """Write once at the end of this turn of the loop, however many answers it brings."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._flush_due = False
        if self._transport is None:
            return
        out = self._http2.data_to_send()
        if self._idle == "silent":
            return
        if out:
            self._transport.write(out)
        if self._http2.closed or self._http2.finished:
            self._transport.close()

    def lower_stream_limit(self, limit: int) -> None:
        """Announce and enforce a lower limit; streams above it are refused; the next accepted push restores it."""
        self._manners.lower()
        self._http2.set_stream_limit(limit)
        self._flush_soon()

    def goaway(self, reason: str) -> None:
        """Announce the end; the connection closes when the answers still due are sent."""
        self._http2.goaway(reason)
        self._flush_soon()

    def shut(self) -> None:
        """Announce the end and close now; answers still due are cut. A silent connection is cut without a word."""
        if self._idle == "silent":
            self.abort()
        elif self._transport is not None:
            self._http2.goaway("Shutdown")
            self._http2.closed = True
            self._write()

    def abort(self) -> None:
        """Cut the socket without a word."""
        if self._transport is not None:
            self._transport.abort()


def _certificate(transport: asyncio.Transport) -> ProviderCertificate | None:
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return None if tls is None else read_certificate(tls.getpeercert())
