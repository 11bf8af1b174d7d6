"""Opens connections to one host: TCP, TLS (always verified) and the server's first SETTINGS."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from relay.apns.http2.connection import ApnsConnection, Owner
from relay.apns.provider_token import SignedAt

CONNECT_SECONDS = 5.0
"""For TCP, TLS and SETTINGS together."""
NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long one address may take before the next is tried beside it (RFC 8305 5): a host of Apple's has many, and one
that swallows packets, or IPv6 that leads nowhere, must not cost the connection.
"""
GOODBYE_SECONDS: Final = 1.0
"""How long the peer may take to end TLS when we close."""


class Connector:
    """The way to one host. `now` gives UNIX seconds."""

    def __init__(
        self, *, host: str, port: int, tls: ssl.SSLContext, sign: SignedAt, now: Callable[[], float]
    ) -> None:
        self._host, self._port, self._tls, self._sign, self._now = host, port, tls, sign, now
        self._host_name = f"[{host}]" if ":" in host else host  # RFC 3986 3.2.2
        self.address: Final = f"{self._host_name}:{port}"

    async def connect(self, owner: Owner) -> ApnsConnection:
        """A connection over which pushes can be sent. OSError, with why there is none."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._greeted(owner)
        except TimeoutError:
            raise TimeoutError("timed out") from None
        except UnicodeError as error:  # of a host name
            raise OSError(str(error)) from error
        except ConnectionResetError as error:
            raise ConnectionResetError(str(error) or "reset during the TLS handshake") from error

    async def _greeted(self, owner: Owner) -> ApnsConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: ApnsConnection(
                authority=self._host_name if self._port == 443 else self.address,
                sign=self._sign,
                owner=owner,
                opened_at=self._now(),
            ),
            self._host,
            self._port,
            ssl=self._tls,
            happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
        try:
            await connection.greeted()
        except BaseException:
            connection.abort()
            raise
        return connection
