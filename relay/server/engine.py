"""The delivery engine: claims what is due, sends it, and writes down how that ended until the database takes it.

Alerts and Live Activities are two outboxes over it. Pushes and writes run in its tasks and never in a request's: a caller
who hangs up must not cancel them. Every push is sent at least once, on each attempt with the same apns-id.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict
from relay.clock import Clock, ClockWatch, sleep_unless
from relay.log import Folded, line
from relay.server.delivery import A, DeliveryResult, DeliveryStatus, Outbox
from relay.server.metrics import Recorder
from relay.server.store.sql import Unavailable
from relay.server.turns import Places, Turns

log = logging.getLogger("relay.server.engine")

POLL_SECONDS = 1.0
"""How late a relay may see what another one wrote."""
DATABASE_PAUSE = 0.5
"""Seconds before the database is asked again that could not be."""
SAVE_LIMIT = 200
MAX_LATENCY = 2**31 - 1
"""Milliseconds that fit the column."""
DOUBTFUL_LIFE_SECONDS = 24 * 3600
"""How long an alert lives on that is tried while the clock is in doubt: longer than its pauses, so that it is tried when that is over, too."""
WRITE_MS = 2500
"""What writing a result down may take before another relay may think that there was none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`held`: attempts in memory, what does not fit waits in the database; `in_flight`: pushes that APNs has at once; `claimed`:
    attempts that one poll takes; `reserved`: the share of `held` that one secret alone leaves to others (see `Places`).
    """

    held: int
    in_flight: int
    claimed: int
    sweep_seconds: float
    reserved: float = 0.0


class DeliveryEngine(Generic[A]):
    """Owns every push of one outbox between the database and APNs. `name` is that of its tasks and in its log lines."""

    def __init__(
        self,
        outbox: Outbox[A],
        gateway: Gateway,
        clock: Clock,
        *,
        name: str,
        limits: Limits,
        recorder: Recorder | None = None,
    ) -> None:
        self._outbox, self._gateway, self._clock = outbox, gateway, clock
        self._recorder = recorder or Recorder()
        self._name, self._limits = name, limits
        self._watch = ClockWatch(clock)
        self._lines = Folded(log, clock.monotonic)
        self._waiting: Turns[str, A] = Turns()
        """Secrets take turns, so that no flood keeps another's alert waiting."""
        self._unsaved: list[tuple[A, DeliveryResult]] = []
        self.held = Places(limits.held, limits.reserved)
        """All that is in memory, so that none is sent twice when its lease runs out before its result is saved."""
        self._statuses: dict[str, asyncio.Future[DeliveryStatus]] = {}
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sending, self._saving = 0, False

    # Life.

    async def start(self) -> None:
        """Begin with what the last run left behind: it is late already, and must not arrive after what is new."""
        await self._outbox.release_leases()
        await self._outbox.bring_forward()
        for work, name in ((self._poll_for_ever(), "poll"), (self._sweep_for_ever(), "sweep")):
            self._loops.append(asyncio.create_task(work, name=f"{self._name}-{name}-loop"))

    async def stop(self, grace: float) -> None:
        """Finish what is in memory within `grace` seconds; the rest stays in the database for the next start."""
        await _cancelled(self._loops)
        try:
            async with asyncio.timeout(grace):
                await self.idle()
        except TimeoutError:
            log.warning(line("stop", unfinished=len(self.held)))
        await _cancelled(self._tasks)
        self._tasks.clear()
        self._lines.flush(all_of_them=True)

    # Questions.

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being claimed, sent or written down, and nothing asks it to poll."""
        return not self._tasks and not self._wake.is_set()

    async def idle(self) -> None:
        """Return when nothing is being claimed, sent or written down."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def next_due_at(self) -> int | None:
        """When the next push is due or was (UTC ms); None: none waits. Raises Unavailable."""
        return await self._outbox.next_due_at()

    # What is due.

    def wake(self) -> None:
        """Something may be due: poll now instead of at the next second."""
        self._wake.set()

    async def poll(self) -> float:
        """Claim what is due and begin to send it; returns the seconds in which to poll again."""
        self._lines.flush()
        await self._watch_clock()
        limit = min(self._limits.claimed, self.held.room)
        if not limit:
            return POLL_SECONDS
        attempts, seconds = await self._outbox.claim(limit, self.held)
        for attempt in attempts:
            self.send(attempt)
        return seconds

    async def _watch_clock(self) -> None:
        if jump := self._watch.jump():
            log.warning(line("clock set", seconds=round(jump), outbox=self._name))
        if jump < 0:
            await self._outbox.bring_forward()

    def claim(self, key: str, secret_hash: str, claimed: Coroutine[Any, Any, A | None]) -> None:
        """Hold the key, and send what `claimed` gives; None: poll again. One that is slow keeps no other waiting."""
        self.held.take(key, secret_hash)
        self._run(self._claim(key, claimed), "claim")

    async def _claim(self, key: str, claimed: Coroutine[Any, Any, A | None]) -> None:
        try:
            attempt = await self._guarded(claimed)
            self.held.free(key)
            if attempt is None:
                self.wake()
            else:
                self.send(attempt)
        finally:
            self._ended()

    def send(self, attempt: A) -> asyncio.Future[DeliveryStatus]:
        """Send it; the status comes once it is written down. What does not fit is left to its lease."""
        status: asyncio.Future[DeliveryStatus] = asyncio.get_running_loop().create_future()
        if not self.held.room:
            status.set_result("queued")
            return status
        self.held.take(attempt.key, attempt.delivery.secret_hash)
        self._statuses[attempt.key] = status
        self._waiting.append(attempt.delivery.secret_hash, attempt)
        if self._sending < self._limits.in_flight:
            self._sending += 1
            self._run(self._send_waiting(), "send")
        return status

    async def _poll_for_ever(self) -> None:
        while True:
            # In a task of its own: a claim that is cut off when the relay stops would lose what it took.
            seconds = await asyncio.shield(self._run(self._poll_once(), "poll"))
            await sleep_unless(self._clock, POLL_SECONDS if seconds is None else seconds, self._wake)

    async def _poll_once(self) -> float | None:
        try:
            return await self._guarded(self.poll())
        finally:
            self._ended()

    async def sweep(self) -> None:
        """End and forget what is old, but not while the clock is in doubt."""
        await self._guarded(self._outbox.bring_forward())
        self._watch.jump()
        if self._clock.monotonic() >= self._watch.doubtful_until:
            await self._guarded(self._outbox.sweep())

    async def _sweep_for_ever(self) -> None:
        while True:
            await self.sweep()
            await self._clock.sleep(self._limits.sweep_seconds)

    # Sending.

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                await self._deliver(self._waiting.popleft())
        finally:
            self._sending -= 1
            self._ended()

    async def _deliver(self, attempt: A) -> None:
        try:
            result = await self._attempted(attempt)
        except Exception:
            log.exception(line("delivery broken", apnsID=attempt.delivery.push.apns_id))
            result = None
        if result is None:
            self._finish(attempt, "queued")
            return
        self._recorder.push(result)
        self._unsaved.append((attempt, result))
        if not self._saving:
            self._saving = True
            self._run(self._save_all(), "save")

    async def _attempted(self, attempt: A) -> DeliveryResult | None:
        """How it ended; None if its lease is too short by now."""
        began_ms, began = int(self._clock.now() * 1000), self._clock.monotonic()
        if attempt.send_before is not None and began_ms >= attempt.send_before:
            return None
        # Only an alert can be older than its attempt: what a card shows is made anew for each.
        if began < self._watch.doubtful_until and attempt.delivery.push.push_type == "alert":
            attempt = _longer_lived(attempt, int(began_ms / 1000 + DOUBTFUL_LIFE_SECONDS))
        push = attempt.delivery.push
        outcome = expired(push, began_ms) or await self._gateway.send(push)
        latency_ms = min(int((self._clock.monotonic() - began) * 1000), MAX_LATENCY)
        return self._outbox.result(attempt, outcome, at=int(self._clock.now() * 1000), latency_ms=latency_ms)

    # Writing down.

    async def _save_all(self) -> None:
        """At once all that ended while the last ones were saved."""
        try:
            while self._unsaved:
                batch = self._unsaved[:SAVE_LIMIT]
                del self._unsaved[:SAVE_LIMIT]
                saved = await self._guarded(self._save(batch))
                for attempt, result in batch:
                    log_result(result, self._lines)
                    self._finish(attempt, result.status if saved else "queued")
        finally:
            self._saving = False
            self._ended()

    async def _save(self, batch: Sequence[tuple[A, DeliveryResult]]) -> bool:
        """Try until the database takes it: an answer of APNs must not be forgotten, or the push is sent again."""
        while True:
            try:
                await self._outbox.save(batch)
            except Unavailable as error:
                log.error(line("database unavailable", error=error, then="trying again"))  # noqa: TRY400 - one line
                await asyncio.sleep(DATABASE_PAUSE)
            else:
                return True

    def _finish(self, attempt: A, status: DeliveryStatus) -> None:
        self.held.free(attempt.key)
        self._statuses.pop(attempt.key).set_result(status)

    # Tasks.

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Its result; None if it failed. No fault and no defect may end the one task that polls, saves or sweeps."""
        try:
            return await work
        except Unavailable as error:
            log.error(line("database unavailable", error=error))  # noqa: TRY400 - one line
        except Exception:
            log.exception(line(f"{self._name} broken"))
        return None

    def _run(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=f"{self._name}-{name}")
        self._tasks.add(task)
        return task

    def _ended(self) -> None:
        """Of the task that runs now. Not a callback of the task: that costs a turn of the loop for each push."""
        self._tasks.discard(cast(asyncio.Task[Any], asyncio.current_task()))


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    found = list(tasks)
    for task in found:
        task.cancel()
    await asyncio.gather(*found, return_exceptions=True)


def _longer_lived(attempt: A, expiration: int) -> A:
    """The attempt of a push that lives at least until then (UNIX seconds): its own expiration may be of a clock that was wrong."""
    delivery = attempt.delivery
    push = replace(delivery.push, expiration=max(delivery.push.expiration, expiration))
    return replace(attempt, delivery=replace(delivery, push=push))


def expired(push: Push, now_ms: int) -> Outcome | None:
    """The outcome of a push whose expiration has passed: APNs need not be asked."""
    if now_ms < push.expiration * 1000:
        return None
    return Outcome(
        verdict=Verdict.OUR_FAULT,
        transmission="not_sent",
        apns_env=push.apns_env,
        error="it expired before it could be sent",
    )


def log_result(result: DeliveryResult, folded: Folded) -> None:
    """One line for each push that was sent; of attempts that failed one for each reason and minute, as an error, with what to do, where
    the operator must act. Of tokens only the end is shown.
    """
    delivery, outcome = result.delivery, result.outcome
    push = delivery.push
    text = line(
        "delivery",
        status=result.status,
        apnsID=push.apns_id,
        eventID=delivery.event_id,
        eventType=delivery.event_type,
        sessionID=delivery.session_id,
        token=f"…{push.device_token[-8:]}",
        pushType=push.push_type,
        priority=push.priority,
        topic=push.topic if outcome.advice else None,
        apnsEnv=result.apns_env,
        attempt=delivery.attempts + 1,
        httpStatus=outcome.status,
        reason=outcome.reason,
        error=outcome.error,
        latencyMs=result.latency_ms,
        advice=outcome.advice or None,
    )
    if result.status == "sent":
        log.info(text)
        return
    level = logging.ERROR if outcome.advice else logging.INFO
    folded.write(level, text, status=result.status, reason=outcome.reason, error=outcome.error)
