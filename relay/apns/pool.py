"""The connections to one APNs environment: one in use, old ones draining, and a pause after failed attempts."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable

from relay.apns.connection import ApnsConnection
from relay.apns.provider_token import SignedAt
from relay.apns.push import Answered, NotSent, Outcome, Push
from relay.logfmt import line

log = logging.getLogger("relay.apns")

CONNECT_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds between attempts to connect, doubling: Apple takes rapid reconnects for a denial of service."""


class ConnectionPool:
    """Sends over the current connection and opens the next one when that is lost or draining."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        sign: SignedAt,
        now: Callable[[], float],
        jitter: random.Random,
    ) -> None:
        self._host, self._port, self._tls, self._sign = host, port, tls, sign
        self._now, self._jitter = now, jitter
        self._current: ApnsConnection | None = None
        self._open: set[ApnsConnection] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._connecting: asyncio.Task[ApnsConnection] | None = None
        self._failures = 0  # in a row, until APNs answers a push
        self._opened_at = 0.0
        self._paused_until = float("-inf")
        self._closed = False

    async def send(self, push: Push, deadline: float) -> Outcome:
        """What became of the push within `deadline` seconds. If it provably was not processed, it is sent once more."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + deadline
        outcome = await self._send_once(push, ends)
        if isinstance(outcome, NotSent) and self._may_connect() and loop.time() < ends:
            outcome = await self._send_once(push, ends)
        if isinstance(outcome, Answered):
            self._failures = 0
        return outcome

    def replace_connection(self, opened_before: float) -> None:
        """Send nothing more over a connection that is older (UNIX time); what is in flight on it finishes."""
        if self._current is not None and self._opened_at < opened_before:
            self._current.drain()

    async def close(self, grace: float) -> None:
        """Stop taking pushes, give those in flight `grace` seconds to be answered, close the sockets."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for connection in tuple(self._open):
            connection.drain()
        try:
            async with asyncio.timeout(grace):
                await self._none_open.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.abort()
            await self._none_open.wait()

    async def _send_once(self, push: Push, ends: float) -> Outcome:
        try:
            async with asyncio.timeout_at(ends):
                connection = await self._connection()
        except OSError as error:
            return NotSent(f"cannot connect to {self._host}:{self._port}: {_why(error)}")
        return await connection.send(push, ends - asyncio.get_running_loop().time())

    def _may_connect(self) -> bool:
        return not self._closed and self._now() >= self._paused_until

    async def _connection(self) -> ApnsConnection:
        """The current connection, or the next one: one attempt for all, and whoever gives up leaves it to the others."""
        if self._current is not None and not self._current.draining:
            return self._current
        if self._connecting is None:
            if not self._may_connect():
                raise ConnectionError("closed" if self._closed else "waiting before the next attempt")
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connected)
        attempt = self._connecting
        await asyncio.wait([attempt])
        if attempt.cancelled():
            raise ConnectionError("closed")
        return attempt.result()

    def _connected(self, attempt: asyncio.Task[ApnsConnection]) -> None:
        self._connecting = None
        if not attempt.cancelled() and attempt.exception() is None:
            self._current = attempt.result()

    async def _connect(self) -> ApnsConnection:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._open_socket()
        except OSError as error:
            self._pause()
            log.warning(line("connect failed", host=self._host, port=self._port, error=_why(error)))
            raise
        if connection.lost:
            raise ConnectionError("closed at once")
        self._opened_at = self._now()
        self._open.add(connection)
        self._none_open.clear()
        log.info(line("connected", host=self._host, port=self._port))
        return connection

    async def _open_socket(self) -> ApnsConnection:
        loop = asyncio.get_running_loop()
        authority = self._host if self._port == 443 else f"{self._host}:{self._port}"
        _, connection = await loop.create_connection(
            lambda: ApnsConnection(authority=authority, sign=self._sign, on_gone=self._gone),
            self._host,
            self._port,
            ssl=self._tls,
        )
        return connection

    def _gone(self, connection: ApnsConnection) -> None:
        if not connection.answers:
            self._pause()
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()
        log.info(line("disconnected", host=self._host, port=self._port))

    def _pause(self) -> None:
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE) * self._jitter.uniform(0.5, 1.0)
        self._failures += 1
        self._paused_until = self._now() + pause


def _why(error: BaseException) -> str:
    return str(error) or "timed out"
