"""Sends one push to the environment of its token and says what became of it."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from relay.apns.pool import ConnectionPool
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict, judge
from relay.contract import ApnsEnv


class Gateway(Protocol):
    """What the dispatcher needs of APNs."""

    async def send(self, push: Push) -> Outcome:
        """What became of the push, within the gateway's deadline."""
        ...

    async def close(self, grace: float) -> None:
        """Stop; pushes in flight get `grace` seconds."""
        ...


class ApnsGateway:
    """Real APNs, or a sandbox in its place: hosts, ports and CA are settings."""

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
        self._token, self._deadline, self._now = provider_token, deadline, now
        tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.set_alpn_protocols(["h2"])
        self._pools = {
            env: ConnectionPool(
                host=host,
                port=port,
                tls=tls,
                sign=lambda: self._token.authorization(self._now()),
                now=now,
                jitter=jitter or random.Random(),
            )
            for env, (host, port) in hosts.items()
        }

    async def send(self, push: Push) -> Outcome:
        """What became of the push. An expired provider token is renewed once, on a new connection."""
        pool = self._pools[push.apns_env]
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._deadline
        self._token.authorization(self._now())
        used = self._token.issued_at
        outcome = await pool.send(push, self._deadline)
        if judge(outcome).verdict is Verdict.NEW_PROVIDER_TOKEN and self._has_newer_token(used):
            # APNs may go on refusing every token on a connection that saw an expired one.
            pool.replace_connection(opened_before=self._token.issued_at)
            outcome = await pool.send(push, ends - loop.time())
        return outcome

    def _has_newer_token(self, used: float) -> bool:
        """True if another push renewed the token meanwhile, or this one may; False: too young, a clock is wrong."""
        return self._token.issued_at != used or self._token.renew(self._now())

    async def close(self, grace: float) -> None:
        """Close every connection; pushes in flight get `grace` seconds to be answered."""
        await asyncio.gather(*(pool.close(grace) for pool in self._pools.values()))
