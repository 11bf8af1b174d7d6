"""Pure: what APNs said of an activity's push -> how the activity goes on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from relay.activity import throttle
from relay.activity.life import OVER, Kind, due_at
from relay.activity.record import Activity, Alert
from relay.apns.push import Answered, MaybeSent, NotSent, Outcome
from relay.apns.reasons import Reason, Verdict, judge
from relay.contract import ApnsEnv

Word = Literal["sent", "maybe sent", "retry", "dead", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a push.

    `maybe sent`: it went out and no answer came. `dead`: the token is, since `dead_since` (UTC ms; None: since ever).
    `refused`: sending it again would not help. `retry_at` (UTC ms) counts for `retry` and `maybe sent`.
    """

    word: Word
    apns_env: ApnsEnv
    retry_at: int = 0
    dead_since: int | None = None


def answer(
    outcome: Outcome, other: Outcome | None, *, apns_env: ApnsEnv, other_env: ApnsEnv, now_ms: int
) -> Answer:
    """What an outcome means, and the outcome in the other environment if the push was tried there too."""
    last, env = (outcome, apns_env) if other is None else (other, other_env)
    row = judge(last)
    if row.verdict is Verdict.WRONG_ENVIRONMENT:  # in neither; if the key is at fault, nobody can tell
        advice = judge(outcome).advice or row.advice
        return Answer(word="refused" if advice else "dead", apns_env=apns_env)
    word: Word = _WORDS[row.verdict]
    if isinstance(last, MaybeSent):
        word = "maybe sent"
    since = last.timestamp if isinstance(last, Answered) else None
    return Answer(word=word, apns_env=env, retry_at=now_ms + _pause_ms(last, row), dead_since=since)


def _pause_ms(outcome: Outcome, row: Reason) -> int:
    """What did not leave may go soon; what may have arrived has the pace of an update."""
    if isinstance(outcome, NotSent):
        return int((outcome.retry_after or 1.0) * 1000)
    return int(row.retry_after * 1000) if row.retry_after else throttle.EQUAL_PHASE_MS


_WORDS: dict[Verdict, Word] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "dead",
    Verdict.RETRY_LATER: "retry",
    Verdict.KEY_REFUSED: "retry",
    Verdict.NEW_PROVIDER_TOKEN: "retry",
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
    free = replace(activity, apns_env=answer.apns_env, lease_owner=None, lease_until=0)
    return _NEXT[push.kind, answer.word](_Case(free, push, answer, now_ms))


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
    if heard.stage in OVER or _same_news(case):
        return replace(heard, due_at=None)
    return replace(heard, due_at=due_at(heard, case.now_ms))


def _over(case: _Case) -> Activity:
    """The card is over; a run that began while its end was under way gets a new one."""
    over = replace(case.activity, activity_token=None, attempts=0, retry_at=0, due_at=None)
    if over.stage in OVER:
        return over
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
    if activity.stage in OVER:
        return replace(activity, due_at=None)
    asks = activity.state is not None and activity.state.status == "permission"
    unheard = case.push.before.alert if asks else None
    return _later(replace(activity, alert=activity.alert or unheard), case)


def _token_dead(case: _Case) -> Activity:
    """The token goes, and only this one: not one that came meanwhile, nor one registered after APNs missed it."""
    activity, dead_since = case.activity, case.answer.dead_since
    if activity.stage in OVER:
        return replace(activity, due_at=None)
    if activity.activity_token != case.push.before.activity_token:
        return replace(activity, due_at=case.now_ms, attempts=0, retry_at=0)
    if dead_since is not None and activity.registered_at >= dead_since:
        return _try_again(case)
    return replace(activity, stage="lost", activity_token=None, due_at=None, alert=None)


def _later(activity: Activity, case: _Case) -> Activity:
    """Due again after a pause that grows; APNs may ask for a shorter one, never for one that makes the state old."""
    latest = case.now_ms + throttle.retry_pause(activity.attempts)
    retry_at = max(case.now_ms, min(case.answer.retry_at or latest, latest))
    waiting = replace(activity, attempts=activity.attempts + 1, retry_at=retry_at)
    return replace(waiting, due_at=max(retry_at, waiting.pushed_at + throttle.PHASE_MS))


def _same_news(case: _Case) -> bool:
    """Whether the activity still says what went out; a question that was asked meanwhile has a text to be heard."""
    now, before = case.activity, case.push.before
    return now.state == before.state and now.ends == before.ends and now.alert is None


_NEXT: dict[tuple[Kind, Word], Callable[[_Case], Activity | None]] = {
    ("start", "sent"): _as_it_is,
    ("start", "maybe sent"): _as_it_is,
    ("start", "retry"): _start_again,
    ("start", "dead"): _free_the_fence,
    ("start", "refused"): _free_the_fence,
    ("update", "sent"): _updated,
    ("update", "maybe sent"): _try_again,
    ("update", "retry"): _try_again,
    ("update", "dead"): _token_dead,
    ("update", "refused"): _updated,
    ("end", "sent"): _over,
    ("end", "maybe sent"): _try_again,
    ("end", "retry"): _try_again,
    ("end", "dead"): _token_dead,
    ("end", "refused"): _over,
}
