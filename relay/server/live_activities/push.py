"""Pure: an activity whose push is under way -> the push, with its headers and dates."""

import uuid

from relay.apns.payload import ActivityContent, activity_payload
from relay.apns.push import Push
from relay.contract import Status, session_link
from relay.server.live_activities.life import LONGEST_MS, Kind, kind, priority
from relay.server.live_activities.record import Activity

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
"""A start is not kept for a phone that comes back much later: its session may be over."""

_NAMESPACE = uuid.UUID("d2a3c1de-3b7f-5f8e-8f55-7c0f2f6f7d10")


def push(before: Activity, under_way: Activity, token: str) -> Push:
    """The push that `under_way` records, of the activity as it was `before`."""
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
        payload=activity_payload(_content(before, under_way, event, now), before.activity_format),
    )


def _content(before: Activity, under_way: Activity, event: Kind, now: int) -> ActivityContent:
    assert before.state is not None, "what is due has a state"
    return ActivityContent(
        event=event,
        timestamp=under_way.timestamp,
        state=before.state,
        session_id=before.session_id,
        url=session_link(before.session_id),
        alert=before.alert,
        stale_date=None if event == "end" else now + STALE_SECONDS[before.state.status],
        dismissal_date=now + _shown_after_the_end(before) if event == "end" else None,
    )


def _shown_after_the_end(activity: Activity) -> int:
    assert activity.state is not None, "what ends has a state"
    stopped = activity.event_type == "progress" and activity.state.status == "complete"
    return STOPPED_SECONDS if stopped else DISMISS_SECONDS[activity.state.status]


def _expiration(activity: Activity, event: Kind, now: int) -> int:
    """UNIX seconds until which APNs keeps it for a phone that is off: what the card says last, as long as it may live."""
    if event == "start":
        return now + START_SECONDS
    return max(now + START_SECONDS, (activity.began_at + LONGEST_MS) // 1000)
