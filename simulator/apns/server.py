"""Sockets: TLS in front, one asyncio protocol for each connection, and the one place where an outcome becomes bytes."""

import asyncio
import ssl
from functools import partial
from typing import Final

from simulator.apns.answers import encode
from simulator.apns.connection import Connection
from simulator.apns.events import ConnectionEnded, Event, RequestReceived, StreamRefused
from simulator.apns.faults import Action, CloseConnection, Delay, GoAway, Reset
from simulator.apns.frames import ErrorCode
from simulator.apns.profile import Profile
from simulator.apns.push_service import Outcome, PushService
from simulator.apns.requests import read_request
from simulator.apns.session import Session
from simulator.clock import Clock
from simulator.journal import Journal

HANDSHAKE_TIMEOUT: Final = 10.0  # seconds, real time
SHUTDOWN_TIMEOUT: Final = 0.5


class ServerConnection(asyncio.Protocol):
    """One provider's connection. Whatever goes wrong here ends this connection and no other."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._profile = listener.profile
        self._http2 = Connection(listener.profile.first_stream_limit)
        self._session = Session()
        self._transport: asyncio.Transport | None = None
        self._flush_due = False
        self.requests = 0
        self._late: set[asyncio.Task[None]] = set()  # answers that a Delay holds back

    # --- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done. Without ALPN the client is taken at its word: HTTP/2 by prior knowledge."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._listener.opened(self)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; an answer is written at the end of this turn of the loop."""
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
        for task in self._late:
            task.cancel()
        self._listener.lost(self, exc)

    # --- events -------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            request = read_request(event.headers, event.body, event.body_size)
            self.requests += 1
            self._emit(event.stream_id, self._listener.service.handle(request, self._session))
        elif isinstance(event, StreamRefused):
            self._listener.journal.record("apns", "stream_refused", limit=event.limit)
        elif isinstance(event, ConnectionEnded) and not event.by_peer:
            self._listener.journal.record("apns", "protocol_error", code=event.code, message=event.message)

    def _emit(self, stream_id: int, outcome: Outcome) -> None:
        """The seam: every outcome becomes bytes here, and every fault bends it here."""
        if outcome.fault is None:
            self._answer(stream_id, outcome)
        else:
            self._misbehave(stream_id, outcome, outcome.fault)

    def _answer(self, stream_id: int, outcome: Outcome) -> None:
        # Apple: one stream until a valid provider token; the SETTINGS that say so go before the answer.
        if outcome.authenticated:
            self._http2.set_stream_limit(self._profile.stream_limit)
        if outcome.answer is not None:
            self._http2.respond(stream_id, *encode(outcome.answer))
        self._flush_soon()

    def _misbehave(self, stream_id: int, outcome: Outcome, fault: Action) -> None:
        match fault:
            case Delay(seconds):
                self._answer_later(stream_id, outcome, seconds)
            case Reset(code):
                self._http2.reset(stream_id, code)
            case GoAway(reason, code):
                # A push that was not judged lies above the last stream, so the provider may safely send it again.
                judged = outcome.answer is not None
                self._http2.goaway(reason, code, stream_id if judged else max(stream_id - 2, 0))
                self._answer(stream_id, outcome)
            case CloseConnection():
                self.abort()
            case _:  # Stall: silence. A staged answer travels as the outcome's answer and never comes here.
                pass
        self._flush_soon()

    def _answer_later(self, stream_id: int, outcome: Outcome, seconds: float) -> None:
        task = asyncio.create_task(
            self._wait_and_answer(stream_id, outcome, seconds), name=f"apns delay {stream_id}"
        )
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _wait_and_answer(self, stream_id: int, outcome: Outcome, seconds: float) -> None:
        await self._listener.clock.sleep(seconds)
        self._answer(stream_id, outcome)

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
        if out:
            self._transport.write(out)
        if self._http2.closed or self._http2.finished:
            self._transport.close()

    def goaway(self, reason: str) -> None:
        """Announce the end; the connection closes when the answers still due are sent."""
        self._http2.goaway(reason)
        self._flush_soon()

    def shut(self) -> None:
        """Announce the end and close now; answers still due are cut."""
        if self._transport is not None:
            self._http2.goaway("Shutdown")
            self._http2.closed = True
            self._write()

    def abort(self) -> None:
        """Cut the socket without a word."""
        if self._transport is not None:
            self._transport.abort()


class Listener:
    """One port, which is one environment of APNs."""

    def __init__(self, service: PushService, profile: Profile, clock: Clock, journal: Journal) -> None:
        self.service = service
        self.profile = profile
        self.clock = clock
        self.journal = journal
        self.connections: set[ServerConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext, port: int = 0) -> int:
        """Listen on 127.0.0.1; the port, also if it was 0 (any free one). OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            partial(ServerConnection, self),
            "127.0.0.1",
            port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Take no more connections, say GOAWAY on those there are, close them; cut what does not go by itself."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.shut()
        if not await self._emptied():
            for connection in tuple(self.connections):
                connection.abort()
            await self._emptied()

    async def _emptied(self) -> bool:
        """Wait a moment for the last connection to go; False if it did not."""
        try:
            await asyncio.wait_for(self._empty.wait(), SHUTDOWN_TIMEOUT)
        except TimeoutError:
            return False
        return True

    def opened(self, connection: ServerConnection) -> None:
        """A connection has finished its TLS handshake."""
        self.connections.add(connection)
        self._empty.clear()
        self.journal.record("apns", "connection_opened", realm=self.service.realm)

    def lost(self, connection: ServerConnection, error: Exception | None) -> None:
        """Its socket is gone."""
        self.connections.discard(connection)
        self.journal.record(
            "apns",
            "connection_closed",
            realm=self.service.realm,
            requests=connection.requests,
            error=None if error is None else repr(error),
        )
        if not self.connections:
            self._empty.set()
