"""Alerts: which pushes an event asks for, how each goes on after APNs' answer (both pure), and the outbox that the engine sends.

Planned deliveries are written down first, and tried again as long as APNs keeps none of them.
"""

import asyncio
import hashlib
import logging
import random
import uuid
from collections import Counter
from collections.abc import Sequence

from relay.alert_payload import alert_payload
from relay.apns.gateway import Gateway
from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict
from relay.clock import Clock
from relay.contract import ALERT_TYPES, EVENT_KINDS, Event, session_link
from relay.log import line
from relay.server import engine
from relay.server.delivery import Delivery, DeliveryAttempt, DeliveryResult, DeliveryStatus, Recipient
from relay.server.engine import WRITE_MS, DeliveryEngine, Limits
from relay.server.hours import HourlyCounts
from relay.server.metrics import Recorder
from relay.server.store import deliveries, devices, requests
from relay.server.store.shards import ALL, Presence
from relay.server.store.sql import Database, Refused
from relay.server.turns import Places

log = logging.getLogger("relay.server.alerts")

ALERT_SECONDS = 24 * 3600
"""How long APNs keeps trying a phone that is off: a day later nobody wants it any more."""

_NAMESPACE = uuid.UUID("6f1d9c52-6d1e-5b0e-9b2e-5f0d1b7c3a11")

FIRST_RETRY, LONGEST_RETRY = 1.0, 3600.0
"""Seconds between attempts when APNs cannot be reached, doubling."""
MOST_DOUBLINGS = 12
"""More change nothing, and two to the number of attempts overflows a float after a thousand."""

STATUS: dict[Verdict, DeliveryStatus] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "failed",
    Verdict.OTHER_APP: "failed",
    Verdict.OUR_FAULT: "failed",
    Verdict.RETRY_LATER: "queued",
    Verdict.KEY_REFUSED: "queued",
    Verdict.NEW_PROVIDER_TOKEN: "queued",
}
"""By verdict. Which environment a token is of, `relay.apns` has found out before."""

LIMITS = Limits(held=10_000, in_flight=100, claimed=500, sweep_seconds=60.0, reserved=0.2)
"""One connection to APNs carries up to 1000 streams."""
SWEEP_LIMIT = 1000
DAY_MS = 86_400_000


# The plan. Pure.


def plan(
    event: Event, *, event_id: str, secret_hash: str, recipients: list[Recipient], now_ms: int
) -> list[Delivery]:
    """The alerts of one event: one for every phone, none for start and progress unless they replace an earlier alert.

    The same event planned again gives pushes with the same apns-id and collapse-id, so a resend is harmless: the row
    exists already, and a push that was sent twice all the same shows once on the phone.
    """
    quiet = event.event_type not in ALERT_TYPES
    has_texts = event.enc or (event.title and event.body)
    if quiet and not (event.replaces and has_texts):
        return []
    payload = _alert(event, quiet)
    # Apple: a notification takes the place of the one with the same apns-collapse-id (documented).
    collapse_id = hashlib.sha256(f"{secret_hash}|{event.replaces or event_id}".encode()).hexdigest()[:32]
    return [
        Delivery(
            push=_push(recipient, event_id, secret_hash, collapse_id, payload, now_ms),
            secret_hash=secret_hash,
            event_id=event_id,
            event_type=event.event_type,
            session_id=event.session_id,
            device_id=recipient.device_id,
            created_at=now_ms,
            registered_at=recipient.registered_at,
        )
        for recipient in recipients
    ]


def _alert(event: Event, quiet: bool) -> bytes:
    kind = EVENT_KINDS[event.event_type]
    return alert_payload(
        title=event.title or kind.title,
        body=event.body or kind.body,
        event_type=event.event_type,
        session_id=event.session_id,
        server_id=event.server_id,
        url=session_link(event.session_id),
        quiet=quiet,
        enc=event.enc,
        request=event.request,
    )


def _push(
    recipient: Recipient, event_id: str, secret_hash: str, collapse_id: str, payload: bytes, now_ms: int
) -> Push:
    name = f"{secret_hash}|{event_id}|{recipient.device_token}|alert"
    return Push(
        apns_id=str(uuid.uuid5(_NAMESPACE, name)),
        device_token=recipient.device_token,
        apns_env=recipient.apns_env,
        topic=recipient.bundle_id,
        push_type="alert",
        priority=10,
        expiration=now_ms // 1000 + ALERT_SECONDS,
        collapse_id=collapse_id,
        payload=payload,
    )


# What becomes of a push. Pure.


def result_of(
    delivery: Delivery, outcome: Outcome, *, at: int, latency_ms: int = 0, jitter: float = 0.0
) -> DeliveryResult:
    """How the delivery goes on; what would be due again after its expiration has failed.

    `jitter` from 0 to 1 spreads retries: the pause grows by up to a half, and is never shorter than Apple asks for.
    """
    status = STATUS[outcome.verdict]
    due_at = at + int(_pause(delivery, outcome, jitter) * 1000) if status == "queued" else 0
    if due_at >= delivery.push.expiration * 1000:
        status, due_at = "failed", 0
    return DeliveryResult(
        delivery=delivery,
        outcome=outcome,
        status=status,
        apns_env=delivery.push.apns_env if status == "queued" else outcome.apns_env,
        at=at,
        due_at=due_at,
        latency_ms=latency_ms,
    )


def _pause(delivery: Delivery, outcome: Outcome, jitter: float) -> float:
    """Seconds until the next attempt."""
    if outcome.transmission == "not_sent" and outcome.retry_after:
        return outcome.retry_after
    # A refused key pauses all pushes (`KeyPause` in `apns/gateway.py`), ever longer: none waits for itself beside that.
    times = 1 if outcome.verdict is Verdict.KEY_REFUSED else 2 ** min(delivery.attempts, MOST_DOUBLINGS)
    return min((outcome.retry_after or FIRST_RETRY) * times, LONGEST_RETRY) * (1 + jitter / 2)


# The outbox.


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
        recorder: Recorder | None = None,
        hours: HourlyCounts | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._db, self._owner, self._hours, self._presence = db, owner, hours, presence
        self._after = ""
        """The secret behind which the next claim goes on, where more is due than one claim takes."""
        # Both environments may be asked in turn, each within the deadline, and the result be written down; waiting in
        # memory may take as long again.
        self._sending_ms = int(2000 * push_deadline) + WRITE_MS
        self._keep_ms, self._clock, self._jitter = keep_days * DAY_MS, clock, jitter or random.Random()
        self.engine = DeliveryEngine(
            self, gateway, clock, name="dispatcher", limits=limits, recorder=recorder
        )

    async def enqueue(
        self, planned: Sequence[Sequence[Delivery]], *, secret_hash: str = ""
    ) -> list[dict[str, asyncio.Future[DeliveryStatus]] | Refused]:
        """Write the deliveries of each event down and send those that are new; by event and apns-id their status to be.

        Of a delivery that two events plan, the first has the future. What finds no place in memory is written down
        without a lease, for the poll of whichever relay has one first. An event of which the database takes no delivery is
        refused; where it takes only some, the others have failed. `secret_hash`: only this secret waits for it.
        """
        db = self._db.of(secret_hash)
        here, later = self._placed(planned)
        sending, refused = await self._send(db, here, self._lease_until())
        waiting, refused_later = await self._send(db, later, 0)
        sending |= waiting
        refused |= refused_later
        ids = [[delivery.push.apns_id for delivery in one] for one in planned]
        return [_of_event(one, sending, refused) for one in ids]

    def _placed(self, planned: Sequence[Sequence[Delivery]]) -> tuple[list[Delivery], list[Delivery]]:
        """What finds a place in memory, and what does not."""
        here: list[Delivery] = []
        later: list[Delivery] = []
        taken: Counter[str] = Counter()
        for one in filter(None, planned):
            secret_hash = one[0].secret_hash
            places = self.engine.held.left(secret_hash, len(here), taken[secret_hash])
            here += one[:places]
            later += one[places:]
            taken[secret_hash] += min(places, len(one))
        return here, later

    async def _send(
        self, db: Database, planned: Sequence[Delivery], lease_until: int
    ) -> tuple[dict[str, asyncio.Future[DeliveryStatus]], dict[str, Refused]]:
        if not planned:
            return {}, {}
        new, refused = await deliveries.enqueue(db, planned, owner=self._owner, lease_until=lease_until)
        sending = {
            delivery.push.apns_id: self.engine.send(self._attempt(delivery, lease_until))
            if lease_until
            else _settled("queued")
            for delivery in new
        }
        return sending, refused

    def _attempt(self, delivery: Delivery, lease_until: int) -> DeliveryAttempt:
        return DeliveryAttempt(
            delivery=delivery, key=delivery.push.apns_id, send_before=lease_until - self._sending_ms
        )

    # What the engine asks of an outbox.

    async def release_leases(self) -> None:
        """Call at start, when the address is ours."""
        await deliveries.release_leases(self._db, self._owner)

    async def bring_forward(self) -> None:
        """Call when the clock was set back."""
        await deliveries.bring_forward(self._db, now_ms=self._now_ms(), longest_lease_ms=2 * self._sending_ms)

    async def claim(self, limit: int, held: Places) -> tuple[list[DeliveryAttempt], float]:
        """What is due. A lease that ran out on what is held here is taken again, so that no other relay sends it."""
        lease_until = self._lease_until()
        shards = await self._presence.refresh() if self._presence else ALL
        found = await deliveries.claim_due(
            self._db,
            owner=self._owner,
            now_ms=self._now_ms(),
            lease_until=lease_until,
            limit=limit,
            places=held.left,
            shards=shards,
            after=self._after,
        )
        self._after = found.after
        attempts = [
            self._attempt(one, lease_until) for one in found.deliveries if one.push.apns_id not in held
        ]
        return attempts, 0.0 if found.more else engine.POLL_SECONDS

    def result(
        self, attempt: DeliveryAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        """By verdict."""
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
        log.info(line(what, deviceID=device_id, reason=result.outcome.reason))

    async def sweep(self) -> None:
        """Forget settled rows that are older than the days that they are kept, and what the log of SQLite has of their texts."""
        before = self._now_ms() - self._keep_ms
        while await deliveries.forget(self._db, before_ms=before, limit=SWEEP_LIMIT):
            pass
        if self._hours is not None:
            await self._hours.save()
            await self._hours.forget(before_ms=before)
        await requests.sweep(self._db, now_ms=self._now_ms())
        await self._db.truncate_log()

    async def next_due_at(self) -> int | None:
        """Of what is queued, in memory or not."""
        return await deliveries.next_due_at(self._db)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _lease_until(self) -> int:
        return self._now_ms() + 2 * self._sending_ms


def _of_event(
    ids: Sequence[str],
    sending: dict[str, asyncio.Future[DeliveryStatus]],
    refused: dict[str, Refused],
) -> dict[str, asyncio.Future[DeliveryStatus]] | Refused:
    if ids and all(apns_id in refused for apns_id in ids):
        return refused[ids[0]]
    found = {apns_id: sending.pop(apns_id) for apns_id in ids if apns_id in sending}
    return found | {apns_id: _settled("failed") for apns_id in ids if apns_id in refused}


def _settled(status: DeliveryStatus) -> asyncio.Future[DeliveryStatus]:
    """Of a delivery that is not sent now: it waits in the database, or that did not take it."""
    future: asyncio.Future[DeliveryStatus] = asyncio.get_running_loop().create_future()
    future.set_result(status)
    return future
