"""Pure: what the outcome of a push makes of its Live Activity. No I/O."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from relay.apns.push import Outcome, Transmission
from relay.apns.reasons import Verdict
from relay.server.live_activities.activity import (
    EQUAL_PHASE_MS,
    LONGEST_PAUSE_MS,
    Activity,
    Alert,
    Kind,
    due_at,
    kind,
)
from relay.server.live_activities.tokens import buried, with_former_token, without_tokens

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

FIRST_PAUSE_MS = {"not sent": 1_000} | dict.fromkeys(("maybe sent", "later", "dead"), EQUAL_PHASE_MS)
"""Before the next try, by what became of the last: what did not leave may go soon, what may have arrived has the pace of
an update. It doubles with each failure. Apple asks for 15 minutes after a 5xx (documented): for a push that is repeated;
here the newest state goes out instead, ever more rarely."""
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


def retry_pause(first_ms: int, attempts: int) -> int:
    """Milliseconds before the next try, after so many that failed in a row."""
    return int(min(first_ms * 2 ** min(attempts, 12), LONGEST_PAUSE_MS))


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
