"""What the app's widget shows for a Live Activity, slot by slot. No I/O.

The app reads its props from the content-state itself, or, with expo-widgets, from the JSON in `props` of the layout it has
registered under `name`; a name it has not registered shows nothing (expo-widgets, ios/Widgets/WidgetLiveActivity.swift).
"""

import json
import textwrap
from dataclasses import dataclass, fields
from typing import Any

from simulator.phone.activitykit.activity import Activity

LAYOUT = "SessionActivity"
"""The name the app gives to createLiveActivity."""

STATUS = {
    "working": ("Working", "●"),
    "retry": ("Retrying", "↻"),
    "permission": ("Needs input", "!"),
    "complete": ("Done", "✓"),
    "error": ("Failed", "✗"),
}
"""The status word and the mark of each status."""

_NEVER = ("", "·")
_MESSAGE_LINES = 2


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


def slots(activity: Activity, now: float) -> Slots:
    """What the eye sees of an activity at `now` (UNIX seconds): what was drawn last, which may be older than the newest."""
    props = session_props(activity.drawn)
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


def session_props(content_state: dict[str, Any]) -> dict[str, Any] | None:
    """What the app's widget gets to read, of either format; None if it reads nothing."""
    if "props" not in content_state:
        return content_state if "status" in content_state else None
    if content_state.get("name") != LAYOUT:
        return None
    try:
        props = json.loads(content_state["props"])
    except (TypeError, ValueError):
        return None
    return props if isinstance(props, dict) else None


def elapsed(seconds: float) -> str:
    """Hours, minutes and seconds, as a timer shows them."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def card(activity: Activity, now: float, width: int) -> list[str]:
    """The banner as text for a lock screen of `width` characters."""
    shown = slots(activity, now)
    title, word, *texts = shown.banner or ("OpenCode", "")
    heading = textwrap.shorten(
        f"{shown.minimal or '·'} {title or 'OpenCode'}", width - len(word) - 1, placeholder="…"
    )
    wrapped = [textwrap.wrap(text, width, max_lines=_MESSAGE_LINES, placeholder="…") for text in texts]
    return [f"{heading:<{width - len(word)}}{word}", *(line for lines in wrapped for line in lines)]


def _text(props: dict[str, Any], key: str) -> str:
    value = props.get(key)
    return value if isinstance(value, str) else ""
