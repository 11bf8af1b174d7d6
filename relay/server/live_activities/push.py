"""Pure: a push of a Live Activity: when it is under way, its headers and dates, and what its outcome makes of the activity."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from relay.apns.payload import ActivityContent, activity_payload
from relay.apns.push import Outcome, Push, Transmission
from relay.apns.reasons import Verdict
from relay.contract import ContentState, Status, session_link
from relay.server.live_activities.activity import (
    FIRST_PAUSE_MS,
    RELEVANCE,
    Activity,
    Alert,
    Kind,
    due_at,
    kind,
    phase,
    priority,
    retry_pause,
    within_hour,
)
from relay.server.live_activities.life import LONGEST_MS
from relay.server.live_activities.tokens import buried, with_former_token, without_tokens

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


# What became of it.

Disposition = Literal["sent", "maybe sent", "not sent", "later", "dead", "refused"]
"""What became of a push.

`maybe sent`: it went out and no answer came. `later`: APNs asks for patience. `dead`: the token is. `refused`: sending it
again would not help.
"""

_UNANSWERED: dict[Transmission, Disposition] = {"not_sent": "not sent", "maybe_sent": "maybe sent"}
_ANSWERED: dict[Verdict, Disposition] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "dead",
    Verdict.OTHER_APP: "dead",  # for this card; a phone's token to start one is kept with the phone
    Verdict.RETRY_LATER: "later",
    Verdict.KEY_REFUSED: "later",
    Verdict.NEW_PROVIDER_TOKEN: "later",
    Verdict.OUR_FAULT: "refused",
}

NEVER_SEEN = frozenset({"not sent", "later"})
"""The phone certainly did not get it, and shows the phase of the push before."""
DOUBTS = 3
"""So often in a row a token may fail that died before it was registered: that may be a clock that is wrong, or an app that
registers again what is over. Unlike a device's, an activity's token never comes back to life (assumed)."""


def disposition(outcome: Outcome) -> Disposition:
    """By verdict where APNs answered; else by how far the push came."""
    return _UNANSWERED.get(outcome.transmission) or _ANSWERED[outcome.verdict]


def settled(activity: Activity, before: Activity, outcome: Outcome, now_ms: int) -> Activity | None:
    """The activity after its push; None: forget it, so that the next news of the session may start one.

    `before` is the activity that was pushed, `activity` as it stands now: news and tokens may have come meanwhile.
    """
    free = replace(activity, lease_owner=None, lease_until=0)
    pushed, ended = kind(before), disposition(outcome)
    if pushed != "start" and activity.activity_token != before.activity_token:
        return _of_another_token(free, before, outcome, now_ms)
    known = replace(free, apns_env=outcome.apns_env)
    if ended in NEVER_SEEN:
        known = replace(known, pushed_status=before.pushed_status)
    return _NEXT[pushed, ended](known, before, outcome, now_ms)


def _of_another_token(activity: Activity, before: Activity, outcome: Outcome, now_ms: int) -> Activity:
    """The push went to a token that is gone. One that came meanwhile gets the newest state; else nothing follows."""
    if _ended_or_dead(before, outcome):
        activity = buried(activity, before.activity_token)
    if activity.stage != "active":
        return activity  # over, or to be started anew
    return replace(activity, attempts=0, retry_at=0, due_at=now_ms if activity.state else None)


def _ended_or_dead(before: Activity, outcome: Outcome) -> bool:
    """Whether the token that was pushed to will never serve again."""
    what = disposition(outcome)
    return (what == "dead" and not _is_doubtful(before, outcome)) or (what, kind(before)) == ("sent", "end")


def _is_doubtful(activity: Activity, outcome: Outcome) -> bool:
    """Whether APNs calls a token dead that was registered after that."""
    return outcome.timestamp is not None and activity.registered_at >= outcome.timestamp


# Each takes the activity as it stands now, freed of its lease; the one that was pushed; the outcome; UTC ms.


def _as_it_is(activity: Activity, _before: Activity, _outcome: Outcome, _now_ms: int) -> Activity:
    return activity


def _start_taken(activity: Activity, _before: Activity, _outcome: Outcome, _now_ms: int) -> Activity:
    """Whether a phone shows it only its token says."""
    return replace(activity, unadopted=activity.unadopted + (activity.stage != "active"))


def _start_again(activity: Activity, before: Activity, outcome: Outcome, now_ms: int) -> Activity:
    """APNs did not take the start: it is tried again, with the newest state, and does not count."""
    activity = replace(activity, starts_at=before.starts_at)
    if activity.stage != "started":
        return activity  # the phone has one all the same, or dismissed it
    if activity.ends:
        return replace(activity, stage="ended")
    alert = activity.alert or before.alert
    return _later(replace(activity, stage="starting", alert=alert), outcome, now_ms)


def _free_the_fence(activity: Activity, _before: Activity, outcome: Outcome, _now_ms: int) -> Activity | None:
    """The next event may start one. Of a phone whose bundle id is wrong only the next run: it would be refused again."""
    if activity.stage != "started":
        return activity
    if outcome.verdict is Verdict.OTHER_APP:
        return replace(activity, stage="lost", due_at=None, alert=None)
    # What is known of the tokens of earlier cards is not forgotten.
    return replace(activity, stage="ended", ends=True, alert=None) if activity.dead_tokens else None


def _updated(activity: Activity, before: Activity, _outcome: Outcome, now_ms: int) -> Activity:
    """Done, unless there was news meanwhile; a question that was asked meanwhile has an alert."""
    done = replace(activity, attempts=0, retry_at=0)
    if (done.state, done.ends, done.alert) == (before.state, before.ends, None):
        return replace(done, due_at=None)
    return replace(done, due_at=due_at(done, now_ms))


def _over(activity: Activity, _before: Activity, _outcome: Outcome, now_ms: int) -> Activity:
    """The card is over; a run that began while its end was under way gets a new one."""
    over = replace(without_tokens(activity), attempts=0, retry_at=0, due_at=None)
    if over.ends:
        return replace(over, stage="ended")
    return replace(
        over, stage="starting", alert=over.alert or _START, due_at=now_ms, began_at=now_ms, pushed_status=None
    )


_START = Alert("Session Started", "OpenCode is working again.")


def _try_again(activity: Activity, before: Activity, outcome: Outcome, now_ms: int) -> Activity:
    """The newest state goes out later; a question that nobody saw keeps its text."""
    return _later(replace(activity, alert=activity.alert or _unseen(activity, before)), outcome, now_ms)


def _unseen(activity: Activity, before: Activity) -> Alert | None:
    """The question that the push had, if it still stands."""
    asks = activity.state is not None and activity.state.status == "permission"
    return before.alert if asks else None


def _token_dead(activity: Activity, before: Activity, outcome: Outcome, now_ms: int) -> Activity:
    """The token goes, but not one that was registered after APNs missed it; one whose place it took serves again. A run that
    began without a card gets one.
    """
    if (again := with_former_token(activity)) is not None:
        return replace(again, alert=activity.alert or _unseen(activity, before), due_at=now_ms)
    if _is_doubtful(activity, outcome) and activity.attempts < DOUBTS:
        return _try_again(activity, before, outcome, now_ms)
    of_earlier_run = kind(before) == "end" or _began_on(before) or _began_on(activity)
    if of_earlier_run and not activity.ends:
        return _over(activity, before, outcome, now_ms)
    return replace(without_tokens(activity), stage="lost", due_at=None, alert=None)


def _began_on(activity: Activity) -> bool:
    """Whether its run began on a token that was registered before: of a card that ended without the relay's knowledge."""
    return activity.event_type == "start" and activity.registered_at < activity.updated_at


def _later(activity: Activity, outcome: Outcome, now_ms: int) -> Activity:
    """Due again after a pause that grows with every failure in a row."""
    pause = retry_pause(FIRST_PAUSE_MS[disposition(outcome)], activity.attempts)
    retry_at = now_ms + pause
    return replace(activity, attempts=activity.attempts + 1, retry_at=retry_at, due_at=retry_at)


_NEXT: dict[tuple[Kind, Disposition], Callable[[Activity, Activity, Outcome, int], Activity | None]] = {
    ("start", "sent"): _start_taken,
    ("start", "maybe sent"): _as_it_is,
    ("start", "not sent"): _start_again,
    ("start", "later"): _start_again,
    ("start", "dead"): _free_the_fence,
    ("start", "refused"): _free_the_fence,
    ("update", "sent"): _updated,
    ("update", "maybe sent"): _try_again,
    ("update", "not sent"): _try_again,
    ("update", "later"): _try_again,
    ("update", "dead"): _token_dead,
    ("update", "refused"): _updated,
    ("end", "sent"): _over,
    ("end", "maybe sent"): _try_again,
    ("end", "not sent"): _try_again,
    ("end", "later"): _try_again,
    ("end", "dead"): _token_dead,
    ("end", "refused"): _over,
}
