"""Opens connections to one host: TCP, through a proxy if need be, TLS (always verified) and the server's first SETTINGS; and
when the next attempt may be.
"""

import asyncio
import random
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from relay.apns.http2.connection import ApnsConnection, Owner, SignedAt
from relay.backoff import Backoff
from relay.proxy import Proxy

CONNECT_SECONDS = 5.0
"""For TCP, TLS and SETTINGS together."""
NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long one address may take before the next is tried beside it (RFC 8305 5): a host of Apple's has many, and one
that swallows packets, or IPv6 that leads nowhere, must not cost the connection.
"""
TLS_CLOSE_SECONDS: Final = 1.0
"""How long the peer may take to end TLS when we close."""

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
"""Seconds, doubling from one to the other. Apple, "Troubleshooting push notifications": rapid reconnects count as a
denial of service.
"""
_PAUSES: Final = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
BURST: Final = 20
"""Attempts at once, more than a pool has connections; of those that succeed, too, so that a server which sends each
connection away after a few answers is not besieged.
"""
ONE_MORE_EVERY: Final = 1.0
"""Seconds after which there may be another."""


def client_tls(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies the server against the system's CAs, or these; TLS 1.2 or newer and ALPN h2, as APNs demands."""
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    tls.minimum_version = max(tls.minimum_version, ssl.TLSVersion.TLSv1_2)
    tls.set_alpn_protocols(["h2"])
    return tls


class Attempts:
    """Counts failures in a row, and how often there was an attempt. Times are seconds of a clock that nobody sets."""

    def __init__(self, jitter: random.Random) -> None:
        self._jitter = jitter
        self.failures = 0
        """In a row; set it to 0 when something good happens."""
        self._until = float("-inf")
        self._attempts, self._last = 0.0, float("-inf")

    def begin(self, now: float) -> None:
        """An attempt begins."""
        self._attempts, self._last = self._recent(now) + 1, now

    def _recent(self, now: float) -> float:
        """Attempts that are not forgotten yet."""
        return max(0.0, self._attempts - (now - self._last) / ONE_MORE_EVERY)

    def failed(self, now: float) -> None:
        """Pause from `now` on: half to all of the step, so that many relays do not come back as one."""
        self.failures += 1
        self._until = now + _PAUSES.delay(self.failures, self._jitter.random)

    def may_begin(self, now: float) -> bool:
        """No pause is on, and there were not too many attempts of late."""
        return now >= self._until and self._recent(now) <= BURST - 1


class Connector:
    """The way to one host. `serial` counts the provider tokens that were signed so far."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        sign: SignedAt,
        serial: Callable[[], int],
        proxy: Proxy | None = None,
    ) -> None:
        self._host, self._port, self._tls, self._sign, self._serial = host, port, tls, sign, serial
        self.proxy: Final = proxy
        self._host_name = f"[{host}]" if ":" in host else host  # RFC 3986 3.2.2
        self.address: Final = f"{self._host_name}:{port}"

    async def connect(self, owner: Owner) -> ApnsConnection:
        """A connection over which pushes can be sent. OSError, with why there is none."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connected(owner)
        except TimeoutError:
            raise TimeoutError("timed out") from None
        except UnicodeError as error:  # of a host name
            raise OSError(str(error)) from error
        except ConnectionResetError as error:
            raise ConnectionResetError(str(error) or "reset during the TLS handshake") from error

    async def _connected(self, owner: Owner) -> ApnsConnection:
        def connection_of() -> ApnsConnection:
            return ApnsConnection(
                authority=self._host_name if self._port == 443 else self.address,
                sign=self._sign,
                owner=owner,
                serial=self._serial(),
            )

        if self.proxy is None:
            connection = await self._direct(connection_of)
        else:
            connection = await self._tunnelled(self.proxy, connection_of)
        try:
            await connection.settings_received()
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _direct(self, connection_of: Callable[[], ApnsConnection]) -> ApnsConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            connection_of,
            self._host,
            self._port,
            ssl=self._tls,
            happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
            ssl_shutdown_timeout=TLS_CLOSE_SECONDS,
        )
        return connection

    async def _tunnelled(self, proxy: Proxy, connection_of: Callable[[], ApnsConnection]) -> ApnsConnection:
        """TLS with the host itself, through the proxy: it sees where to, and nothing else."""
        loop = asyncio.get_running_loop()
        try:
            transport, tunnel = await loop.create_connection(
                lambda: _Tunnel(self.address, proxy),
                proxy.host,
                proxy.port,
                ssl=ssl.create_default_context() if proxy.tls else None,
                happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
            )
        except OSError as error:
            raise OSError(f"the proxy {proxy}: {error}") from error
        try:
            await tunnel.is_open
            connection = connection_of()
            secured = await loop.start_tls(
                transport,
                connection,
                self._tls,
                server_hostname=self._host,
                ssl_shutdown_timeout=TLS_CLOSE_SECONDS,
            )
        except BaseException:
            transport.abort()
            raise
        if secured is None:  # typeshed: a transport that is closed already
            raise ConnectionResetError(f"the proxy {proxy} closed the connection")
        connection.connection_made(secured)
        return connection


MAX_PROXY_ANSWER: Final = 16 * 1024


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for the way to `address` (RFC 9110 9.3.6). `is_open` is done when it is granted; else it is an OSError."""

    def __init__(self, address: str, proxy: Proxy) -> None:
        self._address, self._proxy = address, proxy
        self._head = b""
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy listens."""
        authorization = self._proxy.authorization
        fields = [f"CONNECT {self._address} HTTP/1.1", f"Host: {self._address}"]
        fields += [f"Proxy-Authorization: {authorization}"] if authorization else []
        cast(asyncio.Transport, transport).write("\r\n".join([*fields, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Wait for the whole head of the answer: what follows it belongs to the host."""
        self._head += data
        head, ended, rest = self._head.partition(b"\r\n\r\n")
        if self.is_open.done() or not (ended or len(head) > MAX_PROXY_ANSWER):
            return
        status = _PROXY_STATUS.match(head)
        if status is None or not ended or rest:
            self._fail("does not answer as an HTTP proxy does")
        elif status[1] == b"407":
            self._fail("wants another user name or password (407)")
        elif not status[1].startswith(b"2"):
            self._fail(f"refuses to connect to {self._address} ({status[1].decode()})")
        else:
            self.is_open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It hung up."""
        self._fail(f"closed the connection{f': {exc}' if exc else ''}")

    def _fail(self, how: str) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(ConnectionError(f"the proxy {self._proxy} {how}"))
            self.is_open.exception()  # nobody may be waiting for it any more


_PROXY_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?![0-9])")
