"""The app's Swift types, as data, and what a default JSONDecoder makes of a JSON object. No I/O.

Documented (Apple, "Starting and updating Live Activities with ActivityKit push notifications"): `attributes-type` is the
exact name of the type; what cannot be decoded fails silently. Keys the type does not know are ignored (Swift's Decodable).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, str]
"""Field name -> kind: string, int, double or bool; a trailing `?` makes it optional (it may be missing or null)."""


@dataclass(frozen=True, slots=True)
class ActivityType:
    """One ActivityAttributes type of an app: its Swift name, its static fields and those of its ContentState."""

    name: str
    attributes: Fields
    content_state: Fields


SESSION = ActivityType(
    "SessionActivityAttributes",
    {"sessionId": "string"},
    {"status": "string", "sessionTitle": "string", "lastMessage": "string", "retryInfo": "string?"},
)
"""An app with a type of its own for sessions."""

EXPO_WIDGETS = ActivityType(
    "LiveActivityAttributes", {"url": "string?"}, {"name": "string", "props": "string"}
)
"""expo-widgets 55 to 57, ios/Widgets/WidgetLiveActivity.swift: `props` is JSON in a string."""

EXPO_WIDGETS_58 = ActivityType(
    "LiveActivityAttributes", {"url": "string?"}, {"name": "string", "props": "string?"}
)
"""From expo-widgets 58 on `props` may be missing."""

APP_TYPES = (SESSION, EXPO_WIDGETS)
"""Both spellings a relay may send to our app."""


def decode(value: Any, fields: Fields) -> dict[str, Any] | None:
    """The object as the app holds it: only the fields of its type; None if it cannot be decoded."""
    if not isinstance(value, dict):
        return None
    if not all(_fits(value.get(name), kind) for name, kind in fields.items()):
        return None
    return {name: value[name] for name in fields if name in value}


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return kind.endswith("?")
    return _KINDS[kind.removesuffix("?")](value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "double": _is_number,
    "int": lambda value: _is_number(value) and float(value).is_integer(),
}
