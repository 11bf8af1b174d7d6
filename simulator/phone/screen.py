"""The lock screen: which notifications it holds, and how it looks in a terminal. No I/O."""

import textwrap
from collections.abc import Callable, Sequence

from simulator.phone.activitykit.activity import Activity
from simulator.phone.app.slots import Slots, slots
from simulator.phone.app.slots import card as activity_card
from simulator.phone.notifications import Notification

_BODY_LINES = 2


class Screen:
    """Notifications, newest first. One with the collapse id of another that is still there takes its place.

    `activities` tells which Live Activities are on the lock screen; they stand above the notifications.
    """

    def __init__(self, activities: Callable[[], Sequence[Activity]] = tuple) -> None:
        self._activities = activities
        self._notifications: list[Notification] = []
        self._arrived: list[Notification] = []

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """What is on the screen now, newest first."""
        return tuple(self._notifications)

    @property
    def newest_first(self) -> list[Notification]:
        """The same by arrival: one that took the place of another is as new as it came."""
        return self._arrived[::-1]

    def show(self, notification: Notification) -> Notification | None:
        """Put a notification on the screen; the one it replaced, if any."""
        self._arrived.append(notification)
        place = self._place_of(notification.collapse_id)
        if place is None:
            self._notifications.insert(0, notification)
            return None
        replaced, self._notifications[place] = self._notifications[place], notification
        self._arrived.remove(replaced)
        return replaced

    def remove(self, notification: Notification) -> None:
        """Take one away, as when it was tapped. Raises ValueError if it is not there."""
        self._notifications.remove(notification)
        self._arrived.remove(notification)

    def clear(self) -> None:
        """Take all away."""
        self._notifications.clear()
        self._arrived.clear()

    def slots(self, now: float) -> dict[str, Slots]:
        """What each Live Activity on the lock screen shows in every slot at `now`, by its id, the most relevant first."""
        return {activity.id: slots(activity, now) for activity in self._activities()}

    def lines(self, now: float, width: int = 44) -> list[str]:
        """The screen as text, at most `width` characters wide; ages as of `now` (UNIX seconds)."""
        lines: list[str] = []
        for activity in self._activities():
            lines += [*activity_card(activity, now, width), ""]
        for notification in self._notifications:
            lines += [*_card(notification, now, width), ""]
        return lines[:-1] if lines else ["No notifications"]

    def _place_of(self, collapse_id: str | None) -> int | None:
        if not collapse_id:
            return None
        places = (place for place, held in enumerate(self._notifications) if held.collapse_id == collapse_id)
        return next(places, None)


def _card(notification: Notification, now: float, width: int) -> list[str]:
    age = notification.age(now)
    mark = "! " if notification.interruption_level in {"time-sensitive", "critical"} else ""
    heading = textwrap.shorten(
        mark + (notification.title or "Control"), width - len(age) - 1, placeholder="…"
    )
    texts = [notification.subtitle, notification.body]
    wrapped = [textwrap.wrap(text, width, max_lines=_BODY_LINES, placeholder="…") for text in texts if text]
    return [f"{heading:<{width - len(age)}}{age}", *(line for lines in wrapped for line in lines)]
