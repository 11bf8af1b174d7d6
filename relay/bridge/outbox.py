"""Events on their way to the relay: none is lost silently, none is told twice, and none waits for another session's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random as system_random
from typing import Any, Literal

import aiohttp
import msgspec

from relay import contract
from relay.bridge.backoff import Backoff
from relay.bridge.lanes import Lanes
from relay.logfmt import line

log = logging.getLogger("relay.bridge.outbox")

TRY_DEADLINE = 15.0
"""Seconds for one try."""
BOUND = 1000
"""Events that may wait; when one more comes, the oldest is given up."""
TRIES_AT_ONCE = 8
"""Requests to the relay at the same time."""
MAX_RETRY_AFTER = 300.0
"""Seconds that the relay can make an event wait by Retry-After."""

RETRIED_STATUSES = frozenset({408, 425, 429})
"""Of the 4xx, those that say "later" rather than "no". Every 5xx is tried again, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try. `retry`: it failed, but may yet succeed, after `wait` seconds at the soonest."""

    verdict: Literal["delivered", "refused", "retry"]
    reason: str = ""
    counts: dict[str, Any] | None = None
    wait: float = 0.0


class Outbox:
    """Posts events to `relay_url`/v1/event until the relay has taken or refused them."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        *,
        bound: int = BOUND,
        try_deadline: float = TRY_DEADLINE,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
    ) -> None:
        self._http = http
        self._url = f"{contract.normal_relay_url(relay_url)}/v1/event"
        self._timeout = aiohttp.ClientTimeout(total=try_deadline)
        self._backoff = backoff
        self._sleep = sleep
        self._random = random
        self._slots = asyncio.Semaphore(TRIES_AT_ONCE)
        self._lanes: Lanes[contract.Event] = Lanes(
            "bridge-outbox", self._deliver, bound=bound, dropped=_log_overflow
        )

    def __len__(self) -> int:
        """Events that the relay has not taken yet."""
        return len(self._lanes)

    def put(self, event: contract.Event) -> None:
        """Send `event` after the earlier ones of its session. Returns at once."""
        self._lanes.put(event.session_id, event)

    async def close(self, drain_seconds: float) -> None:
        """Send what is left, for at most `drain_seconds`; the log names what could not be sent."""
        for event in await self._lanes.close(drain_seconds):
            log.error(line("undelivered", **_names(event), reason="the bridge stops"))

    async def _deliver(self, event: contract.Event) -> None:
        attempt = 0
        while True:
            attempt += 1
            answer = await self._try(event)
            if answer.verdict != "retry":
                break
            delay = max(self._backoff.delay(attempt, self._random), answer.wait)
            _log_retry(event, attempt, delay, answer)
            await self._sleep(delay)
        if answer.verdict == "delivered":
            log.info(line("delivered", **_names(event), **(answer.counts or {}), attempts=attempt))
        else:
            log.error(line("refused", **_names(event), reason=_masked(answer.reason, event.secret)))

    async def _try(self, event: contract.Event) -> Answer:
        headers = {"Content-Type": "application/json"}
        async with self._slots:
            try:
                async with self._http.post(
                    self._url,
                    data=contract.encode(event),
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as response:
                    return judge(response.status, await response.read(), response.headers.get("Retry-After"))
            except TimeoutError:
                return Answer("retry", f"no answer within {self._timeout.total:g} s")
            except (aiohttp.ClientError, OSError) as error:
                return Answer("retry", f"{type(error).__name__}: {error}")


def judge(status: int, body: bytes, retry_after: str | None = None) -> Answer:
    """What the relay's answer means. Pure."""
    said = _object(body)
    if status == 200 and said.get("ok") is True:
        return Answer("delivered", counts={name: said.get(name) for name in ("sent", "failed", "queued")})
    if status >= 500 or status in RETRIED_STATUSES:
        return Answer("retry", f"status {status}", wait=_seconds(retry_after))
    if 200 <= status < 300:
        return Answer("retry", f"status {status}, but it is not a relay's answer")
    words = [f"status {status}", *(str(said[name]) for name in ("error", "details") if said.get(name))]
    return Answer("refused", ": ".join(words)[:500])


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {}


def _seconds(retry_after: str | None) -> float:
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER)
    return 0.0  # absent, or a date: the backoff decides


def _names(event: contract.Event) -> dict[str, object]:
    return {"eventID": event.event_id, "eventType": event.event_type, "sessionID": event.session_id}


def _masked(text: str, secret: str) -> str:
    return text.replace(secret, "***")


def _log_retry(event: contract.Event, attempt: int, delay: float, answer: Answer) -> None:
    # While the relay is away for hours, an event need not say so every half minute: tries 1, 2, 4, 8, ... do.
    level = logging.WARNING if attempt & (attempt - 1) == 0 else logging.DEBUG
    log.log(level, line("retry", **_names(event), attempt=attempt, retry_in=delay, reason=answer.reason))


def _log_overflow(event: contract.Event) -> None:
    log.error(line("dropped", **_names(event), reason="too many events wait for the relay"))
