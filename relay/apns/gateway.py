"""Sends one push to the environment of its token and says what became of it."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from relay.apns.aioapns_gateway import AioapnsGateway
from relay.apns.http2.connector import Connector, client_tls
from relay.apns.http2.pool import ConnectionPool
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push, refusal
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv

Transport = Literal["lean", "aioapns"]
"""The relay's own HTTP/2, or that of the aioapns package."""


class Gateway(Protocol):
    """Sends a push to the environment that it names. Of the verdicts see `Environments`."""

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
        self._deadline, self._token, self._now = deadline, provider_token, now
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

    async def send(self, push: Push) -> Outcome:
        """What became of the push. What APNs is sure to refuse is not sent, but answered here as APNs would.

        If the provider token expired it is renewed, once, and the push sent again, on a new connection: APNs may go on
        refusing every token on a connection that saw an expired one (jchambers/pushy#783). Both tries share the deadline.
        """
        if (refused := refusal(push)) is not None:
            return refused
        pool, token = self._pools[push.apns_env], self._token
        ends = pool.time() + self._deadline
        if token.issued_at < 0:
            token.authorization(self._now())
        used = token.issued_at
        outcome = await pool.send(push, ends)
        if outcome.verdict is Verdict.NEW_PROVIDER_TOKEN and self._has_newer_token(used):
            pool.replace_connections(opened_before=token.issued_at)
            outcome = await pool.send(push, ends)
        return outcome

    def _has_newer_token(self, used: float) -> bool:
        """True if another push renewed the token meanwhile, or this one may; False: too young, a clock is wrong."""
        return self._token.issued_at != used or self._token.renew(self._now())

    async def close(self, grace: float) -> None:
        """Close every connection; pushes in flight get `grace` seconds to be answered."""
        await asyncio.gather(*(pool.close(grace) for pool in self._pools.values()))
