"""Pure: the life of one Live Activity on one phone: what the session's news, the phone's tokens and time make of it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from relay.contract import ActivityFormat, ApnsEnv, ContentState, Event
from relay.server.delivery import Recipient
from relay.server.live_activities.activity import (
    DEFAULT_TITLE,
    PHASE_MS,
    Activity,
    Changes,
    News,
    Stage,
    activity_id,
    due_at,
    news_of,
    start_alert,
    window_ends,
)

OVER = frozenset({"ended", "dismissed"})
AWAITING = frozenset({"starting", "started", "lost"})

REOPEN_MS = 12_000
"""So long after an end, news that overtook one another are not taken for a new run; `start` always is one."""
LONGEST_MS = 8 * 3_600_000
"""Apple: the system ends an activity after 8 hours (documented)."""
TIMED_OUT_MS = LONGEST_MS - 300_000
"""The relay ends it five minutes earlier, in its own words; one whose token never came ends by itself."""
FORGOTTEN_MS = 24 * 3_600_000
"""What is over keeps late news from starting it again; nobody is that late."""
TIMED_OUT = "Timed out"


# News of the session.


def concerned(recipients: Sequence[Recipient], known: Sequence[Activity]) -> bool:
    """Whether an event can change anything: there is an activity, or a phone on which one can be started."""
    return bool(known) or any(phone.push_to_start_token for phone in recipients)


def after_event(
    event: Event,
    *,
    event_id: str,
    secret_hash: str,
    recipients: Sequence[Recipient],
    known: Sequence[Activity],
    now_ms: int,
) -> Changes:
    """The activities that begin with an event, and those of its session that go on differently."""
    latest = max(known, key=lambda one: one.updated_at, default=None)
    news = news_of(event, event_id, latest.state if latest else None)
    startable = {phone.device_token: phone for phone in recipients if phone.push_to_start_token}
    after = [
        (before, observe(before, news, can_start=before.device_token in startable, now_ms=now_ms))
        for before in known
    ]
    changed = [now for before, now in after if now is not before]
    if news.ends or any(one.device_token == "" and one.stage == "active" for one in known):
        return Changes(changed=changed)  # the app that does not name its phone has its activity already
    there = {one.device_token for one in known}
    begun = [
        opened(news, phone, secret_hash=secret_hash, session_id=event.session_id, now_ms=now_ms)
        for token, phone in startable.items()
        if token not in there
    ]
    return Changes(begun, changed)


def opened(news: News, phone: Recipient, *, secret_hash: str, session_id: str, now_ms: int) -> Activity:
    """The activity that begins with this news on a phone that can be started by push."""
    return Activity(
        id=activity_id(secret_hash, session_id, phone.device_token),
        secret_hash=secret_hash,
        session_id=session_id,
        device_token=phone.device_token,
        bundle_id=phone.bundle_id,
        apns_env=phone.apns_env,
        activity_format=phone.activity_format,
        stage="starting",
        event_type=news.event_type,
        event_id=news.event_id,
        state=news.state,
        alert=start_alert(news),
        due_at=now_ms,
        began_at=now_ms,
        updated_at=now_ms,
    )


def observe(activity: Activity, news: News, *, can_start: bool, now_ms: int) -> Activity:
    """The activity after the news; the same one if they are old or change nothing.

    `can_start`: the phone has a push-to-start token, so that an activity that is over can begin anew.
    """
    if news.event_id == activity.event_id or _is_late(activity, news, now_ms):
        return activity
    if can_start and _brings_a_card(activity, news):
        return _restarted(activity, news, now_ms)
    return activity if activity.stage == "ended" else _with_state(activity, news, now_ms)


def _is_late(activity: Activity, news: News, now_ms: int) -> bool:
    """After its end an activity takes no more news of that run, whatever overtook what."""
    over = activity.stage == "ended" or activity.ends
    # abs: of a clock that was set back meanwhile, and of another relay's that is a little ahead.
    new_run = news.event_type == "start" or abs(now_ms - activity.ended_at) >= REOPEN_MS
    return over and (news.ends or not new_run)


def _brings_a_card(activity: Activity, news: News) -> bool:
    if activity.stage == "ended" or (activity.stage == "lost" and activity.ends):
        return True
    return activity.stage in ("dismissed", "lost") and news.event_type == "start"


def _restarted(activity: Activity, news: News, now_ms: int) -> Activity:
    return replace(
        activity,
        stage="starting",
        activity_token=None,
        event_id=news.event_id,
        event_type=news.event_type,
        state=news.state,
        alert=start_alert(news),
        ends=False,
        due_at=max(now_ms, activity.retry_at),
        pushed_status=None,
        ended_at=0,
        began_at=now_ms,
        updated_at=now_ms,
    )


def _with_state(activity: Activity, news: News, now_ms: int) -> Activity:
    changed = replace(
        activity,
        event_id=news.event_id,
        event_type=news.event_type,
        state=news.state,
        alert=news.alert or (activity.alert if news.state.status == "permission" else None),
        ends=news.ends,
        ended_at=now_ms if news.ends else 0,
        updated_at=now_ms,
    )
    if news.ends and activity.stage in (
        "starting",
        "dismissed",
    ):  # over before there was a card, or long after
        return replace(changed, stage="ended", alert=None, due_at=None)
    if activity.stage == "starting":
        return replace(changed, alert=start_alert(news))
    return replace(changed, due_at=due_at(changed, now_ms))


# Its tokens.


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


def registered(activities: Sequence[Activity], registration: Registration, now_ms: int) -> Changes:
    """The activity that has the token now, new or changed, and one that had it before and goes.

    `activities` are all of the session. A state that came before the token is due at once.
    """
    holder = next((one for one in activities if one.activity_token == registration.activity_token), None)
    if holder is not None and registration.device_token in ("", holder.device_token):
        return Changes(changed=[_with_token(holder, registration, now_ms)])
    place = _place(activities, registration)
    if holder is not None:  # the phone's own token changed, or the app began to say which phone it is
        active, gone = _taken_over(holder, place, registration), [holder]
    else:
        active, gone = place or _new(registration, now_ms), []
    after = _with_token(active, registration, now_ms)
    return Changes([], [after], gone) if place else Changes([after], [], gone)


def unregistered(activities: Sequence[Activity], device_token: str, now_ms: int) -> Changes:
    """The activities that an app means are over on the phone."""
    return Changes(changed=[dismissed(one, now_ms) for one in named(activities, device_token)])


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
    soon = window_ends(activity.pushed_at, PHASE_MS, now_ms)
    if activity.stage in OVER:  # the app began another one
        state = activity.state if activity.stage == "dismissed" else None
        return replace(
            active, state=state, alert=None, ends=False, began_at=now_ms, ended_at=0, pushed_status=None,
            due_at=soon if state else None, attempts=0, retry_at=0,
        )  # fmt: skip
    if activity.stage in AWAITING:  # a question that came after the start was not seen yet
        alert = activity.alert if activity.stage == "started" else None
        return replace(active, alert=alert, due_at=soon)
    if activity.activity_token != registration.activity_token:
        # What APNs still keeps for the old token, for a phone that is off, is lost with it.
        return replace(active, due_at=due_at(active, now_ms))
    return active


# Time.


def timed_out(activity: Activity, now_ms: int) -> Activity:
    """The activity near the system's limit of 8 hours: its card says so and ends, and the next news start another.

    Without a token nothing can be said, and nothing may be started before the system has ended the card.
    """
    if activity.stage != "active" and now_ms < activity.began_at + LONGEST_MS:
        return activity
    state = activity.state or ContentState(status="working", session_title=DEFAULT_TITLE, last_message="")
    ended = replace(
        activity,
        state=ContentState(status=state.status, session_title=state.session_title, last_message=TIMED_OUT),
        alert=None,
        ends=True,
        ended_at=now_ms,
        updated_at=now_ms,
    )
    if activity.stage == "active":
        return replace(ended, due_at=due_at(ended, now_ms))
    return replace(ended, stage="ended", due_at=None)
