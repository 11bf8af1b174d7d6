"""Pure: the update tokens of a session's activities: a phone registers one, its first or a new one, or says that the activity is
over; late and repeated requests in any order. No I/O.

A token belongs to one activity and never comes back to life (assumed; its end answers 410 ExpiredToken: observed). An app
may register it again all the same: the stream of an activity that ended was seen to yield once more
(kylebshr/luka-ios#146). So a token that was ended or that APNs called dead is never taken again, and one that another
took the place of serves again only when that other one is dead.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from relay.contract import ActivityFormat, ApnsEnv
from relay.server.live_activities.activity import (
    PHASE_MS,
    SESSION,
    Activity,
    Changes,
    Stage,
    activity_id,
    due_at,
    window_ends,
)

OVER = frozenset({"ended", "dismissed"})
AWAITING = frozenset({"starting", "started", "lost"})
MOST_FORMER = 3
"""So many tokens that others took the place of are kept."""
MOST_DEAD = 20
"""So many dead ones are remembered, the latest."""
KEPT_MS, KEPT_END_MS = 3_600_000, 600_000
"""So long a card that comes later is brought to the newest state of its session; to an end a shorter time, for by then it is
rather the card of a run that is about to begin (both assumed)."""
END_WAITS_MS = 2_000
LONGEST_AHEAD = 86_400
"""Seconds. A phone's clock that is further ahead than a day is no reason for dates that far (assumed)."""


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
    timestamp: float | None = None


def registered(activities: Sequence[Activity], registration: Registration, now_ms: int) -> Changes:
    """The activity that has the token now, new or changed, and what goes: one that had it before, the session's kept state.

    `activities` are all of the session. A state that came before the token is due at once. Nothing changes for a token
    that is known to be over.
    """
    token = registration.activity_token
    if any(is_over(one, token) for one in activities):
        return Changes()
    phones = [one for one in activities if one.device_token != SESSION]
    kept = [one for one in activities if one.device_token == SESSION]
    holder = next((one for one in phones if one.activity_token == token), None)
    if holder is not None and registration.device_token in ("", holder.device_token):
        return Changes(changed=[_with_token(holder, registration, None, now_ms)])
    place = _place(phones, registration)
    newest = _newest(activities, place, now_ms)
    if holder is not None:  # the phone's own token changed, or the app began to say which phone it is
        active, gone = _taken_over(holder, place, registration), [holder]
    else:
        active, gone = place or _new(registration, now_ms), []
    after = _with_token(active, registration, newest, now_ms)
    return Changes([], [after], gone + kept) if place else Changes([after], [], gone + kept)


def is_over(activity: Activity, token: str) -> bool:
    """Whether it had this token before: it ended, died, or another took its place."""
    return mark(token) in activity.dead_tokens or any(token == former for former, _ in activity.former_tokens)


def mark(token: str) -> str:
    """What is remembered of a dead one."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def buried(activity: Activity, *tokens: str | None) -> Activity:
    """The activity that knows these tokens to be dead."""
    marks = [mark(token) for token in tokens if token]
    dead = [one for one in activity.dead_tokens if one not in marks] + marks
    former = tuple(one for one in activity.former_tokens if one[0] not in tokens)
    return replace(activity, dead_tokens=tuple(dead[-MOST_DEAD:]), former_tokens=former)


def without_tokens(activity: Activity) -> Activity:
    """The activity whose card is over, and with it all its tokens."""
    former = [token for token, _ in activity.former_tokens]
    return replace(buried(activity, *former, activity.activity_token), activity_token=None)


def with_former_token(activity: Activity) -> Activity | None:
    """The activity whose token has died, with the one whose place that took; None if there is none."""
    left = buried(activity, activity.activity_token)
    if not left.former_tokens:
        return None
    *former, (token, registered_at) = left.former_tokens
    return replace(
        left,
        activity_token=token,
        registered_at=registered_at,
        former_tokens=tuple(former),
        attempts=0,
        retry_at=0,
    )


def _newest(activities: Sequence[Activity], place: Activity | None, now_ms: int) -> Activity | None:
    """What knows the newest state of the session, for a card that begins now; None: nothing does, or it is too old."""
    since = place.ended_at if place else 0  # what its own card was brought before is not news to the next one
    fresh = [
        one
        for one in activities
        if one is not place
        and one.state is not None
        and one.updated_at > since
        # abs: of a clock that was set back meanwhile
        and abs(now_ms - one.updated_at) < (KEPT_END_MS if one.ends else KEPT_MS)
    ]
    return max(fresh, key=lambda one: (one.device_token == SESSION, one.updated_at), default=None)


def unregistered(activities: Sequence[Activity], device_token: str, now_ms: int) -> Changes:
    """The activities that an app means are over on the phone."""
    phones = [one for one in activities if one.device_token != SESSION]
    return Changes(changed=[dismissed(one, now_ms) for one in named(phones, device_token)])


def named(activities: Sequence[Activity], device_token: str) -> list[Activity]:
    """The activities that an app means when it unregisters: the phone's; without a phone the nameless one, else all."""
    mine = [one for one in activities if one.device_token == device_token]
    return mine if mine or device_token else list(activities)


def dismissed(activity: Activity, now_ms: int) -> Activity:
    """The phone ended its activity: nothing more is sent, and only a new run of the session starts another."""
    stage: Stage = "ended" if activity.ends or activity.stage == "ended" else "dismissed"
    return replace(without_tokens(activity), stage=stage, alert=None, due_at=None, updated_at=now_ms)


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


def _with_token(
    activity: Activity, registration: Registration, newest: Activity | None, now_ms: int
) -> Activity:
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
        unadopted=0,
        clock_ahead=_clock_ahead(activity, registration, now_ms),
    )
    soon = window_ends(activity.pushed_at, PHASE_MS, now_ms)
    if activity.stage in OVER:  # the app began another one
        state = activity.state if activity.stage == "dismissed" else None
        if _unsaid(activity, now_ms):
            newest = activity
        again = replace(
            active, state=state, alert=None, ends=False, began_at=now_ms, ended_at=0, pushed_status=None,
            due_at=soon if state else None, attempts=0, retry_at=0,
        )  # fmt: skip
        return again if state else _informed(again, newest, soon, now_ms)
    if activity.stage in AWAITING:  # a question that came after the start was not seen yet
        alert = activity.alert if activity.stage == "started" else None
        return replace(active, alert=alert, due_at=soon)
    if activity.activity_token is None:  # new
        return _informed(active, newest, soon, now_ms)
    if activity.activity_token != registration.activity_token:
        # What APNs still keeps for the old token, for a phone that is off, is lost with it.
        former = (*activity.former_tokens, (activity.activity_token, activity.registered_at))
        return replace(active, former_tokens=former[-MOST_FORMER:], due_at=due_at(active, now_ms))
    return active


def _clock_ahead(activity: Activity, registration: Registration, now_ms: int) -> int:
    """Seconds. A phone drops what is older than what it shows (Apple, documented), by the clock that each was made with: a card
    that the app started has the phone's (customerio/customerio-android#723).
    """
    if registration.timestamp is None:
        return activity.clock_ahead
    return min(max(0, math.ceil(registration.timestamp - now_ms / 1000)), LONGEST_AHEAD)


def _unsaid(activity: Activity, now_ms: int) -> bool:
    """Whether its session ended a moment ago and no push could say so."""
    said = (activity.pushed_status or "").endswith(" end")
    return activity.ends and not said and abs(now_ms - activity.ended_at) < KEPT_END_MS


def _informed(activity: Activity, newest: Activity | None, soon: int, now_ms: int) -> Activity:
    """The card that the app began itself, with what the session said before. An end waits a moment, for the first news of the
    run that this card may be of.
    """
    if newest is None:
        return activity
    return replace(
        activity,
        event_id=newest.event_id,
        event_type=newest.event_type,
        state=newest.state,
        status_at=newest.status_at,
        alert=newest.alert if newest.device_token == SESSION else None,
        ends=newest.ends,
        ended_at=newest.ended_at,
        due_at=max(soon, now_ms + END_WAITS_MS) if newest.ends else soon,
    )
