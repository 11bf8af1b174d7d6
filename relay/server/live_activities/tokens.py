"""Pure: a phone registers the update token of an activity, a rotated one, or says that the activity is over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from relay.contract import ActivityFormat, ApnsEnv
from relay.server.live_activities import life, throttle
from relay.server.live_activities.record import Activity, Stage, activity_id

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
    if activity.stage in AWAITING:  # a question that came after the start was not heard yet
        alert = activity.alert if activity.stage == "started" else None
        return replace(active, alert=alert, due_at=due_at)
    if activity.activity_token != registration.activity_token:
        # What APNs still keeps for the old token, for a phone that is off, is lost with it.
        return replace(active, due_at=life.due_at(active, now_ms))
    return active
