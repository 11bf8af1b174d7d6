"""Pure: the push of a Live Activity: when it is under way, its headers and dates, and whether the phone's budget allows a start."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from relay.apns.payload import ActivityContent, activity_payload
from relay.apns.push import Push
from relay.contract import ContentState, Status, session_link
from relay.server.delivery import Delivery, DeliveryAttempt, Recipient
from relay.server.live_activities.activity import (
    LONGEST_PAUSE_MS,
    RELEVANCE,
    Activity,
    Kind,
    kind,
    phase,
    priority,
    within_hour,
)
from relay.server.live_activities.life import LONGEST_MS

STALE_SECONDS: dict[Status, int] = {
    "working": 900,
    "retry": 900,
    "permission": 3600,
    "complete": 900,
    "error": 900,
}
"""After so long without news the card says that it is stale; a question stands as long as nobody answers it."""
DISMISS_SECONDS: dict[Status, int] = {
    "complete": 900,
    "error": 4 * 3600,
    "working": 300,
    "retry": 300,
    "permission": 300,
}
"""How long a card stays after its end; Apple: at most four hours. An error stays until it is seen; the three without an
end of their own are cards that timed out."""
STOPPED_SECONDS = 60
"""A run that ended without an alert: the person stopped it, and knows."""
START_SECONDS = 3600
"""A start is not kept for a phone that comes back much later: its session may be over. Nor longer than its stale-date: one that
is stale as it arrives was seen never to be presented (react-native-nalu#222, observed)."""
END_AHEAD_SECONDS = 180
"""An end is the last that a card gets. Where the phone's clock is not known it is dated a little ahead, so that a phone whose clock
is ahead of ours does not drop it as older than what its app showed (customerio/customerio-android#723; assumed)."""

_NAMESPACE = uuid.UUID("d2a3c1de-3b7f-5f8e-8f55-7c0f2f6f7d10")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAttempt(DeliveryAttempt):
    """A push of an activity as it was `before`; its row as it was `claimed`; and the phone, if the push starts it there.

    `key` is the activity's id: one push at a time for each.
    """

    before: Activity
    claimed: Activity
    phone: Recipient | None


def begun(activity: Activity, *, claim: str, lease_until: int, now_ms: int) -> Activity | None:
    """The activity with its push under way, or None if none is due.

    Written before the push goes out. A relay that dies with an update in its hands leaves it due when the lease ends;
    a start is not sent again, because it may have arrived: one too few is better than two cards.
    """
    if activity.due_at is None or activity.due_at > now_ms or activity.lease_until > now_ms:
        return None
    counted = within_hour(activity.priority_10_at, now_ms)
    under_way = replace(
        activity,
        timestamp=max(_phone_time(activity, now_ms), activity.timestamp + 1),
        pushed_status=phase(activity),
        pushed_at=now_ms,
        alert=None,
        lease_owner=claim,
        lease_until=lease_until,
    )
    if kind(activity) == "start":
        starts = (*within_hour(activity.starts_at, now_ms), now_ms)
        return replace(
            under_way, stage="started", began_at=now_ms, due_at=None, priority_10_at=counted, starts_at=starts
        )
    if priority(activity, now_ms) == 10:
        counted = (*counted, now_ms)
    return replace(under_way, due_at=lease_until, priority_10_at=counted)


def _phone_time(activity: Activity, now_ms: int) -> int:
    ahead = END_AHEAD_SECONDS if kind(activity) == "end" else 0
    return now_ms // 1000 + max(activity.clock_ahead, ahead)


def push(before: Activity, under_way: Activity, token: str, *, quiet: bool = False) -> Push:
    """The push that `under_way` records, of the activity as it was `before`. `quiet`: another push lights the screen for it."""
    event = kind(before)
    now = under_way.pushed_at // 1000
    return Push(
        apns_id=str(uuid.uuid5(_NAMESPACE, f"{before.id}|{before.activity_token}|{under_way.timestamp}")),
        device_token=token,
        apns_env=before.apns_env,
        topic=f"{before.bundle_id}.push-type.liveactivity",
        push_type="liveactivity",
        priority=priority(before, under_way.pushed_at),
        expiration=_expiration(before, event, now),
        # Only a start has one: a second that is stored for the same phone replaces the first.
        collapse_id=before.id if event == "start" else "",
        payload=activity_payload(_content(before, under_way, event, quiet), before.activity_format),
    )


def _content(before: Activity, under_way: Activity, event: Kind, quiet: bool) -> ActivityContent:
    assert before.state is not None, "what is due has a state"
    now = under_way.pushed_at // 1000 + before.clock_ahead  # the phone's
    return ActivityContent(
        event=event,
        timestamp=under_way.timestamp,
        state=before.state,
        session_id=before.session_id,
        url=session_link(before.session_id),
        # A start without an alert is dropped by iOS 26 (observed).
        alert=None if quiet and event != "start" else before.alert,
        quiet=quiet and event == "start",
        relevance_score=_relevance(before),
        stale_date=None if event == "end" else _stale_at(before.state, event, now),
        dismissal_date=now + _shown_after_the_end(before) if event == "end" else None,
    )


def _stale_at(state: ContentState, event: Kind, now: int) -> int:
    """UNIX seconds. A start is never stale as it comes: the phone would not present it (nalu#222, observed)."""
    return now if state.stale and event != "start" else now + STALE_SECONDS[state.status]


def _relevance(activity: Activity) -> float:
    assert activity.state is not None, "what is due has a state"
    return round(RELEVANCE[activity.state.status] + activity.status_at / 10**13, 10)


def _shown_after_the_end(activity: Activity) -> int:
    assert activity.state is not None, "what ends has a state"
    stopped = activity.event_type == "progress" and activity.state.status == "complete"
    return STOPPED_SECONDS if stopped else DISMISS_SECONDS[activity.state.status]


def _expiration(activity: Activity, event: Kind, now: int) -> int:
    """UNIX seconds until which APNs keeps it for a phone that is off: what the card says last, as long as it may live."""
    if event == "start":
        assert activity.state is not None, "what is due has a state"
        return now + min(START_SECONDS, STALE_SECONDS[activity.state.status])
    return max(now + START_SECONDS, (activity.began_at + LONGEST_MS) // 1000)


def of_app(activity: Activity, phone: Recipient) -> Activity:
    """A start goes to the app as the phone has it now, whatever it had when the session ran before."""
    return replace(
        activity,
        bundle_id=phone.bundle_id,
        apns_env=phone.apns_env,
        activity_format=phone.activity_format,
    )


def push_attempt(
    before: Activity, claimed: Activity, phone: Recipient | None, token: str, *, quiet: bool
) -> ActivityAttempt:
    """The push that `claimed` records, on its way to that token. `quiet`: as in `push`."""
    delivery = Delivery(
        push=push(before, claimed, token, quiet=quiet),
        secret_hash=before.secret_hash,
        event_id=before.event_id or "",
        event_type=before.event_type,
        session_id=before.session_id,
        device_id=phone.device_id if phone else "",
        created_at=claimed.pushed_at,
        registered_at=before.registered_at,
        attempts=before.attempts,
    )
    return ActivityAttempt(delivery=delivery, key=before.id, before=before, claimed=claimed, phone=phone)


# What one phone shows and starts at most, and whose turn it is when that is too little.
#
# Source: an Apple engineer (DTS) in developer forum 799505, on what devices do, not documented: about ten starts by push in a
# short time, whatever the app's settings (observed); five activities of an app at once (observed by OneSignal and Adobe;
# ActivityKit documents the errors targetMaximumExceeded and globalMaximumExceeded, and no number). That the ten come back
# within an hour, and that a card which ended makes room at once, is assumed. A start beyond them is taken by APNs and shown by
# no phone, so it waits here.


@dataclass(frozen=True, slots=True)
class StartBudget:
    """Of one app on one phone: cards at once, and starts in a window of time."""

    cards: int = 5
    starts: int = 10
    window_ms: int = 3_600_000


ASK_AGAIN_MS = 5_000
"""So often a start that waits is decided on again, because a card may have ended."""


def start_due_at(waits: Activity, phone: Sequence[Activity], budget: StartBudget, now_ms: int) -> int:
    """When the start of `waits` may go out: now, or when to ask again (UTC ms). `phone`: all activities of its app there.

    Where there is room for some of those that wait, a session that waits for a decision goes first, then what failed or has
    trouble; of equals the one that waits longest.
    """
    others = [one for one in phone if one.id != waits.id]
    cards = sum(_has_card(one) for one in others)
    recent = sorted(at for one in phone for at in one.starts_at if now_ms - budget.window_ms < at <= now_ms)
    turn = sum(_turn(one) < _turn(waits) for one in others if _waits(one, now_ms))
    if turn < min(budget.cards - cards, budget.starts - len(recent)):
        return now_ms
    if turn < budget.starts - len(recent):
        return now_ms + ASK_AGAIN_MS
    free_again = recent[-budget.starts] + budget.window_ms if len(recent) >= budget.starts else now_ms
    # What is due further ahead than the longest pause is taken for the work of a clock that was ahead.
    return min(max(free_again, now_ms + ASK_AGAIN_MS), now_ms + LONGEST_PAUSE_MS)


def _has_card(activity: Activity) -> bool:
    """Whether the phone shows it, as far as the relay can know: what was started may be there before its token is."""
    return activity.stage == "active" or (activity.stage == "started" and not activity.ends)


def _waits(activity: Activity, now_ms: int) -> bool:
    return (
        activity.stage == "starting"
        and activity.due_at is not None
        and activity.due_at <= now_ms + ASK_AGAIN_MS
    )


def _turn(activity: Activity) -> tuple[int, int, str]:
    status = activity.state.status if activity.state else "complete"
    return (-RELEVANCE[status], activity.began_at, activity.id)
