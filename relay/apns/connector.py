"""Opens connections to one host: TCP, TLS (always verified) and the server's first SETTINGS."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from relay.apns.connection import ApnsConnection, Owner
from relay.apns.provider_token import SignedAt

CONNECT_SECONDS = 5.0
"""For TCP, TLS and SETTINGS together."""
GOODBYE_SECONDS: Final = 1.0
"""How long the peer may take to end TLS when we close."""


class Connector:
    """The way to one host. `now` gives UNIX seconds."""

    def __init__(
        self, *, host: str, port: int, tls: ssl.SSLContext, sign: SignedAt, now: Callable[[], float]
    ) -> None:
        self._host, self._port, self._tls, self._sign, self._now = host, port, tls, sign, now
        self.address: Final = f"{host}:{port}"

    async def connect(self, owner: Owner) -> ApnsConnection:
        """A connection over which pushes can be sent. OSError, with why there is none."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._greeted(owner)
        except TimeoutError:
            raise TimeoutError("timed out") from None
        except UnicodeError as error:  # of a host name
            raise OSError(str(error)) from error

    async def _greeted(self, owner: Owner) -> ApnsConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: ApnsConnection(
                authority=self._host if self._port == 443 else self.address,
                sign=self._sign,
                owner=owner,
                opened_at=self._now(),
            ),
            self._host,
            self._port,
            ssl=self._tls,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
        try:
            await connection.greeted()
        except BaseException:
            connection.abort()
            raise
        return connection
