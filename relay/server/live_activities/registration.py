"""Update tokens: a phone registers that of an activity, a rotated one, or says that the activity is over; and whatever an event
changes. All of it is decided in pure functions, written by compare and set, and brought to the phone by the sender.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from relay import contract
from relay.contract import ActivityFormat, ActivityRegister, ActivityUnregister, ApnsEnv, Event
from relay.log import line
from relay.server.delivery import Recipient
from relay.server.live_activities import life, throttle
from relay.server.live_activities.record import Activity, Stage, activity_id
from relay.server.store import activities, devices
from relay.server.store.sql import Database, Unavailable

log = logging.getLogger("relay.server.live_activities.registration")

ATTEMPTS = 20
"""So often a decision is made again because another request or relay wrote first."""
AWAITING = frozenset({"starting", "started", "lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An update token as the phone registered it. `device_token` is '' if the app did not say which phone it is."""

    secret_hash: str
    session_id: str
    device_token: str
    activity_token: str
    bundle_id: str
    apns_env: ApnsEnv
    activity_format: ActivityFormat


class Activities:
    """The Live Activities of all sessions. `wake` is called when one may be due."""

    def __init__(
        self, db: Database, *, default_bundle_id: str, now: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self._db, self._default_bundle_id = db, default_bundle_id
        self._now, self._wake = now, wake

    async def receive(
        self,
        event: Event,
        *,
        event_id: str,
        secret_hash: str,
        recipients: Sequence[Recipient],
        known: Sequence[Activity],
    ) -> int:
        """Change every activity of the event's session, and begin one on each phone that can be started; how many they are."""
        for _ in range(ATTEMPTS):
            begun, changed = life.after_event(
                event,
                event_id=event_id,
                secret_hash=secret_hash,
                recipients=recipients,
                known=known,
                now_ms=self._now_ms(),
            )
            if await self._write(begun, changed):
                if begun or changed:
                    self._wake()
                return len(begun) + len(changed)
            known = await activities.of_session(self._db, secret_hash, event.session_id)
        raise Unavailable("too many requests write to the same Live Activity")

    async def _write(self, begun: Sequence[Activity], changed: Sequence[Activity]) -> bool:
        written = [await activities.change(self._db, one) is not None for one in changed]
        return await activities.insert(self._db, begun) and all(written)

    async def register(self, request: ActivityRegister) -> None:
        """The phone has an update token, its first or a new one."""
        registration = await self._registration(request)
        for _ in range(ATTEMPTS):
            known = await activities.of_session(self._db, registration.secret_hash, registration.session_id)
            place, gone = registered(known, registration, self._now_ms())
            there = any(one.id == place.id for one in known)
            if await self._put(place, there) and (gone is None or await activities.forget(self._db, gone)):
                self._wake()
                log.info(line("activity registered", sessionID=place.session_id, activityID=place.id,
                              token=f"…{registration.activity_token[-8:]}", apnsEnv=place.apns_env))  # fmt: skip
                return
        raise Unavailable("too many requests write to the same Live Activity")

    async def _put(self, activity: Activity, there: bool) -> bool:
        if there:
            return await activities.change(self._db, activity) is not None
        return await activities.insert(self._db, [activity])

    async def _registration(self, request: ActivityRegister) -> Registration:
        """What the request leaves out is the phone's, or, if it names none, that of the first phone of the secret."""
        secret_hash = contract.secret_hash(request.secret)
        phone = await self._phone(secret_hash, request.device_token)
        env: ApnsEnv = phone.apns_env if phone else "production"
        bundle_id = phone.bundle_id if phone else self._default_bundle_id
        return Registration(
            secret_hash=secret_hash,
            session_id=request.session_id,
            device_token=(request.device_token or "").lower(),
            activity_token=request.activity_token.lower(),
            bundle_id=request.bundle_id or bundle_id,
            apns_env=request.apns_env or env,
            activity_format=request.activity_format or (phone.activity_format if phone else "flat"),
        )

    async def _phone(self, secret_hash: str, device_token: str | None) -> Recipient | None:
        if device_token:
            return await devices.find(self._db, secret_hash=secret_hash, device_token=device_token)
        return next(iter(await devices.recipients(self._db, secret_hash)), None)

    async def unregister(self, request: ActivityUnregister) -> None:
        """The phone ended its activity; no error if the relay knows of none."""
        secret_hash = contract.secret_hash(request.secret)
        for _ in range(ATTEMPTS):
            known = await activities.of_session(self._db, secret_hash, request.session_id)
            meant = named(known, (request.device_token or "").lower())
            over = [dismissed(one, self._now_ms()) for one in meant]
            if await self._write([], over):
                log.info(line("activity unregistered", sessionID=request.session_id, activities=len(over)))
                return
        raise Unavailable("too many requests write to the same Live Activity")

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


# Pure.


def registered(
    activities: Sequence[Activity], registration: Registration, now_ms: int
) -> tuple[Activity, Activity | None]:
    """The activity that has the token now, and one that had it before and is to be forgotten, or None.

    `activities` are all of the session. A state that came before the token is due at once.
    """
    holder = next((one for one in activities if one.activity_token == registration.activity_token), None)
    place = _place(activities, registration)
    if holder is not None and registration.device_token in ("", holder.device_token):
        return _with_token(holder, registration, now_ms), None
    if holder is not None:  # the phone's own token changed, or the app began to say which phone it is
        return _with_token(_taken_over(holder, place, registration), registration, now_ms), holder
    return _with_token(place or _new(registration, now_ms), registration, now_ms), None


def named(activities: Sequence[Activity], device_token: str) -> list[Activity]:
    """The activities that an app means when it unregisters: the phone's; without a phone the nameless one, else all."""
    mine = [one for one in activities if one.device_token == device_token]
    return mine if mine or device_token else list(activities)


def dismissed(activity: Activity, now_ms: int) -> Activity:
    """The phone ended its activity: nothing more is sent, and only a new run of the session starts another."""
    stage: Stage = "ended" if activity.ends or activity.stage == "ended" else "dismissed"
    return replace(activity, stage=stage, activity_token=None, alert=None, due_at=None, updated_at=now_ms)


def _place(activities: Sequence[Activity], registration: Registration) -> Activity | None:
    """The row of the phone. An app that does not name its phone means the only activity, or one that awaits its token."""
    mine = [one for one in activities if one.device_token == registration.device_token]
    if mine or registration.device_token:
        return mine[0] if mine else None
    awaiting = [
        one for one in activities if one.stage in AWAITING and one.bundle_id == registration.bundle_id
    ]
    return activities[0] if len(activities) == 1 else next(iter(awaiting), None)


def _new(registration: Registration, now_ms: int) -> Activity:
    key = (registration.secret_hash, registration.session_id, registration.device_token)
    return Activity(
        id=activity_id(*key),
        secret_hash=registration.secret_hash,
        session_id=registration.session_id,
        device_token=registration.device_token,
        bundle_id=registration.bundle_id,
        apns_env=registration.apns_env,
        activity_format=registration.activity_format,
        stage="active",
        event_type="start",
        began_at=now_ms,
        updated_at=now_ms,
    )


def _taken_over(holder: Activity, place: Activity | None, registration: Registration) -> Activity:
    key = (registration.secret_hash, registration.session_id, registration.device_token)
    revision = place.revision if place else 0
    return replace(holder, id=activity_id(*key), device_token=registration.device_token, revision=revision)


def _with_token(activity: Activity, registration: Registration, now_ms: int) -> Activity:
    """A new activity, or the same with another token: its throttle and its 8 hours go on."""
    active = replace(
        activity,
        stage="active",
        activity_token=registration.activity_token,
        bundle_id=registration.bundle_id,
        apns_env=registration.apns_env,
        activity_format=registration.activity_format,
        registered_at=now_ms,
        updated_at=now_ms,
    )
    due_at = throttle.window_ends(activity.pushed_at, throttle.PHASE_MS, now_ms)
    if activity.stage in life.OVER:  # the app began another one
        state = activity.state if activity.stage == "dismissed" else None
        return replace(
            active, state=state, alert=None, ends=False, began_at=now_ms, ended_at=0, pushed_status=None,
            due_at=due_at if state else None, attempts=0, retry_at=0,
        )  # fmt: skip
    if activity.stage in AWAITING:  # a question that came after the start was not seen yet
        alert = activity.alert if activity.stage == "started" else None
        return replace(active, alert=alert, due_at=due_at)
    if activity.activity_token != registration.activity_token:
        # What APNs still keeps for the old token, for a phone that is off, is lost with it.
        return replace(active, due_at=life.due_at(active, now_ms))
    return active
