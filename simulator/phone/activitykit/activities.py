"""All Live Activities of one app on one phone: what a push does to them, what the app does, what time does. No I/O.

Every method that changes something takes `now` (UNIX seconds) and returns what happened, in order.
"""

from collections.abc import Sequence
from random import Random

from simulator.phone.activitykit.activity import (
    Activity,
    By,
    Happened,
    Waiting,
    applied,
    dismissed,
    ended,
    first_due,
    sooner,
)
from simulator.phone.activitykit.attributes import ActivityType
from simulator.phone.activitykit.refusals import Change, Start, against_change, against_start
from simulator.phone.profile import Budget, Conditions, Profile
from simulator.phone.push import ActivityMessage

STALE_ON_ARRIVAL = "its stale-date was past when it came, so that it is not presented"


class Activities:
    """The activities, oldest first, dismissed ones included. `random` draws delays; without it they are the usual ones."""

    def __init__(
        self, bundle_id: str, types: Sequence[ActivityType], profile: Profile, random: Random | None = None
    ) -> None:
        self.all: list[Activity] = []
        self.starts = Budget()
        self._bundle_id = bundle_id
        self._types = {known.name: known for known in types}
        self._profile = profile
        self._random = random

    @property
    def types(self) -> tuple[ActivityType, ...]:
        """Those that the app knows."""
        return tuple(self._types.values())

    @property
    def running(self) -> tuple[Activity, ...]:
        """Those that are active or stale."""
        return tuple(activity for activity in self.all if activity.running)

    @property
    def visible(self) -> tuple[Activity, ...]:
        """Those on the lock screen, oldest first."""
        return tuple(activity for activity in self.all if activity.visible)

    # A start, by push or by the app.

    def start(
        self, message: ActivityMessage, phone: Conditions, now: float, by: By = "push"
    ) -> list[Happened]:
        """One more activity, or why not. Every start that arrives by push is counted, also a refused one (observed)."""
        if by == "push" and message.event == "start" and not self.starts.count(now, self._most_starts):
            log = f"Push-to-start budget exceeded for {self._bundle_id}::pushToStart; not starting activity"
            return [
                Happened(now, "dropped", "the push-to-start budget is used up", push=message.push, log=log)
            ]
        start = Start(message, phone, self._type(message), len(self.running), self._profile.max_activities)
        refusal = against_start(start, by)
        if refusal is not None:
            return [
                Happened(
                    now, "dropped", refusal.why, push=message.push, log=refusal.log, problem=refusal.problem
                )
            ]
        activity = self._new(start, by, now)
        self.all.append(activity)
        log = "" if activity.wants_token or activity.channel else "inputs: []"
        happened = [Happened(now, "started", f"by the {by}", activity, message.push, log)]
        if not activity.presented:
            happened.append(Happened(now, "stale", STALE_ON_ARRIVAL, activity))
        return happened

    @property
    def _most_starts(self) -> int:
        return self._profile.start_capacity

    def _type(self, message: ActivityMessage) -> ActivityType | None:
        return self._types.get(message.attributes_type or "")

    def _new(self, start: Start, by: By, now: float) -> Activity:
        """The activity of a start that nothing speaks against."""
        message, known = start.message, start.activity_type
        attributes, content_state = start.attributes, start.content_state
        assert known is not None
        assert attributes is not None
        assert content_state is not None
        return Activity(
            id=f"activity-{len(self.all) + 1}",
            type=known,
            attributes=attributes,
            content_state=content_state,
            started_at=now,
            started_by=by,
            timestamp=message.timestamp or 0.0,
            stale_date=message.stale_date,
            relevance_score=message.relevance_score or 0.0,
            channel=message.input_push_channel,
            # Observed: from iOS 18 on a start must ask for its update token.
            wants_token=message.input_push_token or (start.phone.ios < (18,) and by == "push"),
            alerts=[now] if message.lights else [],
        )

    # A change, by push.

    def change(
        self, activity: Activity, message: ActivityMessage, phone: Conditions, now: float
    ) -> list[Happened]:
        """A push to the update token of an activity, or to its channel. It is counted before it is read (assumed)."""
        if not activity.running:
            return [Happened(now, "dropped", "the activity has ended", activity, message.push)]
        most = self._profile.updates_an_hour(phone.frequent_updates)
        afforded = not message.urgent or activity.budget.spend(now, most)
        change = Change(message, activity)
        refusal = against_change(change)
        if refusal is not None:
            return [Happened(now, "dropped", refusal.why, activity, message.push, problem=refusal.problem)]
        waiting = self._waiting(change, afforded, phone, now)
        if waiting.due <= now:
            return self._apply_now(activity, waiting, now)
        return _defer(activity, waiting, "priority 5" if afforded else "the update budget is used up", now)

    def change_by_app(self, activity: Activity, message: ActivityMessage, now: float) -> list[Happened]:
        """The app changes or ends its activity itself: no budget, no delay."""
        if not activity.running:
            return [Happened(now, "dropped", "the activity has ended", activity)]
        change = Change(message, activity)
        refusal = against_change(change)
        if refusal is not None:
            return [Happened(now, "dropped", refusal.why, activity, problem=refusal.problem)]
        return self._apply_now(activity, Waiting(message, change.content_state, now), now)

    def _waiting(self, change: Change, afforded: bool, phone: Conditions, now: float) -> Waiting:
        """The push with the time at which it may be applied."""
        message, profile = change.message, self._profile
        pinned = not afforded and profile.update_over == "window"
        due_at = now
        if pinned:
            due_at = (
                change.activity.budget.refills_at(profile.update_window, profile.refill)
                or now + profile.update_window
            )
        elif not (afforded and message.urgent):
            due_at = now + phone.power_delay(profile).draw(self._random)
        if message.ends and not profile.end_waits and message.dismissal_date is not None:
            due_at, pinned = max(now, min(due_at, message.dismissal_date)), False
        return Waiting(message, change.content_state, due_at, pinned)

    def _apply_now(self, activity: Activity, waiting: Waiting, now: float) -> list[Happened]:
        older = activity.waiting
        happened = [applied(activity, waiting, now, self._profile)]
        if older is not None and (not activity.running or _stamp(older) <= _stamp(waiting)):
            activity.waiting = None
            happened.append(Happened(now, "dropped", "a newer one came first", activity, older.message.push))
        return happened

    # What the person, the phone and time do.

    def end_all(self, now: float, why: str, *, remove: bool = False) -> list[Happened]:
        """The system ends every running activity; with `remove` all leave the lock screen as well."""
        happened: list[Happened] = []
        for activity in self.all:
            if activity.running:
                happened += ended(activity, now, why)
            if remove and activity.state != "dismissed":
                happened += dismissed(activity, now, why)
        return happened

    def remove(self, activity: Activity, now: float, why: str) -> list[Happened]:
        """The app takes one away: it ends if it runs, and leaves every screen."""
        ends = ended(activity, now, why) if activity.running else []
        return ends + (dismissed(activity, now, why) if activity.state != "dismissed" else [])

    def swipe(self, now: float, *activities: Activity) -> list[Happened]:
        """The person swipes these away, without any the newest; what is not to be seen stays as it is."""
        newest = self.visible[-1:]
        seen = [activity for activity in activities or newest if activity.visible]
        return [one for activity in seen for one in dismissed(activity, now, "swiped away")]

    def power(self, phone: Conditions, now: float) -> None:
        """The screen went on or off: what waits for power waits no longer than it would if it came now."""
        for activity in self.running:
            waiting = activity.waiting
            if waiting is not None and not waiting.pinned:
                soonest = now + phone.power_delay(self._profile).draw(self._random)
                activity.waiting = sooner(waiting, soonest)

    def run_due(self, now: float) -> list[Happened]:
        """All that is due by now, each at its own time and in the order of those times."""
        happened: list[Happened] = []
        while (next_one := first_due(self.all, self.starts, self._profile, now)) is not None:
            happened += next_one()
        return happened

    def share_island(self, phone: Conditions) -> None:
        """The Dynamic Island belongs to the running activity of the highest relevance, of equals to the first."""
        presented = (activity for activity in self.running if activity.presented)
        ranked = sorted(presented, key=lambda activity: -activity.relevance_score)
        for activity in self.all:
            activity.island = phone.dynamic_island and bool(ranked) and activity is ranked[0]

    def remaining(self, kind: str, phone: Conditions) -> int:
        """What is left of the budget "start" of the app, or "update" of its newest activity. KeyError for others."""
        capacity = self._profile.updates_an_hour(phone.frequent_updates)
        budgets = {
            "start": (self.starts, self._profile.start_capacity),
            "update": (self.all[-1].budget if self.all else Budget(), capacity),
        }
        budget, most = budgets[kind]
        return budget.remaining(most)


def _defer(activity: Activity, waiting: Waiting, why: str, now: float) -> list[Happened]:
    """Keep it for later; of two that wait the newer is kept, in the place of the first (assumed)."""
    held = activity.waiting
    if held is not None and _stamp(waiting) < _stamp(held):
        return [Happened(now, "dropped", "a newer one waits", activity, waiting.message.push)]
    activity.waiting = waiting if held is None else sooner(waiting, held.due)
    happened = [Happened(now, "deferred", why, activity, waiting.message.push, until=activity.waiting.due)]
    if held is not None:
        happened.append(Happened(now, "dropped", "a newer one waits", activity, held.message.push))
    return happened


def _stamp(waiting: Waiting) -> float:
    return waiting.message.timestamp or 0.0
