"""Pure: what APNs said of an activity's push -> how the activity goes on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from relay.apns.push import Outcome, Transmission
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv
from relay.server.live_activities import throttle
from relay.server.live_activities.life import Kind, due_at
from relay.server.live_activities.record import Activity, Alert

Word = Literal["sent", "maybe sent", "not sent", "later", "dead", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a push.

    `maybe sent`: it went out and no answer came. `later`: APNs asks for patience. `dead`: the token is, since
    `dead_since` (UTC ms; None: since ever). `refused`: sending it again would not help.
    """

    word: Word
    apns_env: ApnsEnv
    dead_since: int | None = None


def answer(outcome: Outcome) -> Answer:
    """What an outcome means."""
    word = _UNANSWERED.get(outcome.transmission) or _WORDS[outcome.verdict]
    return Answer(word=word, apns_env=outcome.apns_env, dead_since=outcome.timestamp)


_UNANSWERED: dict[Transmission, Word] = {"not_sent": "not sent", "maybe_sent": "maybe sent"}
_WORDS: dict[Verdict, Word] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "dead",
    Verdict.RETRY_LATER: "later",
    Verdict.KEY_REFUSED: "later",
    Verdict.NEW_PROVIDER_TOKEN: "later",
    Verdict.OUR_FAULT: "refused",
}


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A push between APNs and the database: the activity before it, and what it was."""

    before: Activity
    kind: Kind


def settled(activity: Activity, push: UnderWay, answer: Answer, now_ms: int) -> Activity | None:
    """The activity after the answer; None: forget it, so that the next news of the session may start one.

    `activity` is as it stands now: news and tokens may have come while the push was under way.
    """
    free = replace(activity, lease_owner=None, lease_until=0)
    if push.kind != "start" and activity.activity_token != push.before.activity_token:
        return _of_another_token(free, now_ms)
    known = replace(free, apns_env=answer.apns_env)
    if answer.word in NEVER_SEEN:
        known = replace(known, pushed_status=push.before.pushed_status)
    return _NEXT[push.kind, answer.word](_Case(known, push, answer, now_ms))


NEVER_SEEN = frozenset({"not sent", "later"})
"""The phone certainly did not get it, and shows the phase of the push before."""


def _of_another_token(activity: Activity, now_ms: int) -> Activity:
    """The answer is of a token that is gone. One that came meanwhile gets the newest state; else nothing follows."""
    if activity.stage != "active":
        return activity  # over, or to be started anew
    return replace(activity, attempts=0, retry_at=0, due_at=now_ms if activity.state else None)


class _Case(NamedTuple):
    """An activity, freed of its lease, whose push was answered."""

    activity: Activity
    push: UnderWay
    answer: Answer
    now_ms: int


def _as_it_is(case: _Case) -> Activity:
    return case.activity


def _start_again(case: _Case) -> Activity:
    """APNs did not take the start: it is tried again, with the newest state."""
    activity = case.activity
    if activity.stage != "started":
        return activity  # the phone has one all the same, or dismissed it
    if activity.ends:
        return replace(activity, stage="ended")
    alert = activity.alert or case.push.before.alert
    return _later(replace(activity, stage="starting", alert=alert), case)


def _free_the_fence(case: _Case) -> Activity | None:
    return None if case.activity.stage == "started" else case.activity


def _updated(case: _Case) -> Activity:
    """Done, unless there was news meanwhile."""
    heard = replace(case.activity, attempts=0, retry_at=0)
    if _same_news(case):
        return replace(heard, due_at=None)
    return replace(heard, due_at=due_at(heard, case.now_ms))


def _over(case: _Case) -> Activity:
    """The card is over; a run that began while its end was under way gets a new one."""
    over = replace(case.activity, activity_token=None, attempts=0, retry_at=0, due_at=None)
    if over.ends:
        return replace(over, stage="ended")
    now_ms = case.now_ms
    return replace(
        over, stage="starting", alert=over.alert or _START, due_at=now_ms, began_at=now_ms, pushed_status=None
    )


_START = Alert("Session Started", "OpenCode is working again.")


def _try_again(case: _Case) -> Activity:
    """The newest state goes out later; a question that was not heard keeps its text."""
    activity = case.activity
    asks = activity.state is not None and activity.state.status == "permission"
    unheard = case.push.before.alert if asks else None
    return _later(replace(activity, alert=activity.alert or unheard), case)


DOUBTS = 3
"""So often in a row a token may fail that died before it was registered: that may be a clock that is wrong, or an app that
registers again what is over. Unlike a device's, an activity's token never comes back to life (assumed)."""


def _token_dead(case: _Case) -> Activity:
    """The token goes, but not one that was registered after APNs missed it. A run that began without a card gets one."""
    activity, dead_since = case.activity, case.answer.dead_since
    doubtful = dead_since is not None and activity.registered_at >= dead_since
    if doubtful and activity.attempts < DOUBTS:
        return _try_again(case)
    of_earlier_run = case.push.kind == "end" or _began_on(case.push.before) or _began_on(activity)
    if of_earlier_run and not activity.ends:
        return _over(case)
    return replace(activity, stage="lost", activity_token=None, due_at=None, alert=None)


def _began_on(activity: Activity) -> bool:
    """Whether its run began on a token that was registered before: of a card that ended without the relay's knowledge."""
    return activity.event_type == "start" and activity.registered_at < activity.updated_at


def _later(activity: Activity, case: _Case) -> Activity:
    """Due again after a pause that grows with every failure in a row."""
    pause = throttle.retry_pause(throttle.FIRST_PAUSE_MS[case.answer.word], activity.attempts)
    retry_at = case.now_ms + pause
    return replace(activity, attempts=activity.attempts + 1, retry_at=retry_at, due_at=retry_at)


def _same_news(case: _Case) -> bool:
    """Whether the activity still says what went out; a question that was asked meanwhile has a text to be heard."""
    now, before = case.activity, case.push.before
    return now.state == before.state and now.ends == before.ends and now.alert is None


_NEXT: dict[tuple[Kind, Word], Callable[[_Case], Activity | None]] = {
    ("start", "sent"): _as_it_is,
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
