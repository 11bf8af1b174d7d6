"""The Live Activities' outbox: takes what an event says, brings the newest state of every activity to its phone, and ends those
that time out.

Any number of relays may run it on one database: a claim is a compare and set, and while one pushes for an activity no
other does.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter

from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push
from relay.clock import Clock
from relay.contract import Event
from relay.log import line
from relay.server import engine
from relay.server.delivery import DeliveryResult, DeliveryStatus, Recipient
from relay.server.engine import WRITE_MS, DeliveryEngine, Limits
from relay.server.live_activities.activity import LONGEST_PAUSE_MS, SESSION, Activity, Changes
from relay.server.live_activities.life import (
    FORGOTTEN_MS,
    LONGEST_MS,
    TIMED_OUT_MS,
    after_event,
    in_vain,
    in_vain_words,
    timed_out,
)
from relay.server.live_activities.push import (
    ActivityAttempt,
    StartBudget,
    begun,
    of_app,
    push_attempt,
    start_due_at,
)
from relay.server.live_activities.settlement import disposition, settled
from relay.server.live_activities.tokens import KEPT_END_MS, KEPT_MS
from relay.server.metrics import Recorder
from relay.server.store import activities, deliveries, devices
from relay.server.store.shards import ALL, Presence
from relay.server.store.sql import Database, Unavailable
from relay.server.turns import Places, by_turns

log = logging.getLogger("relay.server.live_activities.sender")

LIMITS = Limits(held=250, in_flight=250, claimed=250, sweep_seconds=60.0, reserved=0.2)
"""All that is claimed is sent at once: a start whose turn did not come would never be sent."""
ROWS = 200
"""So many are read at a time."""
TURN = 10
"""A secret with more among them may keep others from being read."""

_secret = attrgetter("secret_hash")


class ActivitySender:
    """The outbox in `activity_registration`. `owner` names this relay in leases."""

    def __init__(
        self,
        db: Database,
        gateway: Gateway,
        *,
        owner: str,
        push_deadline: float,
        clock: Clock,
        budget: StartBudget = StartBudget(),  # noqa: B008 - a value
        recorder: Recorder | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._db, self._owner, self._clock, self._budget = db, owner, clock, budget
        self._presence = presence
        # Both environments may be asked in turn, each within the deadline, and the result be written down.
        self._lease_ms = int(2000 * push_deadline) + WRITE_MS
        self.engine = DeliveryEngine(
            self, gateway, clock, name="activities", limits=LIMITS, recorder=recorder
        )

    async def release_leases(self) -> None:
        """What was being pushed is due again when its window allows it."""
        await activities.release_leases(self._db, self._owner)

    async def bring_forward(self) -> None:
        """Call when the clock was set back."""
        await activities.bring_forward(self._db, now_ms=self._now_ms(), longest_lease_ms=self._lease_ms)

    # What an event changes.

    async def receive(
        self,
        event: Event,
        *,
        event_id: str,
        secret_hash: str,
        recipients: Sequence[Recipient],
        known: Sequence[Activity],
        many: bool = False,
    ) -> int:
        """Change every activity of the event's session, and begin one on each phone that can be started; how many they are.

        `many`: the secret has very many phones.
        """
        decision = partial(
            after_event, event=event, event_id=event_id, secret_hash=secret_hash, recipients=recipients
        )
        session = (secret_hash, event.session_id)
        db = self._db.of(secret_hash)
        changes = await activities.decide(db, session, decision, now=self._clock.now, known=known, many=many)
        return self.changed(changes)

    def changed(self, changes: Changes) -> int:
        """The cards that were changed here, and are due, are pushed by this relay, whoever claims the others of their shard; how many
        changed.
        """
        written = [*changes.new, *(replace(one, revision=one.revision + 1) for one in changes.changed)]
        cards = [one for one in written if one.device_token != SESSION]
        if cards:
            self.engine.wake()
        if self._presence and not self._presence.shards.all:
            self._begin_ready(cards)
        return len(cards)

    def _begin_ready(self, cards: Sequence[Activity]) -> None:
        now_ms, held = self._now_ms(), self.engine.held
        for one in cards:
            ready = one.due_at is not None and _ready_at(one) <= now_ms
            if ready and one.id not in held and held.left(one.secret_hash):
                self._begin(one)

    # What is due.

    async def claim(self, limit: int, held: Places) -> tuple[Sequence[ActivityAttempt], float]:
        """Begin to claim what is due now, each in a task of its own; the seconds until the next is."""
        now_ms = self._now_ms()
        next_at = now_ms + int(engine.POLL_SECONDS * 1000)
        ready: list[Activity] = []
        for activity in await self._due(next_at):
            if activity.id in held:
                continue  # its result asks for the next poll
            if (ready_at := _ready_at(activity)) > now_ms:
                next_at = min(next_at, ready_at)
            else:
                ready.append(activity)
        for activity in by_turns(ready, owner=_secret, places=held.left, most=limit):
            self._begin(activity)
        return [], (next_at - now_ms) / 1000

    async def _due(self, until_ms: int) -> Sequence[Activity]:
        """The longest waiting come first; where more wait than are read, those that wait behind a secret with many are read, too."""
        shards = await self._presence.refresh() if self._presence else ALL
        longest_ms = max(LONGEST_PAUSE_MS, self._lease_ms)
        found: dict[str, Activity] = {}
        passed_over: set[str] = set()
        while True:
            rows = await activities.due(
                self._db,
                until_ms=until_ms,
                longest_ms=longest_ms,
                limit=ROWS,
                shards=shards,
                without=passed_over,
            )
            found |= {one.id: one for one in rows}
            counts = Counter(map(_secret, found.values()))
            many = {secret for secret, count in counts.items() if count > TURN} - passed_over
            if len(rows) < ROWS or not many or sum(min(count, TURN) for count in counts.values()) >= ROWS:
                return [*found.values()]
            passed_over |= many

    def _begin(self, activity: Activity) -> None:
        self.engine.claim(activity.id, activity.secret_hash, self._claim_or_pause(activity))

    async def _claim_or_pause(self, activity: Activity) -> ActivityAttempt | None:
        """One activity's fault costs no other its turn, and the database is not asked at once again."""
        try:
            return await self._claim(activity)
        except Exception as fault:
            _log_fault(activity.id, fault)
            await asyncio.sleep(engine.DATABASE_PAUSE)
            return None

    async def _claim(self, before: Activity) -> ActivityAttempt | None:
        """Write down that the push is under way; None if it is not due any more or another relay has it."""
        now_ms = self._now_ms()
        claim = f"{self._owner}#{uuid.uuid4().hex[:12]}"
        after = begun(before, claim=claim, lease_until=now_ms + self._lease_ms, now_ms=now_ms)
        if after is None:
            return None
        phone = await self._registered(before) if before.stage == "starting" else None
        if phone is not None:
            before, after = of_app(before, phone), of_app(after, phone)
        token = phone.push_to_start_token if phone else before.activity_token
        if not token:  # the phone took its token back: nothing can be started there
            await activities.forget(self._of(before), before)
            return None
        quiet = await self._rings_anyway(before)
        claimed = await (self._start(before, after) if phone else activities.change(self._of(after), after))
        return push_attempt(before, claimed, phone, token, quiet=quiet) if claimed else None

    async def _start(self, before: Activity, after: Activity) -> Activity | None:
        """Claim a start, if the phone will show it; else it waits. One phone's starts are decided on one after the other."""
        async with self._db.turn(("starts", before.device_token)):
            phone = await activities.of_phone(self._of(before), before.device_token)
            app = [one for one in phone if one.bundle_id == before.bundle_id]
            due_at = start_due_at(before, app, self._budget, after.pushed_at)
            if due_at <= after.pushed_at:
                return await activities.change(self._of(after), after)
        if await activities.change(self._of(before), replace(before, due_at=due_at)):
            log.info(
                line("start waits for the phone's budget", sessionID=before.session_id, activityID=before.id)
            )
        return None

    async def _rings_anyway(self, activity: Activity) -> bool:
        """Whether an alert asks the same question on the phone: then the card does not light the screen a second time
        (OneSignal/react-native-onesignal#1800). Every phone that is registered gets alerts.
        """
        if activity.alert is None or activity.state is None or activity.state.status != "permission":
            return False
        if activity.device_token:
            return await self._registered(activity) is not None
        return bool(await devices.recipients(self._of(activity), activity.secret_hash))

    async def _registered(self, activity: Activity) -> Recipient | None:
        return await devices.find(
            self._of(activity), secret_hash=activity.secret_hash, device_token=activity.device_token
        )

    def _of(self, activity: Activity) -> Database:
        """The database, for work that only this activity's secret waits for."""
        return self._db.of(activity.secret_hash)

    # What became of it.

    def result(
        self, attempt: ActivityAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        """A push that was not delivered has failed: the next one carries the newest state and another apns-id."""
        status: DeliveryStatus = "sent" if disposition(outcome) == "sent" else "failed"
        return DeliveryResult(
            delivery=attempt.delivery,
            outcome=outcome,
            status=status,
            apns_env=outcome.apns_env,
            at=at,
            due_at=0,
            latency_ms=latency_ms,
        )

    async def save(self, results: Sequence[tuple[ActivityAttempt, DeliveryResult]]) -> None:
        """The activities, each by compare and set; their phones; and the log. Then more may be due."""
        faults = await asyncio.gather(
            *(self._save(attempt, result) for attempt, result in results), return_exceptions=True
        )
        for fault in faults:
            if isinstance(fault, Unavailable):
                raise fault
        for (attempt, _), fault in zip(results, faults, strict=True):
            if isinstance(fault, Exception):
                _log_fault(attempt.key, fault)
        await deliveries.save(self._db, [result for _, result in results])
        self.engine.wake()

    async def _save(self, attempt: ActivityAttempt, result: DeliveryResult) -> None:
        """On the row as it stands now; whoever wrote meanwhile is asked again."""
        db = self._of(attempt.before)
        while (now := await activities.find(db, attempt.key)) is not None:
            if now.lease_owner != attempt.claimed.lease_owner:
                break  # saved already, or the lease ran out and another relay goes on with it
            after = settled(now, attempt.before, result.outcome, self._now_ms())
            if after is None:
                done = await activities.forget(db, now)
            else:
                done = await activities.change(db, after) is not None
            if done:
                break
        if attempt.phone is not None and result.status == "sent":
            await self._warn_of_starts_in_vain(attempt.before)
        if attempt.phone is not None and result.token_dead:
            await self._forget_push_to_start(attempt.phone, attempt.delivery.push, result.outcome.timestamp)

    async def _warn_of_starts_in_vain(self, started: Activity) -> None:
        phone = await activities.of_phone(self._of(started), started.device_token)
        if starts := in_vain([one for one in phone if one.secret_hash == started.secret_hash]):
            log.warning(line(in_vain_words(starts), token=f"…{started.device_token[-8:]}",
                             advice="open the app once, so that it registers its push-to-start token"))  # fmt: skip

    async def _forget_push_to_start(self, phone: Recipient, sent: Push, dead_since: int | None) -> None:
        before = dead_since or phone.registered_at + 1
        await devices.forget_push_to_start(
            self._db, phone.device_id, sent.device_token, registered_before_ms=before
        )
        log.info(line("push-to-start token forgotten", deviceID=phone.device_id))

    async def next_due_at(self) -> int | None:
        """Of the newest states that may be pushed, or of a lease of one that is being pushed."""
        return await activities.next_due_at(self._db)

    # Time.

    async def sweep(self) -> None:
        """End the activities that time out, and forget those that are long over."""
        while await self._time_out() == ROWS:
            pass
        now_ms = self._now_ms()
        while await activities.forget_old(self._db, before_ms=now_ms - FORGOTTEN_MS, limit=ROWS):
            pass
        while await activities.forget_texts(self._db, before_ms=now_ms - KEPT_END_MS, limit=ROWS) == ROWS:
            pass
        while await activities.forget_kept(self._db, before_ms=now_ms - KEPT_MS, limit=ROWS):
            pass

    async def _time_out(self) -> int:
        """End some that time out; returns how many, those included that another relay was first to end."""
        now_ms = self._now_ms()
        found = await activities.began_before(
            self._db,
            active_before_ms=now_ms - TIMED_OUT_MS,
            others_before_ms=now_ms - LONGEST_MS,
            limit=ROWS,
        )
        ended = [over for one in found if (over := timed_out(one, now_ms)) is not one]
        for over in ended:
            if await activities.change(self._db, over):
                log.info(line("activity timed out", sessionID=over.session_id, activityID=over.id))
        self.engine.wake()
        return len(ended)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _ready_at(activity: Activity) -> int:
    return max(activity.due_at or 0, activity.lease_until)


def _log_fault(activity_id: str, fault: Exception) -> None:
    if isinstance(fault, Unavailable):
        log.error(line("database unavailable", error=fault))
    else:
        log.error(line("activity broken", activityID=activity_id), exc_info=fault)
