"""What a Live Activity of our app says about a session, and the two ways in which the app may put it on the wire. No I/O.

The app reads its props from the content-state itself, or, with expo-widgets, from the JSON in `props` of the layout that it
has registered under `name`; a name it has not registered shows nothing (expo-widgets, ios/Widgets/WidgetLiveActivity.swift).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from simulator.phone.activitykit.attributes import EXPO_WIDGETS, SESSION, ActivityType
from simulator.phone.push import LAYOUT, session_link

Status = Literal["working", "retry", "permission", "complete", "error"]

LONGEST_MESSAGE = 120
"""Characters of `last_message`: what fits on the card."""


@dataclass(frozen=True, slots=True)
class ContentState:
    """One state of a session. `retry_info` reads "Retry 2 in 8s" while the status is retry, else it is None."""

    status: Status
    session_title: str
    last_message: str
    retry_info: str | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing comes after it."""
        return self.status in {"complete", "error"}

    def fields(self) -> dict[str, Any]:
        """As the app's widget reads it."""
        return {
            "status": self.status,
            "sessionTitle": self.session_title,
            "lastMessage": self.last_message,
            "retryInfo": self.retry_info,
        }


def one_line(text: str) -> str:
    """A text as one line that fits on the card; "…" shows that it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1].rstrip() + "…"


ActivityFormat = Literal["flat", "expo-widgets"]


@dataclass(frozen=True, slots=True)
class AppKind:
    """`activity_format` is what the app sends to the relay, so that pushes come in the shape that it can decode."""

    activity_format: ActivityFormat
    activity_type: ActivityType
    attributes: Callable[[str], dict[str, Any]]
    content_state: Callable[[ContentState], dict[str, Any]]


FLAT = AppKind(
    "flat",
    SESSION,
    attributes=lambda session_id: {"sessionId": session_id},
    content_state=lambda state: state.fields(),
)
"""An app with a Swift type of its own for sessions."""

EXPO = AppKind(
    "expo-widgets",
    EXPO_WIDGETS,
    attributes=lambda session_id: {"url": session_link(session_id)},
    content_state=lambda state: {
        "name": LAYOUT,
        "props": json.dumps(state.fields(), ensure_ascii=False, separators=(",", ":")),
    },
)
"""An app with expo-widgets 57: one Swift type for all, `props` as JSON in a string (src/Widgets.ts)."""

KINDS: dict[str, AppKind] = {kind.activity_format: kind for kind in (FLAT, EXPO)}
