"""One event to the relay, one try: what was answered, judged, and remembered as the relay's last word."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import aiohttp
import msgspec

from relay import contract

TRY_DEADLINE = 15.0
"""Seconds for one try."""
MAX_RETRY_AFTER = 300.0
"""Seconds that the relay can make an event wait by Retry-After."""
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Of the 4xx, those that say "later" rather than "no". Every 5xx is tried again, too."""
COUNTS = ("sent", "failed", "queued")

Verdict = Literal["delivered", "refused", "retry", "spared"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try. `retry`: it failed, but may yet succeed, after `wait` seconds at the soonest."""

    verdict: Verdict
    reason: str = ""
    counts: dict[str, Any] | None = None
    wait: float = 0.0
    speaks_old: bool = False  # a 400 as the first implementation says it


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """The newest answer, and when it came (UNIX seconds)."""

    answer: Answer
    at: float


class RelayClient:
    """Posts to `relay_url`/v1/event. `last` is None until the relay was asked; no text holds the secret."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        *,
        try_deadline: float = TRY_DEADLINE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._url = f"{contract.normal_relay_url(relay_url)}/v1/event"
        self._timeout = aiohttp.ClientTimeout(total=try_deadline)
        self._clock = clock
        self.last: LastAnswer | None = None

    async def post(self, event: contract.Event) -> Answer:
        """What the relay made of the event. Never raises for what goes wrong on the way."""
        answer = await self._try(event)
        answer = replace(answer, reason=answer.reason.replace(event.secret, "***"))
        self.last = LastAnswer(answer, self._clock())
        return answer

    async def _try(self, event: contract.Event) -> Answer:
        headers = {"Content-Type": "application/json"}
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
        return Answer("delivered", counts={name: said.get(name) for name in COUNTS})
    if status >= 500 or status in RETRIED_STATUSES:
        return Answer("retry", f"status {status}", wait=_seconds(retry_after))
    if 200 <= status < 300:
        return Answer("retry", f"status {status}, but it is not a relay's answer")
    words = [f"status {status}", *(str(said[name]) for name in ("error", "details") if said.get(name))]
    speaks_old = status == 400 and "code" not in said
    return Answer("refused", ": ".join(words)[:500], speaks_old=speaks_old)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {}


def _seconds(retry_after: str | None) -> float:
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER)
    return 0.0  # absent, or a date: the backoff decides
