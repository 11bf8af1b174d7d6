"""Events on their way to the relay: none is lost silently, none is told twice, and none waits for another session's."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import random as system_random

from relay import contract
from relay.bridge.backoff import Backoff
from relay.bridge.notify.backlog import Backlog
from relay.bridge.notify.relay_client import Answer, RelayClient
from relay.log import line

log = logging.getLogger("relay.bridge.notify.outbox")

BOUND = 1000
"""Events that may wait; when one more comes, the oldest progress is given up, and without any the oldest event."""
TRIES_AT_ONCE = 8
"""Requests to the relay at the same time."""
SPARE_SECONDS = 3600.0
"""So long an old relay is spared from events that it refuses; it may be a new one by then."""

CARD_TYPES: frozenset[contract.EventType] = frozenset({"start", "progress"})
"""The first implementation answers 400 to these, without the `code` that all later relays give."""


class Outbox:
    """Posts events until the relay has taken or refused them; `settled` is told of each."""

    def __init__(
        self,
        relay: RelayClient,
        *,
        settled: Callable[[contract.Event], None] = lambda _: None,
        bound: int = BOUND,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._relay = relay
        self._settled = settled
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
            log.error(line("refused", **_names(event), reason=answer.reason))
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
        return await self._relay.post(event)

    def _ended(self, session_id: str, worker: asyncio.Task[None]) -> None:
        if self._workers.get(session_id) is worker:
            del self._workers[session_id]
        if not worker.cancelled() and (error := worker.exception()):
            log.error(line("work failed", sessionID=session_id, reason=type(error).__name__), exc_info=error)


def _names(event: contract.Event) -> dict[str, object]:
    return {"eventID": event.event_id, "eventType": event.event_type, "sessionID": event.session_id}


def _log_retry(event: contract.Event, attempt: int, delay: float, answer: Answer) -> None:
    # While the relay is away for hours, an event need not say so every half minute: tries 1, 2, 4, 8, ... do.
    level = logging.WARNING if attempt & (attempt - 1) == 0 else logging.DEBUG
    log.log(level, line("retry", **_names(event), attempt=attempt, retry_in=delay, reason=answer.reason))
