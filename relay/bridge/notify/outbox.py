"""Events on their way to the relay: which wait, by session and in order, and the requests that send them."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import random as system_random

from relay.backoff import Backoff
from relay.bridge.failures import SECRET_REMEDIES, SECRET_WORDS
from relay.bridge.notify.mapping import is_progress
from relay.bridge.notify.relay_client import PostResult, RelayClient
from relay.contract import ALERT_TYPES, Event, EventType
from relay.log import line

log = logging.getLogger("relay.bridge.notify.outbox")

BOUND = 1000
"""Events that may wait; when one more comes, the oldest progress is given up, and without any the oldest event."""
ATTEMPTS_AT_ONCE = 8
"""Requests to the relay at the same time."""
SUPPRESS_SECONDS = 3600.0
"""So long an old relay gets no events of types that it refuses; it may be a new one by then."""

LIMITED_STEP = 1.0
"""Seconds after which a session that waits out the relay's limit sees whether an alert has come, which may go out before."""
DAY_LIMIT, DAY_SECONDS = "day_limit_reached", 86_400.0
"""The relay's code for a day's events that are used up, and how long a person need not be reminded of it."""

CARD_TYPES: frozenset[EventType] = frozenset({"start", "progress"})
"""The first implementation answers 400 to these, without the `code` that all later relays give."""


@dataclass(slots=True)
class SessionQueue:
    """The events of one session, oldest first, each with its number. `sending`: the first is on its way now.

    `stalled`: an attempt with the first has failed. `withdrawn`: eventIDs of what is not true any more.
    """

    events: deque[tuple[int, Event]] = field(default_factory=deque)
    sending: bool = False
    stalled: bool = False
    withdrawn: set[str] = field(default_factory=set)


class Backlog:
    """The events that wait for the relay, by session and in order: at most `bound`, besides those that are being sent. Pure.

    A card's newest state makes its older ones worthless; an alert is never given up for the sake of a card.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._queues: dict[str, SessionQueue] = {}
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        """Events that wait or are being sent."""
        return self._count

    def events(self) -> list[Event]:
        """All events, in the order in which they came."""
        waiting = [entry for queue in self._queues.values() for entry in queue.events]
        return [event for _, event in sorted(waiting, key=lambda entry: entry[0])]

    def clear(self) -> list[Event]:
        """Forget all events and return them."""
        events = self.events()
        self._queues.clear()
        self._count = 0
        return events

    def put(self, event: Event) -> list[Event]:
        """Add an event; it takes the place of a progress event that waits before it. Returns what was given up."""
        queue = self._queues.setdefault(event.session_id, SessionQueue())
        if len(queue.events) > queue.sending and is_progress(queue.events[-1][1]):
            queue.events.pop()
            self._count -= 1
        queue.events.append((self._next, event))
        self._next += 1
        self._count += 1
        return [self._give_up()] if self._count > self._bound else []

    def first(self, session_id: str) -> Event | None:
        """The session's oldest event."""
        queue = self._queues.get(session_id)
        return queue.events[0][1] if queue else None

    def skip_cards(self, session_id: str) -> list[Event]:
        """Remove and return what stands before the session's first alert; nothing if it has none."""
        queue = self._queues[session_id]
        kinds = [event.event_type in ALERT_TYPES for _, event in queue.events]
        return [self._remove(session_id, 0) for _ in range(kinds.index(True) if True in kinds else 0)]

    def take(self, session_id: str) -> Event | None:
        """The session's oldest event, which is being sent from now on; then call `back` or `done`."""
        queue = self._queues.get(session_id)
        if queue is None:
            return None
        queue.sending = True
        return queue.events[0][1]

    def back(self, session_id: str) -> None:
        """Sending failed; the event waits again, unless it was withdrawn meanwhile."""
        queue = self._queues[session_id]
        queue.sending, queue.stalled = False, True
        self._remove_withdrawn(session_id, queue)

    def done(self, session_id: str) -> None:
        """The relay has taken or refused the event."""
        queue = self._queues[session_id]
        queue.sending = False
        self._remove(session_id, 0)
        self._remove_withdrawn(session_id, queue)
        queue.stalled = False

    def withdraw(self, session_id: str, event_id: str) -> None:
        """The event is not true any more. It is removed only from a session whose events the relay does not take, at
        once or as soon as an attempt fails: otherwise it is on its way already, as good as sent."""
        if queue := self._queues.get(session_id):
            queue.withdrawn.add(event_id)
            self._remove_withdrawn(session_id, queue)

    def _remove_withdrawn(self, session_id: str, queue: SessionQueue) -> None:
        if not queue.stalled or queue.sending:
            return
        for position in reversed(range(len(queue.events))):
            if queue.events[position][1].event_id in queue.withdrawn:
                self._remove(session_id, position)
        queue.withdrawn.clear()

    def _waiting(self) -> list[tuple[bool, int, str, int]]:
        return [
            (not is_progress(event), number, session_id, position)
            for session_id, queue in self._queues.items()
            for position, (number, event) in enumerate(queue.events)
            if not (queue.sending and position == 0)
        ]

    def _give_up(self) -> Event:
        """The oldest progress, else the oldest event."""
        _, _, session_id, position = min(self._waiting())
        return self._remove(session_id, position)

    def _remove(self, session_id: str, position: int) -> Event:
        queue = self._queues[session_id]
        _, event = queue.events[position]
        del queue.events[position]
        self._count -= 1
        if not queue.events:
            del self._queues[session_id]
        return event


class Outbox:
    """Posts events until the relay has taken or refused them; then `done` is called with each, as with those given up.

    None is lost silently, none reaches a phone twice, and none waits for another session's.
    """

    def __init__(
        self,
        relay: RelayClient,
        *,
        done: Callable[[Event], None] = lambda _: None,
        bound: int = BOUND,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = system_random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._relay = relay
        self._done = done
        self._backoff = backoff
        self._sleep = sleep
        self._random = random
        self._monotonic = monotonic
        self._suppressed_until = 0.0
        self._alerts_from = self._cards_from = self._day_limit_from = float("-inf")
        self._secret_refused = ""
        self._slots = asyncio.Semaphore(ATTEMPTS_AT_ONCE)
        self._backlog = Backlog(bound)
        self._workers: dict[str, asyncio.Task[None]] = {}  # one for each session with events

    def __len__(self) -> int:
        """Events that the relay has not taken yet."""
        return len(self._backlog)

    def put(self, event: Event) -> None:
        """Send `event` after the earlier ones of its session. Returns at once. Needs a running loop."""
        for given_up in self._backlog.put(event):
            log.error(line("dropped", **_names(given_up), reason="too many events wait for the relay"))
            self._done(given_up)
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
            await self._limit_is_over(session_id)
            async with self._slots:
                event = self._backlog.take(session_id)
                if event is None:
                    del self._workers[session_id]  # at once, so that the next event gets a new worker
                    return
                result = await self._post(event)
            attempt += 1
            if result.verdict == "retry":
                self._backlog.back(session_id)
                delay = max(self._backoff.delay(attempt, self._random), result.wait)
                _log_retry(event, attempt, delay, result)
                if result.limited:
                    self._hold_back(event, delay, result)
                else:
                    await self._sleep(delay)
                continue
            self._backlog.done(session_id)
            self._finish(event, result, attempt)
            attempt = 0

    async def _limit_is_over(self, session_id: str) -> None:
        """Wait until the relay may take the session's first event. Cards may have to wait longer than alerts: one that stands before an
        alert is given up, for the alert says what the card is to show.
        """
        while (event := self._backlog.first(session_id)) and (left := self._held_for(event)) > 0:
            skipped = self._backlog.skip_cards(session_id) if self._alerts_from <= self._monotonic() else []
            for one in skipped:
                log.info(
                    line("skipped", **_names(one), reason="the relay's limit, and an alert waits behind it")
                )
                self._done(one)
            if not skipped:
                await self._sleep(min(left, LIMITED_STEP))

    def _held_for(self, event: Event) -> float:
        held_until = self._alerts_from if event.event_type in ALERT_TYPES else self._cards_from
        return held_until - self._monotonic()

    def _hold_back(self, event: Event, seconds: float, result: PostResult) -> None:
        """The limit is the secret's, so that of every session. The relay keeps the last of it for alerts."""
        now = self._monotonic()
        self._cards_from = max(self._cards_from, now + seconds)
        if event.event_type in ALERT_TYPES:
            self._alerts_from = max(self._alerts_from, now + seconds)
        if result.code == DAY_LIMIT and now >= self._day_limit_from:
            self._day_limit_from = now + DAY_SECONDS
            log.warning(line("day limit", reason=result.reason))

    def _finish(self, event: Event, result: PostResult, attempts: int) -> None:
        if result.verdict == "refused" and result.code in SECRET_WORDS:
            self._refuse_secret(event, result)
        elif result.verdict == "delivered":
            self._secret_refused = ""
            said = line("delivered", **_names(event), **(result.counts or {}), attempts=attempts)
            log.info(said, extra={"title": event.title})  # for the person at the terminal; no log holds it
        elif result.speaks_old and event.event_type in CARD_TYPES:
            self._suppress_cards()
        elif result.verdict == "refused":
            log.error(line("refused", **_names(event), reason=result.reason))
        self._done(event)

    def _refuse_secret(self, event: Event, result: PostResult) -> None:
        """Said once for all that is refused for it."""
        if self._secret_refused != result.code:
            reason, remedy = SECRET_WORDS[result.code], SECRET_REMEDIES[result.code]
            log.error(line("secret refused", **_names(event), reason=reason, remedy=remedy))
        else:
            log.info(line("secret refused again", **_names(event), reason=result.reason))
        self._secret_refused = result.code

    def _suppress_cards(self) -> None:
        if not self._suppresses_cards():
            remedy = "update the relay; alerts are sent all the same"
            log.warning(line("old relay", refuses="start and progress", remedy=remedy))
        self._suppressed_until = self._monotonic() + SUPPRESS_SECONDS

    def _suppresses_cards(self) -> bool:
        return self._monotonic() < self._suppressed_until

    async def _post(self, event: Event) -> PostResult:
        if event.event_type in CARD_TYPES and self._suppresses_cards():
            return PostResult("suppressed")
        return await self._relay.post(event)

    def _ended(self, session_id: str, worker: asyncio.Task[None]) -> None:
        if self._workers.get(session_id) is worker:
            del self._workers[session_id]
        if not worker.cancelled() and (error := worker.exception()):
            log.error(line("work failed", sessionID=session_id, reason=type(error).__name__), exc_info=error)


def _names(event: Event) -> dict[str, object]:
    return {"eventID": event.event_id, "eventType": event.event_type, "sessionID": event.session_id}


def _log_retry(event: Event, attempt: int, delay: float, result: PostResult) -> None:
    # While the relay is away for hours, an event need not be logged every half minute: attempts 1, 2, 4, 8, ... are.
    level = logging.WARNING if attempt & (attempt - 1) == 0 else logging.DEBUG
    log.log(level, line("retry", **_names(event), attempt=attempt, retry_in=delay, reason=result.reason))
