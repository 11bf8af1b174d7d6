"""One provider's connection on a socket: the one place where a decision becomes bytes, and where every fault is applied."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Literal

from simulator.apns.authentication import ProviderCertificate, ProviderState, read_certificate
from simulator.apns.endpoints import Decision
from simulator.apns.faults import Action, CloseConnection, Delay, GoAway, Misshape, Reset, StreamLimit
from simulator.apns.hosts import Host
from simulator.apns.http2.connection import Connection
from simulator.apns.http2.frames import ErrorCode
from simulator.apns.http2.policy import ConnectionPolicy, HeldResponses, IdleWatch
from simulator.apns.http2.streams import ConnectionEnded, Event, RequestReceived, StreamRefused, StreamReset
from simulator.apns.messages import Request, Response, encode, encode_misshapen, read_request
from simulator.apns.profile import Profile
from simulator.clock import Clock
from simulator.journal import Journal


@dataclass(eq=False, slots=True)
class Port:
    """What the connections to one host share, and the connections that are open.

    `numbers` gives each connection its own. `draining`: the next request is answered 503 Shutdown, and then the connections of that moment end.
    """

    host: Host
    profile: Profile
    clock: Clock
    journal: Journal
    held_responses: HeldResponses = field(default_factory=HeldResponses)
    draining: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    connections: set["ServerConnection"] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.empty.set()


class ServerConnection(asyncio.Protocol):
    """One provider's connection. Whatever goes wrong here ends this connection and no other."""

    _http2: Connection
    _policy: ConnectionPolicy
    _watch: IdleWatch

    def __init__(self, port: Port) -> None:
        self._port = port
        self.provider = ProviderState()
        self._transport: asyncio.Transport | None = None
        self._flush_due = False
        self._idle: Literal["no", "warned", "silent"] = "no"
        self.requests = 0
        self.number = 0
        self.opened_at = 0.0
        self.peer = ""
        self._late: set[asyncio.Task[None]] = set()  # responses and ends that wait for their time

    # --- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done. Without ALPN the client is taken at its word: HTTP/2 by prior knowledge."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        certificate = _certificate(transport)
        self.provider = ProviderState(certificate)
        self._policy = ConnectionPolicy(self._port.profile, by_certificate=certificate is not None)
        self._http2 = Connection(self._policy.first_limit)
        self._watch = IdleWatch(self._port.clock, self._port.profile, self._is_busy, self.become_idle)
        self._opened()
        if certificate is not None and not certificate.serves(self._port.host.realm):
            self._http2.goaway("BadCertificateEnvironment")  # as seen: GitHub sideshow/apns2 issue 93
        self._watch.touch()
        self._write()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; a response is written at the end of this turn of the loop."""
        if self._idle == "silent":  # a dead peer: its system takes the bytes, and nobody reads them
            return
        try:
            for event in self._http2.receive(data):
                self._on_event(event)
        except Exception as error:  # a defect of ours must not take the other connections along
            self._port.journal.record("apns", "connection_crashed", error=repr(error))
            self._http2.goaway("InternalServerError", ErrorCode.INTERNAL_ERROR)
            self._http2.closed = True
        self._flush_soon()

    def pause_writing(self) -> None:
        """The client does not read its responses: read no more of its requests until it does."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; responses still due are dropped."""
        self._transport = None
        self._watch.stop()
        del self._watch  # it knows us as we know it
        for task in self._late:
            task.cancel()
        self._lost(exc)

    def _opened(self) -> None:
        """`number` counts the connections of all hosts; `peer` is where the provider calls from."""
        self.number, self.opened_at = next(self._port.numbers), self._port.clock.now()
        address = None if self._transport is None else self._transport.get_extra_info("peername")
        self.peer = f"{address[0]}:{address[1]}" if address else ""
        self._port.connections.add(self)
        self._port.empty.clear()
        self._port.journal.record(
            "apns", "connection_opened", realm=self._port.host.realm, alpn=_alpn(self._transport)
        )

    def _lost(self, error: Exception | None) -> None:
        port = self._port
        port.connections.discard(self)
        port.journal.record(
            "apns",
            "connection_closed",
            realm=port.host.realm,
            requests=self.requests,
            unfinished=self._http2.unfinished,
            error=None if error is None else repr(error),
        )
        if not port.connections:
            port.empty.set()

    @property
    def stream_limit(self) -> int:
        """How many streams the provider may have open now."""
        return self._http2.stream_limit

    # --- requests -----------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            request = read_request(event.headers, event.body, event.body_size)
            self.requests += 1
            self._watch.touch()
            self._on_request(event.stream_id, request)
        elif isinstance(event, StreamRefused):
            self._port.journal.record("apns", "stream_refused", limit=event.limit)
        elif isinstance(event, StreamReset) and not event.by_peer:
            self._port.journal.record("apns", "stream_reset", code=event.code, why=event.message)
        elif isinstance(event, ConnectionEnded) and not event.by_peer:
            self._port.journal.record("apns", "protocol_error", code=event.code, message=event.message)

    def _on_request(self, stream_id: int, request: Request) -> None:
        port = self._port
        if self._idle == "warned":
            self._send(stream_id, port.host.refuse(request, "IdleTimeout"))
            self.goaway("IdleTimeout")
        elif port.draining:  # said once: its connections end, and new ones reach a healthy server
            port.draining = False
            self._send(stream_id, port.host.refuse(request, "Shutdown"))
            for connection in tuple(port.connections):
                connection.goaway("Shutdown")
        else:
            self._emit(stream_id, port.host.handle(request, self.provider))

    def _emit(self, stream_id: int, decision: Decision) -> None:
        """Every decision becomes bytes here, and every fault is applied here."""
        delay_s = self._policy.delay_s
        if decision.fault is not None:
            self._apply_fault(stream_id, decision, decision.fault)
        elif delay_s:
            self._later(delay_s, partial(self._respond_unless_held, stream_id, decision))
        else:
            self._respond_unless_held(stream_id, decision)

    def _respond_unless_held(self, stream_id: int, decision: Decision, shape: Misshape | None = None) -> None:
        response = decision.response
        if response is None:
            return
        if not self._port.held_responses.holds(response, partial(self._send, stream_id, decision, shape)):
            self._send(stream_id, decision, shape)

    def _send(self, stream_id: int, decision: Decision, shape: Misshape | None = None) -> None:
        response = decision.response
        assert response is not None  # only responses are held back or sent
        limit = self._policy.limit_before(response.status, authenticated=decision.authenticated)
        if limit is not None:  # the SETTINGS that raise the limit go before the answer
            self._http2.set_stream_limit(limit)
        self._respond(stream_id, response, shape)
        if self._policy.ends_after(response.status):
            self._http2.goaway(
                "TooManyRequests", ErrorCode.ENHANCE_YOUR_CALM
            )  # that it ends is Apple's; how, assumed
        self._flush_soon()

    def _respond(self, stream_id: int, response: Response, shape: Misshape | None) -> None:
        if shape is None:
            self._http2.respond(stream_id, *encode(response))
        else:
            self._http2.respond(stream_id, *encode_misshapen(response, shape), split=shape.body == "split")

    def _apply_fault(self, stream_id: int, decision: Decision, fault: Action) -> None:
        match fault:
            case Delay(seconds):
                self._later(seconds, partial(self._respond_unless_held, stream_id, decision))
            case Reset(code):
                self._http2.reset(stream_id, code)
            case GoAway():
                self._go_away(stream_id, decision, fault)
            case CloseConnection():
                self.abort()
            case Misshape():
                self._respond_unless_held(stream_id, decision, fault)
            case StreamLimit(limit):
                self.lower_stream_limit(limit)
                self._respond_unless_held(stream_id, decision._replace(authenticated=False))
            case _:  # Stall: silence. A staged response is the decision's response and never comes here.
                pass
        self._flush_soon()

    def _go_away(self, stream_id: int, decision: Decision, fault: GoAway) -> None:
        """A push that was not processed lies above the last stream, so the provider may safely send it again."""
        last = stream_id if decision.response is not None else stream_id - 2
        self._http2.goaway(fault.reason, fault.code, max(last + 2 * fault.offset, 0))
        self._respond_unless_held(stream_id, decision)

    def _later(self, seconds: float, act: partial[None]) -> None:
        task = asyncio.create_task(self._wait_and_act(seconds, act), name="apns later")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _wait_and_act(self, seconds: float, act: partial[None]) -> None:
        await self._port.clock.sleep(seconds)
        act()

    # --- idleness -----------------------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        return self._http2.open_streams > 0

    def become_idle(self) -> None:
        """It was idle for too long: warn and take one more request, or fall silent, as the profile says."""
        profile = self._port.profile
        self._port.journal.record("apns", "connection_idle", manner=profile.idle)
        if profile.idle == "silent":
            self._idle = "silent"
        elif self._idle == "no":
            self._idle = "warned"
            self._http2.announce_shutdown("IdleTimeout")
            self._flush_soon()
            self._later(profile.goaway_grace_s, partial(self.goaway, "IdleTimeout"))

    # --- bytes out ----------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """Write once at the end of this turn of the loop, however many responses it brings."""
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
        self._policy.lower()
        self._http2.set_stream_limit(limit)
        self._flush_soon()

    def goaway(self, reason: str) -> None:
        """Announce the end; the connection closes when the responses still due are sent."""
        self._http2.goaway(reason)
        self._flush_soon()

    def shut(self) -> None:
        """Announce the end and close now; responses still due are cut. A silent connection is cut at once."""
        if self._idle == "silent":
            self.abort()
        elif self._transport is not None:
            self._http2.goaway("Shutdown")
            self._http2.closed = True
            self._write()

    def abort(self) -> None:
        """Cut the socket, with no GOAWAY."""
        if self._transport is not None:
            self._transport.abort()


def _certificate(transport: asyncio.Transport) -> ProviderCertificate | None:
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return None if tls is None else read_certificate(tls.getpeercert())


def _alpn(transport: asyncio.BaseTransport | None) -> str | None:
    """The protocol that both sides named in the TLS handshake (RFC 7301); None if the client named none."""
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    found: str | None = None if tls is None else tls.selected_alpn_protocol()
    return found
