"""Brings the newest state of every Live Activity to its phone: claim, push, settle; ends those that time out.

Any number of relays may run it on one database: a claim is a compare and set, and while one pushes for an activity no
other does.
"""

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, replace

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push
from relay.clock import Clock, sleep_unless
from relay.log import line
from relay.server.alerts.planner import Delivery
from relay.server.alerts.settlement import Settlement, Status, told
from relay.server.live_activities import life
from relay.server.live_activities.push import push
from relay.server.live_activities.record import Activity
from relay.server.live_activities.settlement import Answer, UnderWay, answer, settled
from relay.server.recipient import Recipient
from relay.server.store import activities, deliveries, devices
from relay.server.store.deliveries import Settled
from relay.server.store.sql import Database, Unavailable
from relay.server.told import tell

log = logging.getLogger("relay.server.live_activities.activities")

POLL_SECONDS = 1.0
"""How late a relay may see what another one wrote."""
SWEEP_SECONDS = 60.0
DATABASE_PAUSE = 0.5
AT_ONCE = 200
"""Pushes in flight, and rows that are read at a time."""
WRITE_MS = 2500


@dataclass(frozen=True, slots=True)
class _Errand:
    """One push of one activity: as it was before, as it was claimed, and the phone whose token starts it."""

    before: Activity
    claimed: Activity
    phone: Recipient | None
    push: Push

    @property
    def under_way(self) -> UnderWay:
        return UnderWay(self.before, life.kind(self.before))


class ActivitySender:
    """Owns every Live Activity push. `owner` names this relay in leases."""

    def __init__(
        self, db: Database, gateway: Gateway, *, owner: str, push_deadline: float, clock: Clock
    ) -> None:
        self._db, self._gateway, self._owner, self._clock = db, gateway, owner, clock
        # Both environments may be asked in turn, each within the deadline, and the answer be written down.
        self._lease_ms = int(2000 * push_deadline) + WRITE_MS
        self._look = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._pushes: dict[str, asyncio.Task[None]] = {}

    # Life.

    async def start(self) -> None:
        """Begin with what the last run left behind."""
        await activities.release_leases(self._db, self._owner)
        for work, name in ((self._poll(), "poll"), (self._sweep_for_ever(), "sweep")):
            self._loops.append(asyncio.create_task(work, name=f"activities-{name}"))

    async def stop(self, grace: float) -> None:
        """Finish what is in flight within `grace` seconds; the rest is due again at the next start."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        pushes = list(self._pushes.values())
        if pushes:
            await asyncio.wait(pushes, timeout=grace)
        for task in pushes:
            task.cancel()
        await asyncio.gather(*pushes, return_exceptions=True)

    def look(self) -> None:
        """Something may be due: look now instead of at the next second."""
        self._look.set()

    # What is due.

    async def _poll(self) -> None:
        while True:
            wait = POLL_SECONDS
            try:
                wait = await self.push_due()
            except Unavailable as error:
                log.error(line("database unavailable", error=error))  # noqa: TRY400 - one line
            except Exception:
                log.exception(line("activities broken"))
            await sleep_unless(self._clock, wait, self._look)

    async def push_due(self) -> float:
        """Push what is due; returns the seconds until the next is, at most a second."""
        now_ms = self._now_ms()
        horizon = now_ms + int(POLL_SECONDS * 1000)
        next_at = horizon
        for activity in await activities.due(self._db, until_ms=horizon, limit=AT_ONCE):
            ready_at = max(activity.due_at or 0, activity.lease_until)
            if activity.id in self._pushes or len(self._pushes) >= AT_ONCE:
                continue  # its end looks again
            if ready_at <= now_ms:
                self._begin(activity)
            else:
                next_at = min(next_at, ready_at)
        return max(0.0, (next_at - now_ms) / 1000)

    async def idle(self) -> None:
        """Return when no push is in flight."""
        while self._pushes:
            await asyncio.wait(list(self._pushes.values()))

    def _begin(self, activity: Activity) -> None:
        task = asyncio.create_task(self._push(activity), name=f"activity-{activity.id}")
        self._pushes[activity.id] = task
        task.add_done_callback(lambda _: self._ended(activity.id))

    def _ended(self, activity_id: str) -> None:
        self._pushes.pop(activity_id, None)
        self.look()

    # One push.

    async def _push(self, activity: Activity) -> None:
        try:
            if (errand := await self._claim(activity)) is None:
                return
            began = self._clock.now()
            await self._persist(errand, await self._gateway.send(errand.push), began)
        except Unavailable as error:
            log.error(line("database unavailable", error=error))  # noqa: TRY400 - one line
            await asyncio.sleep(DATABASE_PAUSE)
        except Exception:
            log.exception(line("activity broken", activityID=activity.id))
            await asyncio.sleep(DATABASE_PAUSE)

    async def _claim(self, before: Activity) -> _Errand | None:
        """Write down that the push is under way; None if it is not due any more or another relay has it."""
        now_ms = self._now_ms()
        claim = f"{self._owner}#{uuid.uuid4().hex[:12]}"
        after = life.begun(before, claim=claim, lease_until=now_ms + self._lease_ms, now_ms=now_ms)
        if after is None:
            return None
        phone = await self._startable(before) if life.kind(before) == "start" else None
        if phone is not None:
            before, after = _of_app(before, phone), _of_app(after, phone)
        token = phone.push_to_start_token if phone else before.activity_token
        if not token:  # the phone took its token back: nothing can be started there
            await activities.forget(self._db, before)
            return None
        claimed = await activities.change(self._db, after)
        return _Errand(before, claimed, phone, push(before, claimed, token)) if claimed else None

    async def _startable(self, activity: Activity) -> Recipient | None:
        return await devices.find(
            self._db, secret_hash=activity.secret_hash, device_token=activity.device_token
        )

    # Writing down.

    async def _persist(self, errand: _Errand, outcome: Outcome, began: float) -> None:
        """Try until the database takes it, as long as the lease keeps other relays away."""
        said = answer(outcome)
        entry = self._entry(errand, said, outcome, began)
        tell(entry)
        while self._now_ms() < errand.claimed.lease_until:
            try:
                await self._settle(errand, said)
                await self._apply_to_phone(errand, said)
                await deliveries.save(self._db, [entry])
            except Unavailable as error:
                log.error(line("database unavailable", error=error, then="trying again"))  # noqa: TRY400 - one line
                await asyncio.sleep(DATABASE_PAUSE)
            else:
                return

    async def _settle(self, errand: _Errand, said: Answer) -> None:
        """On the row as it stands now; whoever wrote meanwhile is asked again."""
        while (now := await activities.find(self._db, errand.before.id)) is not None:
            if now.lease_owner != errand.claimed.lease_owner:
                return  # settled already, or the lease ran out and another relay goes on with it
            after = settled(now, errand.under_way, said, self._now_ms())
            if after is None:
                done = await activities.forget(self._db, now)
            else:
                done = await activities.change(self._db, after) is not None
            if done:
                return

    async def _apply_to_phone(self, errand: _Errand, said: Answer) -> None:
        phone = errand.phone
        if phone is None or phone.push_to_start_token is None:
            return
        if said.word == "dead":
            before = said.dead_since or phone.registered_at + 1
            await devices.forget_push_to_start(
                self._db, phone.device_id, phone.push_to_start_token, registered_before_ms=before
            )
            log.info(line("push-to-start token forgotten", deviceID=phone.device_id))

    def _entry(self, errand: _Errand, said: Answer, outcome: Outcome, began: float) -> Settled:
        activity, now_ms = errand.before, self._now_ms()
        delivery = Delivery(
            push=errand.push,
            secret_hash=activity.secret_hash,
            event_id=activity.event_id or "",
            event_type=activity.event_type,
            session_id=activity.session_id,
            device_id=errand.phone.device_id if errand.phone else "",
            created_at=errand.claimed.pushed_at,
            registered_at=activity.registered_at,
            attempts=activity.attempts,
        )
        status: Status = "sent" if said.word == "sent" else "failed"
        settlement = Settlement(
            status=status, apns_env=said.apns_env, told=told(outcome), advice=outcome.advice
        )
        return Settled(delivery, settlement, max(0, int((self._clock.now() - began) * 1000)), now_ms)

    # Time.

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._guarded(self.sweep())
            await self._clock.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """End the activities that time out, and forget those that are long over."""
        while await self._time_out() == AT_ONCE:
            pass
        await self._forget_old()

    async def _time_out(self) -> int:
        """End some that time out; returns how many, those included that another relay was first to end."""
        now_ms = self._now_ms()
        before_ms = now_ms - life.TIMED_OUT_MS
        found = await activities.began_before(self._db, before_ms=before_ms, limit=AT_ONCE)
        ended = [over for one in found if (over := life.timed_out(one, now_ms)) is not one]
        for over in ended:
            if await activities.change(self._db, over):
                log.info(line("activity timed out", sessionID=over.session_id, activityID=over.id))
        self.look()
        return len(ended)

    async def _forget_old(self) -> None:
        before_ms = self._now_ms() - life.FORGOTTEN_MS
        while await activities.forget_old(self._db, before_ms=before_ms, limit=AT_ONCE):
            pass

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Unavailable as error:
            log.error(line("database unavailable", error=error))  # noqa: TRY400 - one line
        except Exception:
            log.exception(line("activities broken"))

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _of_app(activity: Activity, phone: Recipient) -> Activity:
    """A start goes to the app as the phone has it now, whatever it had when the session ran before."""
    return replace(
        activity,
        bundle_id=phone.bundle_id,
        apns_env=phone.apns_env,
        activity_format=phone.activity_format,
    )
