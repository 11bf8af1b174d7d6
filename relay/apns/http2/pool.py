"""The connections to one APNs environment: one when it is quiet, more under load, and a queue before them. Here a
response becomes an outcome: nobody above asks again what it means.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Final

from relay.apns.http2.connection import ApnsConnection, Deadlines, KeepAlive, PendingPush
from relay.apns.http2.connector import Attempts, Connector
from relay.apns.push import OK, Outcome, Push, Result, answered, maybe_sent, not_sent, read_answer
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.log import line

log = logging.getLogger("relay.apns")

MAX_CONNECTIONS: Final = 4
MAX_WAITING: Final = 10_000
"""Pushes that wait for a stream. More are not taken: who sends them still has them, and can wait better."""
GROW_SECONDS = 0.25
"""A push that waited so long for a stream calls for another connection; a short burst does not."""
KEEP_ALIVE_SECONDS = 5.0
"""How often idle connections are checked."""


class ConnectionPool:
    """Sends each push over the connection with the fewest in flight, or has it wait its turn."""

    def __init__(
        self,
        connector: Connector,
        *,
        apns_env: ApnsEnv,
        monotonic: Callable[[], float],
        jitter: random.Random,
        replace_token: Callable[[], None] = lambda: None,
        max_connections: int = MAX_CONNECTIONS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._connector, self._monotonic, self._replace_token = connector, monotonic, replace_token
        self._env, self._delivered = apns_env, answered(apns_env, 200)
        self._max_connections, self._max_waiting = max_connections, max_waiting
        self._attempts = Attempts(jitter)
        self._usable: list[ApnsConnection] = []  # in the order of their age
        self._open: set[ApnsConnection] = set()  # these, and those that drain
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._waiting: OrderedDict[PendingPush, None] = OrderedDict()
        self._deadlines = Deadlines(self._expire)
        self._connecting: asyncio.Task[None] | None = None
        self._growing: asyncio.TimerHandle | None = None
        self._keeping_alive: asyncio.TimerHandle | None = None
        self._key_refused = False  # twice for the same push, and nothing was accepted since
        self._closed = False

    def time(self) -> float:
        """Seconds of the clock that deadlines are in: the event loop's."""
        return self._loop.time()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()  # remembered: each call for it goes into the kernel

    @property
    def connections(self) -> int:
        """How many are open, those included that drain."""
        return len(self._open)

    async def send(self, push: Push, ends: float) -> Outcome:
        """What became of the push until `time()` is `ends`. If it provably was not processed, it is sent once more."""
        pending = PendingPush(push, self._loop.time(), ends, self._loop.create_future())
        if self._closed:
            return not_sent(self._env, "closed")
        if len(self._waiting) >= self._max_waiting:
            return not_sent(self._env, f"{self._max_waiting} pushes are waiting already")
        if ends <= pending.began:
            return not_sent(self._env, "no time was left to send it")
        self._deadlines.add(pending)
        connection = None if self._waiting else self._with_room(push)
        if connection is not None:
            pending.send_over(connection)
        else:
            self._waiting[pending] = None
            self._send_waiting()
        try:
            return await pending.outcome
        except asyncio.CancelledError:
            self._withdraw(pending)
            raise

    def replace_connections(self, older_than: int) -> None:
        """Send nothing more over connections older than this provider token; what is in flight on them finishes."""
        self._retire_all([each for each in self._usable if each.serial < older_than], "replaced")

    async def close(self, grace: float) -> None:
        """Stop taking pushes, give those in flight `grace` seconds to be answered, close the sockets."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._fail_waiting("closed")
        for connection in tuple(self._open):
            connection.drain("closed")
        await self._wait_until_closed(grace)
        self._deadlines.close()
        for timer in (self._growing, self._keeping_alive):
            if timer is not None:
                timer.cancel()

    async def _wait_until_closed(self, grace: float) -> None:
        try:
            async with asyncio.timeout(grace):
                await self._none_open.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.abort()
            await self._none_open.wait()

    # Pushes.

    def _with_room(self, push: Push) -> ApnsConnection | None:
        """The connection with the fewest pushes in flight, the oldest among equals, if any can take this one."""
        chosen, size = None, len(push.payload)
        for connection in self._usable:
            if (chosen is None or connection.in_flight < chosen.in_flight) and connection.has_room(size):
                chosen = connection
        return chosen

    def _send_waiting(self) -> None:
        """First come, first served; and for those who still wait, see that there is a connection."""
        now = self.time()
        while self._waiting:
            pending = next(iter(self._waiting))
            connection = self._with_room(pending.push)
            if connection is None:
                self._want_connection()
                return
            del self._waiting[pending]
            if pending.ends <= now:  # its deadline is about to be noticed: what is late is not sent any more
                self._finish(pending, not_sent(self._env, pending.within("free stream")))
            else:
                pending.send_over(connection)

    def _withdraw(self, pending: PendingPush) -> bool:
        """Its caller is gone, or its time is over. True if it may have been processed."""
        self._deadlines.remove(pending)
        self._waiting.pop(pending, None)
        if pending.connection is None:
            return False
        whole = pending.connection.cancel(pending.stream_id)
        self._send_waiting()
        return whole

    def _expire(self, pending: PendingPush) -> None:
        """A connection that stays silent, or has no room with nothing in flight, may be dead (golang/go#14607): take a new one."""
        connection, whole = pending.connection, self._withdraw(pending)
        if connection is None:
            self._finish(pending, not_sent(self._env, pending.within("free stream")))
            size = len(pending.push.payload)
            for stuck in [each for each in self._usable if not each.in_flight and not each.has_room(size)]:
                self._retire(stuck, "it took nothing", failed=not stuck.answers)
            return
        unanswered, missing = (maybe_sent, "answer") if whole else (not_sent, "window for all of it")
        self._finish(pending, unanswered(self._env, pending.within(missing)))
        if connection.answers == pending.answers_before:
            self._retire(connection, "silent", failed=not connection.answers)

    def _fail_waiting(self, error: str) -> None:
        while self._waiting:
            self._finish(self._waiting.popitem()[0], not_sent(self._env, error))

    def _finish(self, pending: PendingPush, outcome: Outcome) -> None:
        self._deadlines.remove(pending)
        if not pending.outcome.done():
            pending.outcome.set_result(outcome)

    # What a connection reports (`Owner`).

    def opened(self, connection: ApnsConnection) -> None:
        """A socket more."""
        self._open.add(connection)
        self._none_open.clear()

    def completed(self, ticket: PendingPush, result: Result) -> None:
        """Give the caller its outcome; but what was provably not processed goes to the head of the queue, once."""
        if result is OK:
            self._attempts.failures, self._key_refused = 0, False
            self._finish(ticket, self._delivered)
        elif result.transmission == "answered":
            self._answered(ticket, read_answer(self._env, result.status, result.body))
        elif result.transmission == "not_sent" and not self._closed and ticket.may_resend:
            ticket.resent = True
            self._send_first(ticket)
        else:
            unanswered = not_sent if result.transmission == "not_sent" else maybe_sent
            self._finish(ticket, unanswered(self._env, result.error))

    def _answered(self, ticket: PendingPush, outcome: Outcome) -> None:
        self._attempts.failures = 0
        if outcome.verdict is not Verdict.KEY_REFUSED:
            self._key_refused = False
        elif self._key_refused or self._closed or ticket.key_refused:
            self._key_refused = True
            # It concerns every push: those that wait for a stream would get the same answer.
            self._fail_waiting("APNs refuses the key")
            self._retire_all(self._usable, "APNs refuses the key")  # who asks again asks elsewhere
        else:
            self._ask_again(ticket)
            return
        self._finish(ticket, outcome)

    def _ask_again(self, ticket: PendingPush) -> None:
        """One machine of APNs may refuse a good key (observed: ostinelli/apnotic#109): ask once more, with a new token and
        over a new connection. Pushes that are refused meanwhile go the same way.
        """
        ticket.key_refused, refused = True, ticket.connection
        self._send_first(ticket)
        if refused in self._usable:
            self._retire_all(self._usable, "APNs refused the key")
            self._replace_token()
        self._send_waiting()

    def _send_first(self, ticket: PendingPush) -> None:
        ticket.connection = None
        self._waiting[ticket] = None
        self._waiting.move_to_end(ticket, last=False)

    def changed(self, connection: ApnsConnection) -> None:
        """There may be room, or the peer sends the connection away."""
        if connection.ending and connection in self._usable:
            useless = not connection.answers and not connection.in_flight
            self._retire(connection, connection.ending, failed=useless)
        elif self._waiting:
            self._send_waiting()

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
        """Give it no more pushes; it closes when the last answer is in. `failed`: pause before the next one."""
        if connection in self._usable:
            self._usable.remove(connection)
            if failed:
                self._fail(connection)
            connection.drain(why)
        self._send_waiting()

    def _retire_all(self, connections: list[ApnsConnection], why: str) -> None:
        self._usable = [each for each in self._usable if each not in connections]
        for each in connections:
            each.drain(why)
        self._send_waiting()

    def _fail(self, connection: ApnsConnection) -> None:
        connection.failed = True
        self._attempts.failed(self._monotonic())

    def _want_connection(self) -> None:
        if self._usable:
            if self._growing is None:
                self._growing = self._loop.call_later(GROW_SECONDS, self._grow)
        elif self._connecting is None and not self._try_to_connect():
            self._fail_waiting("waiting before the next attempt to connect")

    def _grow(self) -> None:
        """One connection more, if the first in the queue waited long enough and all connections have proved good."""
        self._growing = None
        if not self._waiting or self._closed:
            return
        late = self.time() - next(iter(self._waiting)).began >= GROW_SECONDS
        proved = all(connection.answers for connection in self._usable)
        if late and proved and len(self._usable) < self._max_connections and self._connecting is None:
            self._try_to_connect()
        self._want_connection()

    def _try_to_connect(self) -> bool:
        if not self._attempts.may_begin(self._monotonic()):
            return False
        self._connecting = asyncio.create_task(self._connect(), name="connect to APNs")
        return True

    async def _connect(self) -> None:
        self._attempts.begin(self._monotonic())
        try:
            connection = await self._connector.connect(self)
        except OSError as error:
            self._attempts.failed(self._monotonic())
            log.warning(line("connect failed", address=self._connector.address, error=str(error)))
            if not self._usable:
                self._fail_waiting(f"cannot connect to {self._connector.address}: {error}")
        else:
            log.info(line("connected", address=self._connector.address, proxy=self._connector.proxy))
            self._usable.append(connection)
            self._check_soon()
        finally:
            self._connecting = None
        self._send_waiting()

    def _check_soon(self) -> None:
        if self._keeping_alive is None:
            self._keeping_alive = self._loop.call_later(KEEP_ALIVE_SECONDS, self._keep_alive)

    def _keep_alive(self) -> None:
        """Ping the idle, send the spare away, cut off the dead."""
        self._keeping_alive = None
        for age, each in enumerate(tuple(self._usable)):
            match each.keep_alive(spare=age > 0):
                case KeepAlive.PING:
                    each.ping()
                case KeepAlive.DRAIN:
                    self._retire(each, "idle")
                case KeepAlive.ABORT:
                    self._retire(each, "no answer to a ping")
                    each.abort()
        if self._usable and not self._closed:
            self._check_soon()
