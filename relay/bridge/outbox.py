"""Events on their way to the relay: none is lost silently, none is told twice, and none waits for another session's."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random as system_random
from typing import Any, Literal

import aiohttp
import msgspec

from relay import contract
from relay.bridge.backlog import Backlog
from relay.bridge.backoff import Backoff
from relay.logfmt import line

log = logging.getLogger("relay.bridge.outbox")

TRY_DEADLINE = 15.0
"""Seconds for one try."""
BOUND = 1000
"""Events that may wait; when one more comes, the oldest progress is given up, and without any the oldest event."""
TRIES_AT_ONCE = 8
"""Requests to the relay at the same time."""
MAX_RETRY_AFTER = 300.0
"""Seconds that the relay can make an event wait by Retry-After."""
SPARE_SECONDS = 3600.0
"""So long an old relay is spared from events that it refuses; it may be a new one by then."""

RETRIED_STATUSES = frozenset({408, 425, 429})
"""Of the 4xx, those that say "later" rather than "no". Every 5xx is tried again, too."""

CARD_TYPES: frozenset[contract.EventType] = frozenset({"start", "progress"})
"""The first implementation answers 400 to these, without the `code` that all later relays give."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try. `retry`: it failed, but may yet succeed, after `wait` seconds at the soonest."""

    verdict: Literal["delivered", "refused", "retry", "spared"]
    reason: str = ""
    counts: dict[str, Any] | None = None
    wait: float = 0.0
    speaks_old: bool = False  # a 400 as the first implementation says it


class Outbox:
    """Posts events to `relay_url`/v1/event until the relay has taken or refused them; `settled` is told of each."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        relay_url: str,
        *,
        settled: Callable[[contract.Event], None] = lambda _: None,
        bound: int = BOUND,
        try_deadline: float = TRY_DEADLINE,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._url = f"{contract.normal_relay_url(relay_url)}/v1/event"
        self._settled = settled
        self._timeout = aiohttp.ClientTimeout(total=try_deadline)
        self._backoff = backoff
        self._sleep = sleep
        self._random = random
        self._monotonic = monotonic
        self._spared_until = 0.0
        self._slots = asyncio.Semaphore(TRIES_AT_ONCE)
        self._backlog = Backlog(bound)
        self._workers: dict[str, asyncio.Task[None]] = {}  # one for each session with events

    def __len__(self) -> int:
        """Events that the relay has not taken yet."""
        return len(self._backlog)

    def put(self, event: contract.Event) -> None:
        """Send `event` after the earlier ones of its session. Returns at once. Needs a running loop."""
        for given_up in self._backlog.put(event):
            log.error(line("dropped", **_names(given_up), reason="too many events wait for the relay"))
            self._settled(given_up)
        if event.session_id not in self._workers:
            worker = self._deliver(event.session_id)
            task = asyncio.get_running_loop().create_task(worker, name=f"bridge-outbox:{event.session_id}")
            self._workers[event.session_id] = task
            task.add_done_callback(lambda ended: self._ended(event.session_id, ended))

    def withdraw(self, session_id: str, event_id: str) -> None:
        """Do not send the event if it still waits for a relay that is away."""
        self._backlog.withdraw(session_id, event_id)

    async def close(self, drain_seconds: float) -> None:
        """Send what is left, for at most `drain_seconds`; the log names what could not be sent."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + drain_seconds
        while self._workers and (left_seconds := deadline - clock()) > 0:
            await asyncio.wait(list(self._workers.values()), timeout=left_seconds)
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for event in self._backlog.clear():
            log.error(line("undelivered", **_names(event), reason="the bridge stops"))

    async def _deliver(self, session_id: str) -> None:
        attempt = 0
        while True:
            async with self._slots:
                event = self._backlog.take(session_id)
                if event is None:
                    del self._workers[session_id]  # at once, so that the next event gets a new worker
                    return
                answer = await self._try(event)
            attempt += 1
            if answer.verdict == "retry":
                self._backlog.back(session_id)
                delay = max(self._backoff.delay(attempt, self._random), answer.wait)
                _log_retry(event, attempt, delay, answer)
                await self._sleep(delay)
                continue
            self._backlog.done(session_id)
            self._settle(event, answer, attempt)
            attempt = 0

    def _settle(self, event: contract.Event, answer: Answer, attempts: int) -> None:
        if answer.verdict == "delivered":
            log.info(line("delivered", **_names(event), **(answer.counts or {}), attempts=attempts))
        elif answer.speaks_old and event.event_type in CARD_TYPES:
            self._spare()
        elif answer.verdict == "refused":
            log.error(line("refused", **_names(event), reason=_masked(answer.reason, event.secret)))
        self._settled(event)

    def _spare(self) -> None:
        if not self._spares():
            remedy = "update the relay; alerts are sent all the same"
            log.warning(line("old relay", refuses="start and progress", remedy=remedy))
        self._spared_until = self._monotonic() + SPARE_SECONDS

    def _spares(self) -> bool:
        return self._monotonic() < self._spared_until

    async def _try(self, event: contract.Event) -> Answer:
        if event.event_type in CARD_TYPES and self._spares():
            return Answer("spared")
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

    def _ended(self, session_id: str, worker: asyncio.Task[None]) -> None:
        if self._workers.get(session_id) is worker:
            del self._workers[session_id]
        if not worker.cancelled() and (error := worker.exception()):
            log.error(line("work failed", sessionID=session_id, reason=type(error).__name__), exc_info=error)


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


def _names(event: contract.Event) -> dict[str, object]:
    return {"eventID": event.event_id, "eventType": event.event_type, "sessionID": event.session_id}


def _masked(text: str, secret: str) -> str:
    return text.replace(secret, "***")


def _log_retry(event: contract.Event, attempt: int, delay: float, answer: Answer) -> None:
    # While the relay is away for hours, an event need not say so every half minute: tries 1, 2, 4, 8, ... do.
    level = logging.WARNING if attempt & (attempt - 1) == 0 else logging.DEBUG
    log.log(level, line("retry", **_names(event), attempt=attempt, retry_in=delay, reason=answer.reason))
