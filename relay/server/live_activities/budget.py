"""Pure: what one phone shows and starts at most, and whose turn it is when that is too little. No I/O.

Source: an Apple engineer (DTS) in developer forum 799505, on what devices do, not documented: about ten starts by push in a
short time, whatever the app's settings (observed); five activities of an app at once (observed by OneSignal and Adobe;
ActivityKit documents the errors targetMaximumExceeded and globalMaximumExceeded, and no number). That the ten come back
within an hour, and that a card which ended makes room at once, is assumed. A start beyond them is taken by APNs and shown by
no phone, so it waits here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.server.live_activities.activity import LONGEST_PAUSE_MS, RELEVANCE, Activity


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
