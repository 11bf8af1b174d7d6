"""The connections to one APNs environment: one in use, old ones draining, and a pause after failed attempts."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable

from relay.apns.connection import ApnsConnection
from relay.apns.provider_token import SignedAt
from relay.apns.push import NotSent, Outcome, Push
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
        self._connecting = asyncio.Lock()
        self._failures = 0
        self._paused_until = float("-inf")
        self._closed = False

    async def send(self, push: Push, deadline: float) -> Outcome:
        """What became of the push. A request that was provably not processed is sent once more at once."""
        outcome = await self._send_once(push, deadline)
        if isinstance(outcome, NotSent) and self._may_connect():
            outcome = await self._send_once(push, deadline)
        return outcome

    def replace_connection(self) -> None:
        """Send nothing more over the current connection; what is in flight on it finishes."""
        if self._current is not None:
            self._current.drain()

    async def close(self, grace: float) -> None:
        """Stop taking pushes, give those in flight `grace` seconds to be answered, close the sockets."""
        self._closed = True
        for connection in tuple(self._open):
            connection.drain()
        try:
            async with asyncio.timeout(grace):
                await self._none_open.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.close()
            await asyncio.sleep(0)

    async def _send_once(self, push: Push, deadline: float) -> Outcome:
        try:
            connection = await self._connection()
        except OSError as error:
            return NotSent(f"cannot connect to {self._host}:{self._port}: {error}")
        return await connection.send(push, deadline)

    def _may_connect(self) -> bool:
        return not self._closed and self._now() >= self._paused_until

    async def _connection(self) -> ApnsConnection:
        async with self._connecting:
            if self._current is None or self._current.draining:
                self._current = await self._connect()
            return self._current

    async def _connect(self) -> ApnsConnection:
        if not self._may_connect():
            raise ConnectionError("closed" if self._closed else "waiting before the next attempt")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._open_socket()
        except OSError as error:
            self._pause()
            log.warning(line("connect failed", host=self._host, port=self._port, error=error or "timed out"))
            raise
        self._failures = 0
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
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()
        log.info(line("disconnected", host=self._host, port=self._port))

    def _pause(self) -> None:
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE) * self._jitter.uniform(0.5, 1.0)
        self._failures += 1
        self._paused_until = self._now() + pause
