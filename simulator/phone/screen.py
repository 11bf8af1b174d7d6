"""The lock screen: its notifications, and what the app's widget shows of a Live Activity, slot by slot. No I/O.

Both also as text for a terminal.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from simulator.phone.activitykit.activity import Activity
from simulator.phone.notifications import Notification
from simulator.phone.push import session_props

STATUS = {
    "working": ("Working", "●"),
    "retry": ("Retrying", "↻"),
    "permission": ("Needs input", "!"),
    "complete": ("Done", "✓"),
    "error": ("Failed", "✗"),
}
"""The status word and the mark of each status."""

_NEVER = ("", "·")
_TEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Slots:
    """The texts of each slot; all are "" for content the app cannot read."""

    banner: tuple[str, ...] = ()
    compact_leading: str = ""
    compact_trailing: str = ""
    minimal: str = ""
    expanded_leading: tuple[str, ...] = ()
    expanded_trailing: str = ""
    expanded_bottom: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Each slot as one line of text, "compact trailing: Working"; those of one slot are joined by " · "."""
        texts = ((field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self))
        return [f"{name}: {text if isinstance(text, str) else ' · '.join(text)}" for name, text in texts]


Widget = Callable[[dict[str, Any], Activity], dict[str, Any] | None]
"""What the app's widget reads from a content state of an activity; None if it reads nothing."""


def reads_clear(content_state: dict[str, Any], _: Activity) -> dict[str, Any] | None:
    """A widget without a key."""
    return session_props(content_state)


def slots(activity: Activity, now: float, widget: Widget = reads_clear) -> Slots:
    """What the eye sees of an activity at `now` (UNIX seconds): what was drawn last, which may be older than the newest."""
    props = widget(activity.drawn, activity)
    if props is None:
        return Slots()
    word, mark = STATUS.get(props.get("status", ""), _NEVER)
    title, message, retry = (_text(props, key) for key in ("sessionTitle", "lastMessage", "retryInfo"))
    if activity.state == "stale":
        word = f"{word}?"
    bottom = tuple(text for text in (message, retry) if text)
    return Slots(
        banner=(title, word, *bottom),
        compact_leading="OC",
        compact_trailing=word,
        minimal=mark,
        expanded_leading=(title, word),
        expanded_trailing=elapsed(now - activity.started_at),
        expanded_bottom=bottom,
    )


def elapsed(seconds: float) -> str:
    """Hours, minutes and seconds, as a timer shows them."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _activity_card(activity: Activity, now: float, width: int, widget: Widget) -> list[str]:
    """The banner as text for a lock screen of `width` characters."""
    shown = slots(activity, now, widget)
    title, word, *texts = shown.banner or ("OpenCode", "")
    heading = textwrap.shorten(
        f"{shown.minimal or '·'} {title or 'OpenCode'}", width - len(word) - 1, placeholder="…"
    )
    wrapped = [textwrap.wrap(text, width, max_lines=_TEXT_LINES, placeholder="…") for text in texts]
    return [f"{heading:<{width - len(word)}}{word}", *(line for lines in wrapped for line in lines)]


def _text(props: dict[str, Any], key: str) -> str:
    value = props.get(key)
    return value if isinstance(value, str) else ""


class Screen:
    """Notifications, newest first. One with the collapse id of another that is still there takes its place.

    `activities` are the Live Activities on the lock screen, which stand above the notifications.
    """

    def __init__(
        self, activities: Callable[[], Sequence[Activity]] = tuple, widget: Widget = reads_clear
    ) -> None:
        self._activities, self._widget = activities, widget
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
        return {activity.id: slots(activity, now, self._widget) for activity in self._activities()}

    def blocks(self, now: float, width: int) -> tuple[list[list[str]], list[list[str]]]:
        """The Live Activities, and the notifications, the newest arrival first, each as its lines of at most `width` characters."""
        cards = [_activity_card(activity, now, width, self._widget) for activity in self._activities()]
        return cards, [_notification_card(one, now, width) for one in self.newest_first]

    def lines(self, now: float, width: int = 44) -> list[str]:
        """The screen as text, at most `width` characters wide; ages as of `now` (UNIX seconds)."""
        lines: list[str] = []
        for activity in self._activities():
            lines += [*_activity_card(activity, now, width, self._widget), ""]
        for notification in self._notifications:
            lines += [*_notification_card(notification, now, width), ""]
        return lines[:-1] if lines else ["No notifications"]

    def _place_of(self, collapse_id: str | None) -> int | None:
        if not collapse_id:
            return None
        places = (place for place, held in enumerate(self._notifications) if held.collapse_id == collapse_id)
        return next(places, None)


def _notification_card(notification: Notification, now: float, width: int) -> list[str]:
    age = notification.age(now)
    mark = "! " if notification.interruption_level in {"time-sensitive", "critical"} else ""
    heading = textwrap.shorten(
        mark + (notification.title or "Control"), width - len(age) - 1, placeholder="…"
    )
    texts = [notification.subtitle, notification.body]
    wrapped = [textwrap.wrap(text, width, max_lines=_TEXT_LINES, placeholder="…") for text in texts if text]
    return [f"{heading:<{width - len(age)}}{age}", *(line for lines in wrapped for line in lines)]
