"""What time does to Live Activities: what is due first, and doing it. No I/O; times are UNIX seconds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from simulator.phone.activitykit.activity import Activity, Happened, Waiting
from simulator.phone.profile import Budget, Profile

Act = Callable[[], list[Happened]]


def first(activities: Sequence[Activity], starts: Budget, profile: Profile, now: float) -> Act | None:
    """What is due first of all that is due by now; of what is due at one time the order of DUE decides."""
    dues = [
        (at, rank, number, act)
        for number, activity in enumerate(activities)
        for rank, at, act in _of(activity, profile)
        if at <= now
    ]
    refills_at = starts.refills_at(profile.start_window, profile.refill)
    if refills_at is not None and refills_at <= now:
        window = profile.start_window
        dues.append(
            (refills_at, len(DUE), 0, lambda: _refill(starts, refills_at, "push-to-start", window, profile))
        )
    return min(dues, key=lambda entry: entry[:3])[3] if dues else None


def applied(activity: Activity, waiting: Waiting, at: float, profile: Profile) -> Happened:
    """Take a push over; it is drawn if the eye may see it now. An alert and an end are drawn at once (assumed)."""
    message = waiting.message
    activity.apply(message, waiting.content_state, at)
    drawn = activity.draws_at(profile.render_min_interval)
    if message.alert or message.ends or (drawn is not None and drawn <= at):
        activity.draw(at)
    return Happened(at, "ended" if message.ends else "updated", "", activity, message.push)


def ended(activity: Activity, at: float, why: str) -> list[Happened]:
    """The system ends an activity; what was waiting for it is lost."""
    lost = _lost(activity, at)
    activity.end(at)
    return [Happened(at, "ended", why, activity), *lost]


def dismissed(activity: Activity, at: float, why: str) -> list[Happened]:
    """An activity leaves every screen; what was waiting for it is lost."""
    lost = _lost(activity, at)
    activity.dismiss(at)
    return [Happened(at, "dismissed", why, activity), *lost]


def _lost(activity: Activity, at: float) -> list[Happened]:
    waiting = activity.waiting
    if waiting is None:
        return []
    return [Happened(at, "dropped", "the activity has ended", activity, waiting.message.push)]


def sooner(waiting: Waiting, due: float) -> Waiting:
    """The same, waiting no longer than until `due`."""
    return replace(waiting, due=min(waiting.due, due))


def _of(activity: Activity, profile: Profile) -> Iterator[tuple[int, float, Act]]:
    for rank, (when, act) in enumerate(DUE):
        at = when(activity, profile)
        if at is not None:
            at = max(at, activity.changed_at)
            yield rank, at, _bound(act, activity, at, profile)


def _bound(
    act: Callable[[Activity, float, Profile], list[Happened]], activity: Activity, at: float, profile: Profile
) -> Act:
    return lambda: act(activity, at, profile)


def _apply(activity: Activity, at: float, profile: Profile) -> list[Happened]:
    waiting = activity.waiting
    assert waiting is not None
    activity.waiting = None
    if (waiting.message.timestamp or 0.0) < activity.timestamp:
        why = "its timestamp is older than the last"
        return [Happened(at, "dropped", why, activity, waiting.message.push)]
    return [applied(activity, waiting, at, profile)]


def _stale(activity: Activity, at: float, _profile: Profile) -> list[Happened]:
    activity.state, activity.changed_at = "stale", at
    return [Happened(at, "stale", "its stale-date has passed", activity)]


def _end(activity: Activity, at: float, _profile: Profile) -> list[Happened]:
    return ended(activity, at, "8 hours are over")


def _dismiss(activity: Activity, at: float, _profile: Profile) -> list[Happened]:
    return dismissed(activity, at, "its time on the lock screen is over")


def _draw(activity: Activity, at: float, _profile: Profile) -> list[Happened]:
    activity.draw(at)
    return []


def _refill(budget: Budget, at: float, of: str, window: float, profile: Profile) -> list[Happened]:
    """Only a whole window is worth an entry."""
    budget.refill(window, profile.refill)
    return [Happened(at, "budget reset", of)] if profile.refill == "window" else []


DUE: tuple[
    tuple[Callable[[Activity, Profile], float | None], Callable[[Activity, float, Profile], list[Happened]]],
    ...,
] = (
    (
        lambda activity, profile: (
            activity.budget.refills_at(profile.update_window, profile.refill) if activity.running else None
        ),
        lambda activity, at, profile: [
            replace(happened, activity=activity)
            for happened in _refill(activity.budget, at, "update", profile.update_window, profile)
        ],
    ),
    (lambda activity, _profile: activity.waiting.due if activity.waiting else None, _apply),
    (lambda activity, _profile: activity.stale_at, _stale),
    (lambda activity, _profile: activity.ends_at, _end),
    (lambda activity, _profile: activity.gone_at, _dismiss),
    (lambda activity, profile: activity.draws_at(profile.render_min_interval), _draw),
)
"""What can come due for one activity, and what happens then; at one and the same time in this order."""
