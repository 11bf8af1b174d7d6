"""Pure: the life of one Live Activity on one phone: what the session's news, the phone's tokens and time make of it. No I/O."""

from collections.abc import Sequence
from dataclasses import replace

from relay.contract import ContentState, Event
from relay.server.delivery import Recipient
from relay.server.live_activities.activity import (
    DEFAULT_TITLE,
    SESSION,
    Activity,
    Alert,
    Changes,
    News,
    activity_id,
    due_at,
    news_of,
    phase,
    start_alert,
)
from relay.server.live_activities.tokens import without_tokens

REOPEN_MS = 12_000
"""So long after an end, news that overtook one another are not taken for a new run; `start` always is one."""
LONGEST_MS = 8 * 3_600_000
"""Apple: the system ends an activity after 8 hours (documented)."""
TIMED_OUT_MS = LONGEST_MS - 300_000
"""The relay ends it five minutes earlier, in its own words; one whose token never came ends by itself."""
FORGOTTEN_MS = 24 * 3_600_000
"""What is over keeps late news from starting it again; nobody is that late."""
TIMED_OUT = "Timed out"
ADOPTION_MS = 5_000
"""So long after a start the phone may take to register the card's token, before another start goes out (assumed)."""


# News of the session.


def after_event(
    known: Sequence[Activity],
    event: Event,
    *,
    event_id: str,
    secret_hash: str,
    recipients: Sequence[Recipient],
    now_ms: int,
) -> Changes:
    """The activities that begin with an event, and those of its session, `known`, that go on differently.

    While none takes the news, because no phone can be reached yet, the session's own row keeps them: an app may have begun
    a card itself, whose token comes later (pingdotgg/t3code#3685).
    """
    latest = max(known, key=lambda one: one.updated_at, default=None)
    news = news_of(event, event_id, latest.state if latest else None)
    startable = {phone.device_token: phone for phone in recipients if phone.push_to_start_token}
    after = [
        (before, observe(before, news, can_start=before.device_token in startable, now_ms=now_ms))
        for before in known
    ]
    changed = [now for before, now in after if now is not before]
    session = (secret_hash, event.session_id)
    begun = [opened(news, phone, session, now_ms) for phone in _to_begin_on(startable, known, news)]
    kept = [one for one in known if one.device_token == SESSION]
    if begun or any(now.stage != "ended" for _, now in after if now.device_token != SESSION):
        return Changes(begun, [one for one in changed if one.device_token != SESSION], kept)
    if kept or not recipients or any(_is_late(one, news, now_ms) for one in known):
        return Changes(changed=changed)
    return Changes([_kept(news, session, now_ms)], changed)


def _to_begin_on(startable: dict[str, Recipient], known: Sequence[Activity], news: News) -> list[Recipient]:
    """The phones on which the session has no activity yet. The app that does not name its phone has its activity already."""
    if news.ends or any(one.device_token == "" and one.stage == "active" for one in known):
        return []
    there = {one.device_token for one in known}
    return [phone for token, phone in startable.items() if token not in there]


def opened(news: News, phone: Recipient, session: tuple[str, str], now_ms: int) -> Activity:
    """The activity that begins with this news on a phone that can be started by push. `session`: hash of the secret, and id."""
    return Activity(
        id=activity_id(*session, phone.device_token),
        secret_hash=session[0],
        session_id=session[1],
        device_token=phone.device_token,
        bundle_id=phone.bundle_id,
        apns_env=phone.apns_env,
        activity_format=phone.activity_format,
        stage="starting",
        event_type=news.event_type,
        event_id=news.event_id,
        state=news.state,
        status_at=now_ms,
        alert=start_alert(news),
        due_at=now_ms,
        began_at=now_ms,
        updated_at=now_ms,
    )


def _kept(news: News, session: tuple[str, str], now_ms: int) -> Activity:
    """The row of the session itself: it awaits a phone's token as one whose token was lost does, and is of no app."""
    return Activity(
        id=activity_id(*session, SESSION),
        secret_hash=session[0],
        session_id=session[1],
        device_token=SESSION,
        bundle_id="",
        apns_env="production",
        activity_format="flat",
        stage="lost",
        event_type=news.event_type,
        event_id=news.event_id,
        state=news.state,
        status_at=now_ms,
        alert=news.alert,
        ends=news.ends,
        ended_at=now_ms if news.ends else 0,
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
    """What is over begins anew with whatever says that the session works again, also one that was started and whose token never
    came: APNs takes a start that no phone shows (kylebshr/luka-ios#146, home-assistant/iOS#5812). What the phone ended,
    or lost amid the run, with a `start` alone.
    """
    if activity.stage == "ended" or (activity.stage in ("lost", "started") and activity.ends):
        return True
    return activity.stage in ("dismissed", "lost") and news.event_type == "start"


def _restarted(activity: Activity, news: News, now_ms: int) -> Activity:
    changed = replace(
        activity,
        event_id=news.event_id,
        event_type=news.event_type,
        state=news.state,
        status_at=now_ms,
        updated_at=now_ms,
    )
    return _anew(changed, start_alert(news), now_ms)


def _anew(activity: Activity, alert: Alert, now_ms: int) -> Activity:
    """It is to be started by push. A card that a start brought a moment ago may still be registered, and serves."""
    adopted_by = activity.pushed_at + ADOPTION_MS if activity.stage == "started" else 0
    return replace(
        without_tokens(activity),
        stage="starting",
        alert=alert,
        ends=False,
        due_at=max(now_ms, activity.retry_at, min(adopted_by, now_ms + ADOPTION_MS)),
        pushed_status=None,
        ended_at=0,
        began_at=now_ms,
    )


def _with_state(activity: Activity, news: News, now_ms: int) -> Activity:
    changed = replace(
        activity,
        event_id=news.event_id,
        event_type=news.event_type,
        state=news.state,
        status_at=activity.status_at if _same_status(activity, news) else now_ms,
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


def _same_status(activity: Activity, news: News) -> bool:
    return activity.state is not None and activity.state.status == news.state.status


# The phone's push-to-start token.


def with_start_token(activity: Activity, now_ms: int) -> Activity:
    """The activity after its phone registered another push-to-start token: a start that went to the old one and was never
    adopted is made again, but not beside a card whose own token comes with the same launch of the app.
    """
    if activity.stage != "started" or activity.ends or activity.state is None:
        return activity
    words = activity.alert or start_alert(News("", activity.event_type, activity.state))
    return replace(_anew(activity, words, now_ms), due_at=now_ms + ADOPTION_MS, updated_at=now_ms)


STALE_STARTS = 3
"""So many starts without an answer are worth a word to the operator (assumed: one or two may be the budget, or a phone that is off)."""


def in_vain(activities: Sequence[Activity]) -> int:
    """How many starts on this phone APNs took since it last registered a card's token, if that is worth a word; else 0."""
    adopted_at = max((one.registered_at for one in activities), default=0)
    starts = sum(one.unadopted for one in activities if one.pushed_at > adopted_at)
    return starts if starts >= STALE_STARTS else 0


def in_vain_words(starts: int) -> str:
    """For the log and the doctor."""
    return f"{starts} starts accepted, none adopted: the start token may be stale"


# Time.


def timed_out(activity: Activity, now_ms: int) -> Activity:
    """The activity near the system's limit of 8 hours: its card says so and ends, and the next news start another.

    Without a token nothing can be said, and nothing may be started before the system has ended the card.
    """
    if activity.stage != "active" and now_ms < activity.began_at + LONGEST_MS:
        return activity
    if activity.stage != "active" and activity.ends:  # over already, on a card whose token never came
        return replace(without_tokens(activity), stage="ended", alert=None, due_at=None)
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
    return replace(without_tokens(ended), stage="ended", pushed_status=phase(ended), due_at=None)
