"""How strict the phone is: every number that Apple does not publish, in one place, with three ready-made sets. No I/O.

None of the numbers is documented. About 10 push-to-starts in a short time, on the device: observed (Apple engineer,
developer forum 799505). 15 updates an hour: observed, without a source. All delays and all of `strict`: assumed.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from random import Random
from typing import Annotated, Any, Literal

import msgspec

Refill = Literal["window", "bucket"]
RelevanceLeftOut = Literal["kept", "reset"]


@dataclass(slots=True)
class Budget:
    """So many in a window of time that begins with the first: how much was used since `began` (UNIX seconds; None: nothing).

    Then it resets as a whole, or, as a bucket of tokens, gives one back whenever the window's share of one is over.
    Capacity, window and refill belong to the profile; `capacity` is that of the last use.
    Observed in reports of iOS' behaviour: the window; a start needs one left, but every start that arrives is counted, so
    that it may go below zero; an update that finds none left is not counted but waits. Assumed: the bucket, which takes
    as many.
    """

    used: int = 0
    began: float | None = None
    capacity: int = 0

    def remaining(self, capacity: int) -> int:
        """What is left; below zero when overdrawn."""
        return capacity - self.used

    def spend(self, now: float, capacity: int) -> bool:
        """Use one if one is left; False, and nothing used, if not."""
        return self.remaining(capacity) >= 1 and self.count(now, capacity)

    def count(self, now: float, capacity: int) -> bool:
        """Use one in any case; whether one was left."""
        left = self.remaining(capacity) >= 1
        self.began = now if self.began is None else self.began
        self.used += 1
        self.capacity = capacity
        return left

    def refills_at(self, window: float, by: Refill) -> float | None:
        """When there is more again; None while nothing is used. `window` is in seconds."""
        return None if self.began is None else self.began + self._pause(window, by)

    def refill(self, window: float, by: Refill) -> None:
        """What comes back at that time: all, or one."""
        if by == "window" or self.used <= 1 or self.began is None:
            self.reset()
        else:
            self.used, self.began = self.used - 1, self.began + self._pause(window, by)

    def reset(self) -> None:
        """Nothing is used any more."""
        self.used, self.began, self.capacity = 0, None, 0

    def _pause(self, window: float, by: Refill) -> float:
        return window if by == "window" else window / max(1, self.capacity)


HOUR = 3600.0
UNLIMITED = 10**9
"""A capacity nobody uses up."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds that something takes: `usual` each time, or with a seeded Random anything from `lowest` to `highest`."""

    lowest: float
    highest: float
    usual: float

    def draw(self, random: Random | None) -> float:
        """One such time."""
        return self.usual if random is None else random.uniform(self.lowest, self.highest)


AT_ONCE = Delay(0, 0, 0)


@dataclass(slots=True)
class Profile:
    """All parameters, in seconds where they are times; the defaults are the profile `default`.

    `refill` is how both budgets come back: as a whole when their window is over, or one by one, as into a bucket.
    `update_over` is what becomes of a priority 10 update over the budget: it waits like one of priority 5, or until the
    budget comes back. `end_waits` is whether an end may be held back longer than its own dismissal-date.
    `relevance_left_out` is what becomes of the relevance-score when an update does not name one: the old one is kept, or
    it is 0 again (Apple's text does not say; both assumed).
    """

    refill: Refill = "window"
    start_capacity: int = 10
    start_window: float = HOUR
    start_refilled_by_opening: bool = True
    start_wakes_app: bool = True
    update_capacity: int = 15
    update_capacity_frequent: int = 240
    update_window: float = HOUR
    update_over: Literal["priority 5", "window"] = "priority 5"
    end_waits: bool = False
    delay_screen_on: Delay = Delay(0, 5, 0)
    delay_screen_off: Delay = Delay(30, 120, 120)
    render_min_interval: float = 15.0
    la_allow_gate: bool = False
    max_activities: int = 5
    relevance_left_out: RelevanceLeftOut = "kept"

    def set(self, key: str, value: Any) -> None:
        """Change one parameter at once; `update_budget` sets both update capacities. ValueError names a wrong key."""
        names = _GROUPS.get(key, (key,))
        if not set(names) <= {field.name for field in fields(self)}:
            raise ValueError(f"the phone's profile has no {key!r}")
        for name in names:
            setattr(self, name, value)

    def change(self, values: Mapping[str, Any]) -> None:
        """Change parameters from JSON values. ValueError names the first that is wrong; then nothing has changed."""
        decoded = {key: _decoded(key, value) for key, value in values.items()}
        for key, value in decoded.items():
            self.set(key, value)

    def become(self, name: str) -> None:
        """Take on all values of a named profile. ValueError for an unknown name."""
        if name not in PROFILES:
            raise ValueError(f"a phone has no profile {name!r}: it is one of {', '.join(PROFILES)}")
        for field in fields(self):
            setattr(self, field.name, PROFILES[name].get(field.name, field.default))

    def dump(self) -> dict[str, Any]:
        """All parameters as JSON values, as `change` takes them."""
        return {
            name: list(astuple(value)) if isinstance(value, Delay) else value for name, value in self._items()
        }

    def _items(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def updates_an_hour(self, frequent: bool) -> int:
        """The priority 10 updates of one activity and window, with or without the more-frequent-updates setting."""
        return self.update_capacity_frequent if frequent else self.update_capacity


Seconds = Annotated[float, msgspec.Meta(ge=0)]
_AT_LEAST: dict[Any, Any] = {float: Seconds, int: Annotated[int, msgspec.Meta(ge=0)]}
"""No number of a profile is below zero."""

_GROUPS = {"update_budget": ("update_capacity", "update_capacity_frequent")}

# "measured" is what a device showed of its budgets: about 10 starts in a short time (Apple engineer, developer forum 799505),
# about 240 updates of one activity at the level "frequent" (kylebshr/luka-ios PR 146, a dump of liveactivitiesd). What was
# never measured is as in "default".
PROFILES: dict[str, dict[str, Any]] = {
    "lenient": {
        "start_capacity": UNLIMITED,
        "update_capacity": UNLIMITED,
        "update_capacity_frequent": UNLIMITED,
        "delay_screen_on": AT_ONCE,
        "delay_screen_off": AT_ONCE,
        "render_min_interval": 0.0,
        "max_activities": UNLIMITED,
    },
    "default": {},
    "measured": {
        "start_capacity": 10,
        "start_window": HOUR,
        "update_capacity_frequent": 240,
        "update_window": HOUR,
        "refill": "window",
    },
    "strict": {
        "start_capacity": 5,
        "start_window": 24 * HOUR,
        "start_refilled_by_opening": False,
        "start_wakes_app": False,
        "update_capacity": 8,
        "update_capacity_frequent": 60,
        "update_over": "window",
        "end_waits": True,
        "delay_screen_on": Delay(30, 30, 30),
        "delay_screen_off": Delay(900, 900, 900),
        "la_allow_gate": True,
        "relevance_left_out": "reset",
    },
}
"""What differs from the defaults, by the profile's name."""


def profile(name: str = "default") -> Profile:
    """A new profile of this name, to be changed at will. ValueError if there is none."""
    found = Profile()
    found.become(name)
    return found


_TYPES: dict[str, Any] = {field.name: field.type for field in fields(Profile)}


def _decoded(key: str, value: Any) -> Any:
    names = _GROUPS.get(key, (key,))
    if names[0] not in _TYPES:
        raise ValueError(f"the phone's profile has no {key!r}, but {', '.join((*_GROUPS, *_TYPES))}")
    wanted = _TYPES[names[0]]
    try:
        if wanted is Delay:
            return Delay(*msgspec.convert(value, tuple[Seconds, Seconds, Seconds]))
        return msgspec.convert(value, _AT_LEAST.get(wanted, wanted))
    except msgspec.ValidationError as error:
        raise ValueError(f"{key!r} of the phone's profile: {error}") from None


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
