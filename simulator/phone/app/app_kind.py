"""The two ways in which our app may have built its Live Activities, and what differs on the wire. No I/O."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulator.phone.activitykit.types import EXPO_WIDGETS, SESSION, ActivityType
from simulator.phone.app.content_state import ContentState
from simulator.phone.app.deep_link import linked_session, session_link
from simulator.phone.app.slots import LAYOUT

ActivityFormat = Literal["flat", "expo-widgets"]


@dataclass(frozen=True, slots=True)
class AppKind:
    """`activity_format` is what the app tells the relay, so that pushes come in the shape that it can decode."""

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


def session_of(attributes: Mapping[str, Any]) -> str | None:
    """The session of an activity with these attributes, of either kind; None if they name none.

    Assumed for expo-widgets: its one static field is the link that a tap opens, and the session is read from that.
    """
    session_id = attributes.get("sessionId")
    return session_id if isinstance(session_id, str) else linked_session(attributes.get("url"))
