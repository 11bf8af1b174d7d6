"""Sends one push to the environment of its token and says what became of it."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from relay.apns.aioapns_gateway import AioapnsGateway
from relay.apns.http2.connector import Connector
from relay.apns.http2.pool import ConnectionPool
from relay.apns.http2.renewal import RenewingSender
from relay.apns.http2.request_checks import refusal
from relay.apns.http2.trust import client_tls
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push
from relay.contract import ApnsEnv

Transport = Literal["lean", "aioapns"]
"""The relay's own HTTP/2, or that of the aioapns package."""


class Gateway(Protocol):
    """What the dispatcher needs of APNs."""

    async def send(self, push: Push) -> Outcome:
        """What became of the push, within the gateway's deadline."""
        ...

    async def close(self, grace: float) -> None:
        """Stop; pushes in flight get `grace` seconds."""
        ...


def build_gateway(
    transport: Transport,
    *,
    hosts: Mapping[ApnsEnv, tuple[str, int]],
    ca_file: Path | None,
    provider_token: ProviderToken,
    deadline: float,
    now: Callable[[], float] = time.time,
) -> Gateway:
    """The gateway that APNS_TRANSPORT names. Build it inside a running event loop."""
    kind = ApnsGateway if transport == "lean" else AioapnsGateway
    return kind(hosts=hosts, ca_file=ca_file, provider_token=provider_token, deadline=deadline, now=now)


class ApnsGateway:
    """Real APNs, or a sandbox in its place: hosts, ports and CA are settings. Each environment has its own pool."""

    def __init__(
        self,
        *,
        hosts: Mapping[ApnsEnv, tuple[str, int]],
        ca_file: Path | None,
        provider_token: ProviderToken,
        deadline: float,
        now: Callable[[], float] = time.time,
        jitter: random.Random | None = None,
    ) -> None:
        self._deadline = deadline
        tls, jitter = client_tls(ca_file), jitter or random.Random()
        self._pools = {
            env: ConnectionPool(
                Connector(
                    host=host, port=port, tls=tls, sign=lambda: provider_token.authorization(now()), now=now
                ),
                apns_env=env,
                now=now,
                jitter=jitter,
            )
            for env, (host, port) in hosts.items()
        }
        self._senders = {env: RenewingSender(pool, provider_token, now) for env, pool in self._pools.items()}

    async def send(self, push: Push) -> Outcome:
        """What became of the push. What APNs is sure to refuse is not sent, but answered here as APNs would.

        An expired provider token is renewed once, on a new connection.
        """
        return refusal(push) or await self._senders[push.apns_env].send(push, self._deadline)

    async def close(self, grace: float) -> None:
        """Close every connection; pushes in flight get `grace` seconds to be answered."""
        await asyncio.gather(*(pool.close(grace) for pool in self._pools.values()))
