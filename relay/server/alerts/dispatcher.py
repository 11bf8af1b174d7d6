"""The alerts' outbox: planned deliveries are written down, sent by the engine, and tried again as long as APNs keeps none of them."""

import asyncio
import logging
import random
from collections.abc import Container, Sequence

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome
from relay.clock import Clock
from relay.log import line
from relay.server import engine
from relay.server.alerts.settlement import result_of
from relay.server.delivery import Delivery, DeliveryAttempt, DeliveryResult, DeliveryStatus
from relay.server.engine import WRITE_MS, DeliveryEngine, Limits
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.alerts.dispatcher")

LIMITS = Limits(held=10_000, in_flight=100, claimed=500, sweep_seconds=3600.0)
"""One connection to APNs carries up to 1000 streams."""
SWEEP_LIMIT = 1000
DAY_MS = 86_400_000


class Dispatcher:
    """The outbox in `delivery_log`. `owner` names this relay in leases: its host and port."""

    def __init__(
        self,
        db: Database,
        gateway: Gateway,
        *,
        owner: str,
        push_deadline: float,
        keep_days: int,
        clock: Clock,
        jitter: random.Random | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self._db, self._owner = db, owner
        # Both environments may be asked in turn, each within the deadline, and the result be written down; waiting in
        # memory may take as long again.
        self._sending_ms = int(2000 * push_deadline) + WRITE_MS
        self._keep_ms, self._clock, self._jitter = keep_days * DAY_MS, clock, jitter or random.Random()
        self.engine = DeliveryEngine(self, gateway, clock, name="dispatcher", limits=limits)

    async def enqueue(
        self, planned: Sequence[Sequence[Delivery]]
    ) -> list[dict[str, asyncio.Future[DeliveryStatus]]]:
        """Write the deliveries of each event down and send those that are new; by event and apns-id their status to be.

        Of a delivery that two events plan, the first has the future. What does not fit in memory is written down
        without a lease, for the poll of whichever relay has room first.
        """
        every = [delivery for deliveries_of_one in planned for delivery in deliveries_of_one]
        room = self.engine.room
        sending = await self._send(every[:room], self._lease_until()) | await self._send(every[room:], 0)
        ids = ([delivery.push.apns_id for delivery in one] for one in planned)
        return [{apns_id: sending.pop(apns_id) for apns_id in one if apns_id in sending} for one in ids]

    async def _send(
        self, planned: Sequence[Delivery], lease_until: int
    ) -> dict[str, asyncio.Future[DeliveryStatus]]:
        fresh = await deliveries.enqueue(self._db, planned, owner=self._owner, lease_until=lease_until)
        return {
            delivery.push.apns_id: self.engine.send(self._attempt(delivery, lease_until))
            if lease_until
            else _queued()
            for delivery in fresh
        }

    def _attempt(self, delivery: Delivery, lease_until: int) -> DeliveryAttempt:
        return DeliveryAttempt(delivery=delivery, send_before=lease_until - self._sending_ms)

    # What the engine asks of an outbox.

    async def release_leases(self) -> None:
        """Call at start, when the address is ours."""
        await deliveries.release_leases(self._db, self._owner)

    async def claim(self, limit: int, held: Container[str]) -> tuple[list[DeliveryAttempt], float]:
        """What is due. A lease that ran out on what is held here is taken again, so that no other relay sends it."""
        lease_until = self._lease_until()
        due = await deliveries.claim_due(
            self._db, owner=self._owner, now_ms=self._now_ms(), lease_until=lease_until, limit=limit
        )
        attempts = [self._attempt(one, lease_until) for one in due if one.push.apns_id not in held]
        return attempts, 0.0 if len(due) == limit else engine.POLL_SECONDS

    def result(
        self, attempt: DeliveryAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        """By verdict (`alerts/settlement.py`)."""
        return result_of(
            attempt.delivery, outcome, at=at, latency_ms=latency_ms, jitter=self._jitter.random()
        )

    async def save(self, results: Sequence[tuple[DeliveryAttempt, DeliveryResult]]) -> None:
        """One statement for up to 200 deliveries, and one for each phone whose token moved or died."""
        await deliveries.save(self._db, [result for _, result in results])
        for _, result in results:
            if result.moved or result.token_dead:
                await self._apply_to_device(result)

    async def _apply_to_device(self, result: DeliveryResult) -> None:
        device_id, env = result.delivery.device_id, result.apns_env
        if result.moved:
            await devices.remember_environment(self._db, device_id, env)
            log.info(line("device moved", deviceID=device_id, apnsEnv=env))
            return
        # Without a time from APNs: dead as of the registration that this push was planned with.
        before = result.outcome.timestamp or result.delivery.registered_at + 1
        gone = await devices.forget(self._db, device_id, registered_before_ms=before)
        what = "device forgotten" if gone else "device kept, it registered again"
        log.info(line(what, deviceID=device_id, reason=result.reason))

    async def sweep(self) -> None:
        """Forget settled rows that are older than the days that they are kept."""
        before = self._now_ms() - self._keep_ms
        while await deliveries.forget(self._db, before_ms=before, limit=SWEEP_LIMIT):
            pass

    async def next_due_at(self) -> int | None:
        """Of what is queued, in memory or not."""
        return await deliveries.next_due_at(self._db)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _lease_until(self) -> int:
        return self._now_ms() + 2 * self._sending_ms


def _queued() -> asyncio.Future[DeliveryStatus]:
    """Of a delivery that waits in the database."""
    status: asyncio.Future[DeliveryStatus] = asyncio.get_running_loop().create_future()
    status.set_result("queued")
    return status
