"""Workers that send what was planned: send, judge, write down; try again what APNs did not take; drain on stop.

Pushes and writes live here and never in a request's task: a caller who hangs up must not cancel them.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from relay.apns.gateway import Gateway
from relay.clock import Clock, sleep_unless
from relay.log import line
from relay.server.alerts.planner import Delivery
from relay.server.alerts.settlement import Settlement, Status, settle, too_late
from relay.server.store import deliveries, devices
from relay.server.store.deliveries import Settled
from relay.server.store.sql import Database, Unavailable
from relay.server.told import tell

log = logging.getLogger("relay.server.alerts.dispatcher")

QUEUE_SIZE = 10_000
"""Deliveries in memory; what does not fit waits in the database."""
WORKERS = 100
"""Pushes in flight. One connection to APNs carries up to 1000 streams."""
POLL_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
CLAIM_LIMIT = 500
SAVE_LIMIT = 200
SWEEP_LIMIT = 1000
DATABASE_PAUSE = 0.5
WRITE_MS = 2500
"""What writing an answer down may take before another relay thinks that there was none."""
MAX_LATENCY = 2**31 - 1
"""Milliseconds that fit the column; a clock that is set while a push is in flight can make more."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A delivery in memory. After `send_before` (UTC ms) its lease may run out while APNs is asked."""

    delivery: Delivery
    send_before: int
    done: asyncio.Future[Status]


class Dispatcher:
    """Owns every push between the database and APNs. `owner` names this relay in leases: its host and port."""

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
    ) -> None:
        self._db, self._gateway, self._owner = db, gateway, owner
        # Both environments may be asked in turn, each within the deadline, and the answers be written down; queueing
        # may take as long again.
        self._sending_ms = int(2000 * push_deadline) + WRITE_MS
        self._lease_ms = 2 * self._sending_ms
        self._keep_days = keep_days
        self._clock, self._now, self._jitter = clock, clock.now, jitter or random.Random()
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(QUEUE_SIZE)
        self._settled: asyncio.Queue[tuple[_Job, Settled]] = asyncio.Queue(QUEUE_SIZE)
        self._held: set[str] = set()
        """apns-ids in memory, so that none is sent twice when its lease runs out before the database takes its end."""
        self._look = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # Life.

    async def start(self) -> None:
        """Begin with what the last run left behind."""
        await deliveries.release_leases(self._db, self._owner)
        self.look_for_due()  # now: it is late already, and must not arrive after what is new
        self._poller = self._own(self._poll(), "poll")
        self._own(self._sweep(), "sweep")
        self._own(self._write(), "write")
        for number in range(WORKERS):
            self._own(self._work(), f"work-{number}")

    async def stop(self, grace: float) -> None:
        """Finish what is in flight within `grace` seconds; the rest stays in the database for the next start."""
        if self._poller:
            self._poller.cancel()
        try:
            async with asyncio.timeout(grace):
                await self._jobs.join()
                await self._settled.join()
        except TimeoutError:
            log.warning(line("stop", unfinished=len(self._held)))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"dispatcher-{name}")
        self._tasks.append(task)
        return task

    # Intake.

    async def enqueue(self, planned: Sequence[Sequence[Delivery]]) -> list[dict[str, asyncio.Future[Status]]]:
        """Write the deliveries of each event down and send those that are new; by event and apns-id their status to be.

        Of a delivery that two events plan, the first has the future.
        """
        every = [delivery for deliveries_of_one in planned for delivery in deliveries_of_one]
        room = max(0, QUEUE_SIZE - self._jobs.qsize())
        sending = await self._sent(every[:room]) | await self._left(every[room:])
        ids = ([delivery.push.apns_id for delivery in one] for one in planned)
        return [{apns_id: sending.pop(apns_id) for apns_id in one if apns_id in sending} for one in ids]

    async def _sent(self, planned: Sequence[Delivery]) -> dict[str, asyncio.Future[Status]]:
        lease_until = self._lease_until()
        fresh = await deliveries.enqueue(self._db, planned, owner=self._owner, lease_until=lease_until)
        return {delivery.push.apns_id: self._offer(delivery, lease_until) for delivery in fresh}

    async def _left(self, planned: Sequence[Delivery]) -> dict[str, asyncio.Future[Status]]:
        """What does not fit in memory is written down only, for the poll of whichever relay has room first."""
        fresh = await deliveries.enqueue(self._db, planned, owner=self._owner, lease_until=0)
        return {delivery.push.apns_id: _queued() for delivery in fresh}

    def look_for_due(self) -> None:
        """Look into the database now instead of at the next second."""
        self._look.set()

    def _offer(self, delivery: Delivery, lease_until: int) -> asyncio.Future[Status]:
        job = _Job(delivery, lease_until - self._sending_ms, asyncio.get_running_loop().create_future())
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            # Its lease runs out and the poll finds it.
            job.done.set_result("queued")
        else:
            self._held.add(delivery.push.apns_id)
        return job.done

    def _finish(self, job: _Job, status: Status) -> None:
        self._held.discard(job.delivery.push.apns_id)
        job.done.set_result(status)

    # Work.

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            try:
                if self._now_ms() < job.send_before:
                    await self._settled.put((job, await self._try(job.delivery)))
                else:
                    self._finish(job, "queued")
            except Exception:
                log.exception(line("delivery broken", apnsID=job.delivery.push.apns_id))
                self._finish(job, "queued")
            finally:
                self._jobs.task_done()

    async def _try(self, delivery: Delivery) -> Settled:
        began = self._now()
        settlement = too_late(delivery, self._now_ms()) or await self._ask(delivery)
        latency = max(0, min(int((self._now() - began) * 1000), MAX_LATENCY))
        settled = Settled(delivery, settlement, latency, self._now_ms())
        tell(settled)
        return settled

    async def _ask(self, delivery: Delivery) -> Settlement:
        outcome = await self._gateway.send(delivery.push)
        return settle(delivery, outcome, now_ms=self._now_ms(), jitter=self._jitter.random())

    # Writing down.

    async def _write(self) -> None:
        """One statement for all that was settled while the last one ran."""
        while True:
            batch = [await self._settled.get()]
            while len(batch) < SAVE_LIMIT and not self._settled.empty():
                batch.append(self._settled.get_nowait())
            written = await self._guarded(self._persist([settled for _, settled in batch]))
            for job, settled in batch:
                self._finish(job, settled.settlement.status if written else "queued")
                self._settled.task_done()

    async def _persist(self, batch: list[Settled]) -> None:
        """Try until the database takes it: an answer of APNs must not be forgotten, or the push is sent again."""
        while True:
            try:
                await deliveries.save(self._db, batch)
                for settled in batch:
                    await self._apply_to_device(settled)
            except Unavailable as error:
                log.error(line("database unavailable", error=error, then="trying again"))  # noqa: TRY400 - one line
                await asyncio.sleep(DATABASE_PAUSE)
            else:
                return

    async def _apply_to_device(self, settled: Settled) -> None:
        device_id, settlement = settled.delivery.device_id, settled.settlement
        if settlement.moved:
            await devices.remember_environment(self._db, device_id, settlement.apns_env)
            log.info(line("device moved", deviceID=device_id, apnsEnv=settlement.apns_env))
        if settlement.forget_token:
            # Without a time from APNs: dead as of the registration that this push was planned with.
            before = settlement.dead_since or settled.delivery.registered_at + 1
            gone = await devices.forget(self._db, device_id, registered_before_ms=before)
            what = "device forgotten" if gone else "device kept, it registered again"
            log.info(line(what, deviceID=device_id, reason=settlement.told[1]))

    # What is due again, and what is old.

    async def _poll(self) -> None:
        while True:
            await sleep_unless(self._clock, POLL_SECONDS, self._look)
            await self._guarded(self._claim())

    async def _claim(self) -> None:
        room = min(CLAIM_LIMIT, QUEUE_SIZE - self._jobs.qsize())
        if room <= 0:
            return
        lease_until = self._lease_until()
        due = await deliveries.claim_due(
            self._db, owner=self._owner, now_ms=self._now_ms(), lease_until=lease_until, limit=room
        )
        for delivery in due:
            if delivery.push.apns_id not in self._held:
                self._offer(delivery, lease_until)
        if len(due) == room:
            self.look_for_due()  # there is more

    async def _sweep(self) -> None:
        while True:
            await self._guarded(self._forget_old())
            await self._clock.sleep(SWEEP_SECONDS)

    async def _forget_old(self) -> None:
        before = self._now_ms() - self._keep_days * 86_400_000
        while await deliveries.forget(self._db, before_ms=before, limit=SWEEP_LIMIT):
            pass

    async def _guarded(self, work: Coroutine[None, None, None]) -> bool:
        """Whether the work was done. No fault and no defect may end the one task that polls, writes or sweeps."""
        try:
            await work
        except Unavailable as error:
            log.error(line("database unavailable", error=error))  # noqa: TRY400 - one line
        except Exception:
            log.exception(line("dispatcher broken"))
        else:
            return True
        return False

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    def _lease_until(self) -> int:
        return self._now_ms() + self._lease_ms


def _queued() -> asyncio.Future[Status]:
    """Of a delivery that waits in the database."""
    found: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
    found.set_result("queued")
    return found
