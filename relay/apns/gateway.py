"""One push through the relay's one key, at the environment of its token, and what became of it.

`Environments` asks the other environment where APNs says that the token is of that one;
`KeyPause` stops asking while APNs refuses the key, so that there is no storm of refused pushes, and none is lost; the
gateway sends. Apple, "Handling notification responses from APNs": InvalidProviderToken and its kin concern every push
(documented); that a sender pauses is our choice.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol

import jwt

from relay.apns.aioapns_gateway import AioapnsGateway
from relay.apns.http2.connector import Connector, client_tls
from relay.apns.http2.pool import ConnectionPool
from relay.apns.push import Outcome, Push, maybe_sent, not_sent, refusal
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.fields import TOPIC_SUFFIXES
from relay.log import Folded, line
from relay.proxy import Proxy

log = logging.getLogger("relay.apns")

Transport = Literal["lean", "aioapns"]
"""The relay's own HTTP/2, or that of the aioapns package, which knows no proxies."""
NO_PROXIES: Final[Mapping[ApnsEnv, Proxy]] = MappingProxyType({})


class Gateway(Protocol):
    """Sends a push to the environment that it names. Of the verdicts see `Environments`."""

    async def send(self, push: Push) -> Outcome:
        """What became of the push, within the gateway's deadline."""
        ...

    async def close(self, grace: float) -> None:
        """Stop; pushes in flight get `grace` seconds."""
        ...


# --- the key's signature ------------------------------------------------------------------------------------------

MIN_AGE = 20 * 60.0
"""Seconds. Apple, "Establishing a token-based connection": renew at most every 20 minutes, else 429."""
MAX_AGE = 50 * 60.0
"""Seconds. At least every 60 minutes, else 403 ExpiredProviderToken; ten minutes are left for skewed clocks."""


class ProviderToken:
    """The current token. `authorization(now)` signs a new one when the old one has come of age."""

    def __init__(self, *, private_key: str, key_id: str, team_id: str) -> None:
        self._private_key = private_key
        self._key_id = key_id
        self._team_id = team_id
        self.issued_at = float("-inf")
        """UNIX time, as the token says it."""
        self.serial = 0
        """How many were signed; 0: none yet."""
        self._replaced = False
        self._authorization = ""

    def authorization(self, now: float) -> str:
        """The value of the authorization header at UNIX time `now`."""
        age = now - self.issued_at
        # Below zero: the clock was set back, and APNs may refuse a time to come, or does already.
        if not -MIN_AGE < age < MAX_AGE or (age < 0 and self._replaced):
            self._sign(now)
        return self._authorization

    def renew(self, now: float) -> bool:
        """Sign a new token because APNs called this one expired; False if it is too young for Apple's limit."""
        if now - self.issued_at < MIN_AGE:
            return False
        self._sign(now)
        return True

    def replace(self, now: float) -> None:
        """Sign a new token because APNs refused this one, though it should be good.

        That makes two within 20 minutes, on different connections: Apple's limit is for one connection (documented); three
        were seen to be too many (developer forum, thread 770438). So for the next one this has to come of age.
        """
        if not self._replaced or not 0 <= now - self.issued_at < MIN_AGE:
            self._sign(now)
            self._replaced = True

    def _sign(self, now: float) -> None:
        token = jwt.encode(
            {"iss": self._team_id, "iat": int(now)},
            self._private_key,
            algorithm="ES256",
            headers={"kid": self._key_id},
        )
        self.issued_at, self._replaced = now, False
        self.serial += 1
        self._authorization = f"bearer {token}"
        log.info(line("provider token signed", keyID=self._key_id))


# --- the relay's own transport ------------------------------------------------------------------------------------


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
        monotonic: Callable[[], float] = time.monotonic,
        proxies: Mapping[ApnsEnv, Proxy] = NO_PROXIES,
        jitter: random.Random | None = None,
    ) -> None:
        self._deadline, self._token, self._now = deadline, provider_token, now
        tls, jitter = client_tls(ca_file), jitter or random.Random()
        self._pools = {
            env: ConnectionPool(
                Connector(
                    host=host,
                    port=port,
                    tls=tls,
                    sign=lambda: provider_token.authorization(now()),
                    serial=lambda: provider_token.serial,
                    proxy=proxies.get(env),
                ),
                apns_env=env,
                monotonic=monotonic,
                jitter=jitter,
                replace_token=self._replace_token,
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
        if not token.serial:
            token.authorization(self._now())
        used = token.serial
        outcome = await pool.send(push, ends)
        if outcome.verdict is Verdict.NEW_PROVIDER_TOKEN and self._has_newer_token(used):
            pool.replace_connections(older_than=token.serial)
            outcome = await pool.send(push, ends)
        return outcome

    def _has_newer_token(self, used: int) -> bool:
        """True if another push renewed the token meanwhile, or this one may; False: too young, a clock is wrong."""
        return self._token.serial != used or self._token.renew(self._now())

    def _replace_token(self) -> None:
        """APNs refused the key. A new token goes over new connections only: see `ProviderToken.replace`."""
        self._token.replace(self._now())
        for pool in self._pools.values():
            pool.replace_connections(older_than=self._token.serial)

    @property
    def connections(self) -> dict[ApnsEnv, int]:
        """How many are open to each environment."""
        return {env: pool.connections for env, pool in self._pools.items()}

    async def close(self, grace: float) -> None:
        """Close every connection; pushes in flight get `grace` seconds to be answered."""
        await asyncio.gather(*(pool.close(grace) for pool in self._pools.values()))


# --- while APNs refuses the key -----------------------------------------------------------------------------------

LONGEST_PAUSE = 900.0
"""Seconds; the first pause is the reason's own, and each next one twice as long."""

_REFUSALS = frozenset({Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN})
_OF_EVERY_APP = frozenset(
    {"ExpiredProviderToken", "MissingProviderToken", "BadCertificate", "BadCertificateEnvironment"}
)
"""Reasons that no app can bring about. All others may be about the app: a phone that registered another team's bundle id must not
stop the pushes of everybody (assumed; Apple describes these reasons without a word on the topic).
"""
MOST_PAUSES = 1000
"""Apps that are paused at once; of more the oldest pause ends."""


class Paused(NamedTuple):
    """What a pause is about: `bundle_id` is '' for every app; in `seconds` one push tries whether it is over, 0: now."""

    apns_env: ApnsEnv
    bundle_id: str
    reason: str
    seconds: float


@dataclass(slots=True)
class _Pause:
    """A pause of one app, or of all, in one environment, `until` a time of a clock that nobody sets. `probing`: one push sees whether
    it is over.
    """

    reason: str
    until: float
    seconds: float
    probing: bool = False


class KeyPause:
    """Sends through `gateway`. After a refusal of the key all pushes of that app, or of that environment, wait; one tries when the
    pause is over.
    """

    def __init__(self, gateway: Gateway, monotonic: Callable[[], float]) -> None:
        self._gateway, self._now = gateway, monotonic
        self._pauses: dict[tuple[ApnsEnv, str], _Pause] = {}
        """By environment and bundle id; '' for every app."""
        self._lines = Folded(log, monotonic)

    async def send(self, push: Push) -> Outcome:
        """What became of the push; not sent, with the time left while the environment pauses."""
        pauses = [pause for scope in _scopes(push) if (pause := self._pauses.get(scope)) is not None]
        for pause in pauses:
            if pause.probing or self._now() < pause.until:
                error = f"paused, APNs refuses the key: {pause.reason}"
                return not_sent(push.apns_env, error, max(1.0, pause.until - self._now()))
        for pause in pauses:
            pause.probing = True
        try:
            return self._seen(push, await self._gateway.send(push))
        finally:
            for pause in pauses:
                pause.probing = False

    @property
    def paused(self) -> set[ApnsEnv]:
        """Environments in which APNs refused the key for an app, or for all, and has taken no push since."""
        return {env for env, _ in self._pauses}

    @property
    def pauses(self) -> list[Paused]:
        """Each of them, in the order in which they began."""
        now = self._now()
        return [
            Paused(env, bundle_id, pause.reason, max(0.0, pause.until - now))
            for (env, bundle_id), pause in self._pauses.items()
        ]

    async def close(self, grace: float) -> None:
        """Close the gateway."""
        await self._gateway.close(grace)

    def _seen(self, push: Push, outcome: Outcome) -> Outcome:
        every, app = _scopes(push)
        if outcome.verdict in _REFUSALS:
            self._begin(every if outcome.reason in _OF_EVERY_APP else app, outcome)
        elif outcome.verdict is not Verdict.RETRY_LATER:
            for scope in (every, app):
                if self._pauses.pop(scope, None) is not None:
                    log.info(line("sending again", apnsEnv=scope[0], bundleId=scope[1] or None))
        return outcome

    def _begin(self, scope: tuple[ApnsEnv, str], refused: Outcome) -> None:
        """One line for the operator for each pause, however many pushes were refused at once; for many apps, one a minute."""
        last = self._pauses.get(scope)
        if last is not None and not last.probing:
            return
        first, reason = refused.retry_after or LONGEST_PAUSE, refused.reason or ""
        seconds = min(last.seconds * 2, max(first, LONGEST_PAUSE)) if last else first
        if last is None and len(self._pauses) >= MOST_PAUSES:
            del self._pauses[next(iter(self._pauses))]
        self._pauses[scope] = _Pause(reason, self._now() + seconds, seconds)
        env, bundle_id = scope
        text = line("sending paused", apnsEnv=env, reason=reason, seconds=int(seconds), bundleId=bundle_id or None,
                    advice=refused.advice)  # fmt: skip
        self._lines.write(logging.ERROR, text, apnsEnv=env, reason=reason)


def _scopes(push: Push) -> tuple[tuple[ApnsEnv, str], tuple[ApnsEnv, str]]:
    """Every app, and the push's own: its topic is the bundle id, with a suffix for other types of push."""
    suffix = next((suffix for suffix in TOPIC_SUFFIXES if push.topic.endswith(suffix)), "")
    return (push.apns_env, ""), (push.apns_env, push.topic.removesuffix(suffix))


# --- the environment -------------------------------------------------------------------------------------------

OTHER: Final[dict[ApnsEnv, ApnsEnv]] = {"sandbox": "production", "production": "sandbox"}


class Environments:
    """Sends through `gateway`. No outcome has the verdict WRONG_ENVIRONMENT, and no exception comes out of it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def send(self, push: Push) -> Outcome:
        """What became of the push. If APNs says that its token is of the other environment, that one is asked, once."""
        first = await self._ask(push)
        if first.verdict is not Verdict.WRONG_ENVIRONMENT:
            return first
        other = await self._ask(replace(push, apns_env=OTHER[push.apns_env]))
        return _in_neither(first, other) if other.verdict is Verdict.WRONG_ENVIRONMENT else other

    async def close(self, grace: float) -> None:
        """Close the gateway."""
        await self._gateway.close(grace)

    async def _ask(self, push: Push) -> Outcome:
        """A gateway that breaks gets the pauses, and the end, of one that cannot reach APNs."""
        try:
            return await self._gateway.send(push)
        except Exception as error:
            log.exception(line("gateway broken", apnsID=push.apns_id))
            return maybe_sent(push.apns_env, f"the relay is at fault: {type(error).__name__}")


def _in_neither(first: Outcome, other: Outcome) -> Outcome:
    """Bad on both hosts: the token is dead. If the key is not allowed on one of them, nobody can know: keep it."""
    advice = first.advice or other.advice
    verdict = Verdict.OUR_FAULT if advice else Verdict.TOKEN_DEAD
    return replace(first, verdict=verdict, timestamp=None, advice=advice)


def build_gateway(
    transport: Transport,
    *,
    hosts: Mapping[ApnsEnv, tuple[str, int]],
    ca_file: Path | None,
    provider_token: ProviderToken,
    deadline: float,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    proxies: Mapping[ApnsEnv, Proxy] = NO_PROXIES,
) -> Gateway:
    """The gateway that APNS_TRANSPORT names. Build it inside a running event loop.

    `now` is what a token is signed with, UNIX seconds; by `monotonic`, which never jumps, pauses are measured.
    """
    if transport == "lean":
        return ApnsGateway(
            hosts=hosts,
            ca_file=ca_file,
            provider_token=provider_token,
            deadline=deadline,
            now=now,
            monotonic=monotonic,
            proxies=proxies,
        )
    return AioapnsGateway(
        hosts=hosts, ca_file=ca_file, sign=lambda: provider_token.authorization(now()), deadline=deadline
    )
