"""One Live Activity on one phone: what it holds, how it changes, and what time does to it. No I/O.

All times are UNIX seconds. Documented (Apple, "Displaying live data with Live Activities"): the system ends an activity
after 8 hours and removes an ended one from the lock screen after at most 4 more; a dismissal-date in the past removes it at
once, others count up to 4 hours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from simulator.phone.activitykit.attributes import ActivityType
from simulator.phone.profile import Budget, Profile, RelevanceLeftOut
from simulator.phone.push import ActivityMessage, Push

LONGEST = 8 * 3600.0
"""Seconds after which the system ends an activity."""

LINGERS = 4 * 3600.0
"""Seconds for which an ended activity stays on the lock screen at the most."""

State = Literal["active", "stale", "ended", "dismissed"]
By = Literal["push", "app"]
RUNNING = frozenset({"active", "stale"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A push that waits: for power until `due`, or, `pinned`, until the budget comes back."""

    message: ActivityMessage
    content_state: dict[str, Any] | None
    due: float
    pinned: bool = False


@dataclass(slots=True, eq=False)
class Activity:
    """One activity. `content_state` is what ActivityKit holds, `drawn` what the eye sees of it.

    `timestamp` is that of the newest push applied; `alerts` are the times at which a push lit the screen up.
    `update_token_known`: whether the app has been handed `token`; `island` whether it owns the Dynamic Island;
    `presented` is false for one that was stale when it came.
    """

    id: str
    type: ActivityType
    attributes: dict[str, Any]
    content_state: dict[str, Any]
    started_at: float
    timestamp: float
    started_by: By = "app"
    stale_date: float | None = None
    relevance_score: float = 0.0
    channel: str | None = None
    wants_token: bool = True
    token: str | None = None
    update_token_known: bool = False
    state: State = "active"
    island: bool = False
    presented: bool = True
    leaves_at: float | None = None
    changed_at: float = 0.0
    drawn_at: float = 0.0
    waiting: Waiting | None = None
    budget: Budget = field(default_factory=Budget)
    alerts: list[float] = field(default_factory=list)
    drawn: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """It is drawn as it starts.

        Observed (nalu-development/nalu PR 222): one whose stale-date is past as it comes is stale at once and never
        presented. Assumed: an update that is not stale presents it.
        """
        self.drawn = self.content_state
        self.changed_at = self.drawn_at = self.started_at
        if self.stale_date is not None and self.stale_date <= self.started_at:
            self.state, self.presented = "stale", False

    @property
    def running(self) -> bool:
        """Whether updates still reach it."""
        return self.state in RUNNING

    @property
    def visible(self) -> bool:
        """Whether it is on the lock screen."""
        return self.presented and self.state != "dismissed"

    @property
    def ends_at(self) -> float | None:
        """When the system ends it; None once it has ended."""
        return self.started_at + LONGEST if self.running else None

    @property
    def stale_at(self) -> float | None:
        """When it becomes stale; None if it is, or never will."""
        return self.stale_date if self.state == "active" else None

    @property
    def gone_at(self) -> float | None:
        """When it leaves the lock screen; None while it runs or if it has left."""
        return self.leaves_at if self.state == "ended" else None

    def draws_at(self, interval: float) -> float | None:
        """When the eye may see the newest content, at most every `interval` seconds; None if it does."""
        return self.drawn_at + interval if self.visible and self.drawn is not self.content_state else None

    def apply(
        self, message: ActivityMessage, content_state: dict[str, Any] | None, at: float, profile: Profile
    ) -> None:
        """Take over an update, or the end of the activity. The content is replaced as a whole (documented)."""
        self.content_state = self.content_state if content_state is None else content_state
        self.timestamp = message.timestamp if message.timestamp is not None else self.timestamp
        self.changed_at = at
        if message.lights:
            self.alerts.append(at)
        if message.ends:
            self.end(at, message.dismissal_date)
        else:
            self.renew(message, at, profile.relevance_left_out)

    def renew(self, message: ActivityMessage, at: float, left_out: RelevanceLeftOut) -> None:
        """New content is not stale, until its own date; a stale-date it does not name is not kept (assumed)."""
        self.state, self.stale_date = "active", message.stale_date
        self.presented = self.presented or message.stale_date is None or message.stale_date > at
        if message.relevance_score is not None or left_out == "reset":
            self.relevance_score = message.relevance_score or 0.0

    def end(self, at: float, dismissal_date: float | None = None) -> None:
        """It is over at `at`, and leaves the lock screen at the dismissal-date, 4 hours later at the latest."""
        latest = at + LINGERS
        self.state, self.changed_at, self.waiting = "ended", at, None
        self.leaves_at = latest if dismissal_date is None else min(max(dismissal_date, at), latest)

    def dismiss(self, at: float) -> None:
        """It is no longer to be seen anywhere."""
        self.state, self.changed_at, self.waiting = "dismissed", at, None

    def draw(self, at: float) -> None:
        """The eye sees what ActivityKit holds."""
        self.drawn, self.drawn_at = self.content_state, at


What = Literal["started", "updated", "ended", "deferred", "dropped", "stale", "dismissed", "budget reset"]


@dataclass(frozen=True, slots=True)
class Happened:
    """What the phone did with an activity at `at` (UNIX seconds), and why. `push` is None for what time or a person did, `activity` for what concerns none.

    `log` is the line the phone logs, "" for none; `until` is when something deferred is due again; `problem` is what could
    not be decoded, "" for none.
    """

    at: float
    what: What
    why: str = ""
    activity: Activity | None = None
    push: Push | None = None
    log: str = ""
    until: float | None = None
    problem: str = ""


Act = Callable[[], list[Happened]]


def first_due(activities: Sequence[Activity], starts: Budget, profile: Profile, now: float) -> Act | None:
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
    activity.apply(message, waiting.content_state, at, profile)
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
