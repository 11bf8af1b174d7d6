"""One Live Activity on one phone: what it holds, how it changes, and what about the phone matters to it. No I/O.

All times are UNIX seconds. Documented (Apple, "Displaying live data with Live Activities"): the system ends an activity
after 8 hours and removes an ended one from the lock screen after at most 4 more; a dismissal-date in the past removes it at
once, others count up to 4 hours.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.phone.activitykit.payload import ActivityMessage, ActivityType
from simulator.phone.profile import Budget, Delay, Profile
from simulator.phone.push import Push


@dataclass(frozen=True, slots=True)
class Conditions:
    """The phone as it is at one moment. `bright` is false with the screen off or in Low Power Mode."""

    ios: tuple[int, ...]
    foreground: bool = False
    live_activities: bool = True
    frequent_updates: bool = True
    bright: bool = True
    dynamic_island: bool = True

    def power_delay(self, profile: Profile) -> Delay:
        """How long a push of priority 5 takes now."""
        return profile.delay_screen_on if self.bright else profile.delay_screen_off


def version(ios: str) -> tuple[int, ...]:
    """An iOS version to compare with others. ValueError if it is none."""
    try:
        return tuple(int(part) for part in ios.split("."))
    except ValueError:
        raise ValueError(f"{ios!r} is no iOS version") from None


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
    `update_token_known`: whether the app has been handed `token`; `island` whether it owns the Dynamic Island.
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
    leaves_at: float | None = None
    changed_at: float = 0.0
    drawn_at: float = 0.0
    waiting: Waiting | None = None
    budget: Budget = field(default_factory=Budget)
    alerts: list[float] = field(default_factory=list)
    drawn: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """It is drawn as it starts."""
        self.drawn = self.content_state
        self.changed_at = self.drawn_at = self.started_at

    @property
    def running(self) -> bool:
        """Whether updates still reach it."""
        return self.state in RUNNING

    @property
    def visible(self) -> bool:
        """Whether it is on the lock screen."""
        return self.state != "dismissed"

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

    def apply(self, message: ActivityMessage, content_state: dict[str, Any] | None, at: float) -> None:
        """Take over an update, or the end of the activity. The content is replaced as a whole (documented)."""
        self.content_state = self.content_state if content_state is None else content_state
        self.timestamp = message.timestamp if message.timestamp is not None else self.timestamp
        self.changed_at = at
        if message.lights:
            self.alerts.append(at)
        if message.ends:
            self.end(at, message.dismissal_date)
        else:
            self.renew(message.stale_date, message.relevance_score)

    def renew(self, stale_date: float | None, relevance_score: float) -> None:
        """New content is not stale, until its own date; what it does not say is not kept (assumed)."""
        self.state, self.stale_date, self.relevance_score = "active", stale_date, relevance_score

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

    `log` is the line the phone logs, "" for none; `until` is when something deferred is due again.
    """

    at: float
    what: What
    why: str = ""
    activity: Activity | None = None
    push: Push | None = None
    log: str = ""
    until: float | None = None
