"""The connections to one APNs environment: one when it is quiet, more under load, and a queue before them."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Final

from relay.apns.http2.backoff import Backoff
from relay.apns.http2.connection import ApnsConnection
from relay.apns.http2.connector import Connector
from relay.apns.http2.deadlines import Deadlines
from relay.apns.http2.errand import Errand
from relay.apns.http2.idle import Care, care
from relay.apns.http2.protocol import OK, Result
from relay.apns.push import Outcome, Push, answered, maybe_sent, not_sent, read_answer
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.log import line

log = logging.getLogger("relay.apns")

MAX_CONNECTIONS: Final = 4
MAX_WAITING: Final = 10_000
"""Pushes that wait for a stream. More are not taken: who sends them still has them, and can wait better."""
GROW_SECONDS = 0.25
"""A push that waited so long for a stream calls for another connection; a short burst does not."""
CARE_SECONDS = 5.0
"""How often idle connections are looked at."""


class ConnectionPool:
    """Sends each push over the connection with the fewest in flight, or has it wait its turn."""

    def __init__(
        self,
        connector: Connector,
        *,
        apns_env: ApnsEnv,
        now: Callable[[], float],
        jitter: random.Random,
        max_connections: int = MAX_CONNECTIONS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._connector, self._now = connector, now
        self._env, self._delivered = apns_env, answered(apns_env, 200)
        self._max_connections, self._max_waiting = max_connections, max_waiting
        self._backoff = Backoff(jitter)
        self._usable: list[ApnsConnection] = []  # in the order of their age
        self._open: set[ApnsConnection] = set()  # these, and those that drain
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._waiting: OrderedDict[Errand, None] = OrderedDict()
        self._deadlines = Deadlines(self._expire)
        self._connecting: asyncio.Task[None] | None = None
        self._growing: asyncio.TimerHandle | None = None
        self._caring: asyncio.TimerHandle | None = None
        self._closed = False

    def time(self) -> float:
        """Seconds of the clock that deadlines are in: the event loop's."""
        return self._loop.time()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()  # remembered: each look for it is a call into the kernel

    async def send(self, push: Push, ends: float) -> Outcome:
        """What became of the push until `time()` is `ends`. If it provably was not processed, it is sent once more."""
        errand = Errand(push, self._loop.time(), ends, self._loop.create_future())
        if self._closed:
            return not_sent(self._env, "closed")
        if len(self._waiting) >= self._max_waiting:
            return not_sent(self._env, f"{self._max_waiting} pushes are waiting already")
        if ends <= errand.began:
            return not_sent(self._env, "no time was left to send it")
        self._deadlines.add(errand)
        connection = None if self._waiting else self._with_room(push)
        if connection is not None:
            connection.carry(errand)
        else:
            self._waiting[errand] = None
            self._pump()
        try:
            return await errand.outcome
        except asyncio.CancelledError:
            self._withdraw(errand)
            raise

    def replace_connections(self, opened_before: float) -> None:
        """Send nothing more over connections that are older (UNIX time); what is in flight on them finishes."""
        for connection in [each for each in self._usable if each.opened_at < opened_before]:
            self._retire(connection, "replaced")

    async def close(self, grace: float) -> None:
        """Stop taking pushes, give those in flight `grace` seconds to be answered, close the sockets."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._fail_waiting("closed")
        for connection in tuple(self._open):
            connection.drain("closed")
        try:
            async with asyncio.timeout(grace):
                await self._none_open.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.abort()
            await self._none_open.wait()
        self._deadlines.close()
        for timer in (self._growing, self._caring):
            if timer is not None:
                timer.cancel()

    # Errands.

    def _with_room(self, push: Push) -> ApnsConnection | None:
        """The connection with the fewest pushes in flight, the oldest among equals, if any can take this one."""
        chosen = None
        for connection in self._usable:
            if (chosen is None or connection.in_flight < chosen.in_flight) and connection.has_room(
                len(push.payload)
            ):
                chosen = connection
        return chosen

    def _pump(self) -> None:
        """First come, first served; and for those who still wait, see that there is a connection."""
        now = self.time()
        while self._waiting:
            errand = next(iter(self._waiting))
            connection = self._with_room(errand.push)
            if connection is None:
                self._want_connection()
                return
            del self._waiting[errand]
            if errand.ends <= now:  # its deadline is about to be noticed: what is late is not sent any more
                self._finish(errand, not_sent(self._env, f"no free stream within {errand.seconds:.1f} s"))
            else:
                connection.carry(errand)

    def _withdraw(self, errand: Errand) -> bool:
        """Its caller is gone, or its time is over. True if it may have been processed."""
        self._deadlines.remove(errand)
        self._waiting.pop(errand, None)
        if errand.connection is None:
            return False
        whole = errand.connection.give_up(errand)
        self._pump()
        return whole

    def _expire(self, errand: Errand) -> None:
        """A connection that stays silent may be dead without a word (golang/go#14607): others take a new one."""
        connection = errand.connection
        sent = self._withdraw(errand)
        if connection is None:
            self._finish(errand, not_sent(self._env, f"no free stream within {errand.seconds:.1f} s"))
            size = len(errand.push.payload)
            for stuck in [each for each in self._usable if each.starved and not each.has_room(size)]:
                self._retire(stuck, "it took nothing", failed=not stuck.answers)
        else:
            if sent:
                self._finish(errand, maybe_sent(self._env, f"no answer within {errand.seconds:.1f} s"))
            else:
                self._finish(
                    errand, not_sent(self._env, f"no window for all of it within {errand.seconds:.1f} s")
                )
            if connection.answers == errand.answers_before:
                self._retire(connection, "silent", failed=not connection.answers)

    def _fail_waiting(self, error: str) -> None:
        while self._waiting:
            self._finish(self._waiting.popitem()[0], not_sent(self._env, error))

    def _finish(self, errand: Errand, outcome: Outcome) -> None:
        self._deadlines.remove(errand)
        if not errand.outcome.done():
            errand.outcome.set_result(outcome)

    # What a connection reports.

    def opened(self, connection: ApnsConnection) -> None:
        """A socket more."""
        self._open.add(connection)
        self._none_open.clear()

    def settle(self, errand: Errand, result: Result) -> None:
        """Tell the caller; but what was provably not processed goes to the head of the queue, once."""
        if result.transmission == "not_sent" and self._may_resend(errand):
            errand.resent, errand.connection = True, None
            self._waiting[errand] = None
            self._waiting.move_to_end(errand, last=False)
            return
        outcome = self._delivered if result is OK else self._outcome(result)
        if outcome.transmission == "answered":
            self._backoff.succeeded()
        if outcome.verdict is Verdict.KEY_REFUSED:
            # It is said of every push: those that wait for a stream would only hear the same.
            self._fail_waiting("APNs refuses the key")
        self._finish(errand, outcome)

    def _may_resend(self, errand: Errand) -> bool:
        return not errand.resent and not self._closed and not errand.outcome.done()

    def _outcome(self, result: Result) -> Outcome:
        if result.transmission == "answered":
            return read_answer(self._env, result.status, result.body)
        unanswered = not_sent if result.transmission == "not_sent" else maybe_sent
        return unanswered(self._env, result.error)

    def changed(self, connection: ApnsConnection) -> None:
        """There may be room, or the peer sends the connection away."""
        if connection.ending and connection in self._usable:
            self._retire(
                connection, connection.ending, failed=not connection.answers and not connection.in_flight
            )
        elif self._waiting:
            self._pump()

    def lost(self, connection: ApnsConnection) -> None:
        """A socket less."""
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()
        log.info(line("disconnected", address=self._connector.address, why=connection.ending))
        if not connection.answers and not connection.failed:
            self._fail(connection)
        self._retire(connection, connection.ending)

    # Connections.

    def _retire(self, connection: ApnsConnection, why: str, *, failed: bool = False) -> None:
        """Give it no more errands; it closes when the last answer is in. `failed`: pause before the next one."""
        if connection in self._usable:
            self._usable.remove(connection)
            if failed:
                self._fail(connection)
            connection.drain(why)
        self._pump()

    def _fail(self, connection: ApnsConnection) -> None:
        connection.failed = True
        self._backoff.failed(self._now())

    def _want_connection(self) -> None:
        if self._usable:
            if self._growing is None:
                self._growing = self._loop.call_later(GROW_SECONDS, self._grow)
        elif self._connecting is None:
            if self._backoff.may_try(self._now()):
                self._connecting = asyncio.create_task(self._connect(), name="connect to APNs")
            else:
                self._fail_waiting("waiting before the next attempt to connect")

    def _grow(self) -> None:
        """One connection more, if the first in the queue waited long enough and all connections have proved good."""
        self._growing = None
        if not self._waiting or self._closed:
            return
        late = self.time() - next(iter(self._waiting)).began >= GROW_SECONDS
        proved = all(connection.answers for connection in self._usable)
        room = len(self._usable) < self._max_connections and self._connecting is None
        if late and proved and room and self._backoff.may_try(self._now()):
            self._connecting = asyncio.create_task(self._connect(), name="connect to APNs")
        self._want_connection()

    async def _connect(self) -> None:
        address = self._connector.address
        self._backoff.tried(self._now())
        try:
            connection = await self._connector.connect(self)
        except OSError as error:
            self._backoff.failed(self._now())
            log.warning(line("connect failed", address=address, error=str(error)))
            if not self._usable:
                self._fail_waiting(f"cannot connect to {address}: {error}")
        else:
            log.info(line("connected", address=address))
            self._usable.append(connection)
            self._care_soon()
        finally:
            self._connecting = None
        self._pump()

    def _care_soon(self) -> None:
        if self._caring is None:
            self._caring = self._loop.call_later(CARE_SECONDS, self._care)

    def _care(self) -> None:
        """Ping the idle, send the spare away, cut off the dead."""
        self._caring = None
        now = self.time()
        for age, each in enumerate(tuple(self._usable)):
            match care(now, heard=each.heard, pushed=each.pushed, pinged=each.pinged, spare=age > 0):
                case Care.PING:
                    each.ping()
                case Care.DRAIN:
                    self._retire(each, "idle")
                case Care.ABORT:
                    self._retire(each, "no answer to a ping")
                    each.abort()
        if self._usable and not self._closed:
            self._care_soon()
