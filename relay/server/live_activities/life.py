"""Pure: how an activity goes on when its session has news, when its push goes out, and what begins with an event."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from relay.contract import ContentState, Event
from relay.server.delivery import Recipient
from relay.server.live_activities import throttle
from relay.server.live_activities.record import Activity, activity_id
from relay.server.live_activities.updates import DEFAULT_TITLE, News, news_of, start_alert

Kind = Literal["start", "update", "end"]
"""`aps.event`."""

OVER = frozenset({"ended", "dismissed"})

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
) -> tuple[list[Activity], list[Activity]]:
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
        return [], changed  # the app that does not name its phone has its activity already
    there = {one.device_token for one in known}
    begun = [
        opened(news, phone, secret_hash=secret_hash, session_id=event.session_id, now_ms=now_ms)
        for token, phone in startable.items()
        if token not in there
    ]
    return begun, changed


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


def due_at(activity: Activity, now_ms: int) -> int | None:
    """When its newest state may go to the phone; None: there is no token yet, it is kept."""
    if activity.stage != "active" or activity.state is None:
        return None
    last = throttle.LastPush(activity.pushed_status, activity.pushed_at)
    return throttle.due_at(_phase(activity), last, retry_at=activity.retry_at, now_ms=now_ms)


def _phase(activity: Activity) -> str:
    """What counts as a change: the status, and that it is the end."""
    status = activity.state.status if activity.state else ""
    return f"{status} end" if activity.ends else status


# Its push.


def kind(activity: Activity) -> Kind:
    """What its next push is."""
    if activity.stage == "starting":
        return "start"
    return "end" if activity.ends else "update"


def priority(activity: Activity, now_ms: int) -> int:
    """The apns-priority of its next push: 10 for a start, an end and a question, within the hour's budget."""
    urgent = activity.alert is not None or activity.ends
    return 10 if kind(activity) == "start" else throttle.priority(urgent, activity.priority_10_at, now_ms)


def begun(activity: Activity, *, claim: str, lease_until: int, now_ms: int) -> Activity | None:
    """The activity with its push under way, or None if none is due.

    Written before the push goes out. A relay that dies with an update in its hands leaves it due when the lease ends;
    a start is not sent again, because it may have arrived: one too few is better than two cards.
    """
    if activity.due_at is None or activity.due_at > now_ms or activity.lease_until > now_ms:
        return None
    counted = throttle.within_hour(activity.priority_10_at, now_ms)
    under_way = replace(
        activity,
        timestamp=max(now_ms // 1000, activity.timestamp + 1),
        pushed_status=_phase(activity),
        pushed_at=now_ms,
        alert=None,
        lease_owner=claim,
        lease_until=lease_until,
    )
    if kind(activity) == "start":
        return replace(under_way, stage="started", began_at=now_ms, due_at=None, priority_10_at=counted)
    if priority(activity, now_ms) == 10:
        counted = (*counted, now_ms)
    return replace(under_way, due_at=lease_until, priority_10_at=counted)


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
