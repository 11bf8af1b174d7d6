"""Why a Live Activity push changes nothing, as tables: the first reason that holds counts. No I/O.

APNs answers 200 in every one of these cases; it does not read these keys (observed).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.phone.activitykit.activity import Activity, By
from simulator.phone.activitykit.attributes import ActivityType, decode, undecodable
from simulator.phone.profile import Conditions
from simulator.phone.push import ActivityMessage

LARGEST = 4096
"""Bytes of attributes and content-state together (Apple, "Displaying live data with Live Activities": 4 KB)."""

ATTRIBUTES = "its attributes cannot be decoded"
CONTENT_STATE = "its content-state cannot be decoded"
"""The two reasons that have a problem: the phone itself says nothing (documented), a developer needs the field."""

NO_ALERT = "Received start without an alert configuration"
"""What the phone logs (observed on iOS 26)."""


class Refusal(NamedTuple):
    """Why a push changes nothing, the line that the phone logs, "" for none that is known, and what cannot be decoded."""

    why: str
    log: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """A start, with what decides on it. `activity_type` is the app's type of that name, if there is one."""

    message: ActivityMessage
    phone: Conditions
    activity_type: ActivityType | None
    running: int
    most: int

    @property
    def attributes(self) -> dict[str, Any] | None:
        """The attributes as the app decodes them; None if it cannot."""
        known = self.activity_type
        return None if known is None else decode(self.message.raw_attributes, known.attributes)

    @property
    def content_state(self) -> dict[str, Any] | None:
        """The content-state as the app decodes it; None if it cannot."""
        known = self.activity_type
        return None if known is None else decode(self.message.raw_content_state, known.content_state)


Reasons = tuple[tuple[str, str, Callable[[Start], bool]], ...]
"""Why, the line the phone logs, and when it holds."""

BY_PUSH: Reasons = (
    # Documented: push-to-start came with iOS 17.2.
    ("before iOS 17.2 nothing starts by push", "", lambda start: start.phone.ios < (17, 2)),
    ("it came to the push-to-start token and is no start", "", lambda start: start.message.event != "start"),
    # Documented as required; dropped without: observed.
    ("it has no alert", NO_ALERT, lambda start: not start.message.alert),
    ("it has no timestamp", "", lambda start: start.message.timestamp is None),
)

BY_APP: Reasons = (
    # Documented: ActivityKit came with iOS 16.1; the app must be in the foreground.
    ("before iOS 16.1 there are no Live Activities", "", lambda start: start.phone.ios < (16, 1)),
    ("the app is not in the foreground", "", lambda start: not start.phone.foreground),
)

BY_ANYBODY: Reasons = (
    # Assumed from ActivityAuthorizationInfo.areActivitiesEnabled.
    ("Live Activities are off", "", lambda start: not start.phone.live_activities),
    ("it has no attributes-type", "", lambda start: start.message.attributes_type is None),
    ("the app has no such attributes-type", "", lambda start: start.activity_type is None),
    (ATTRIBUTES, "", lambda start: start.attributes is None),
    (CONTENT_STATE, "", lambda start: start.content_state is None),
    # Documented: older systems do not start it.
    ("before iOS 18 there is no input-push-channel", "", lambda start: _wants_channel_too_early(start)),
    ("attributes and content-state are over 4 KB", "", lambda start: _too_large(start)),
    # ActivityKit's error targetMaximumExceeded; the number is folklore.
    ("too many activities are running", "", lambda start: start.running >= start.most),
)

AGAINST_START: dict[By, Reasons] = {"push": BY_PUSH + BY_ANYBODY, "app": BY_APP + BY_ANYBODY}


@dataclass(frozen=True, slots=True)
class Change:
    """An update or end and the activity it is for."""

    message: ActivityMessage
    activity: Activity

    @property
    def content_state(self) -> dict[str, Any] | None:
        """The content-state as the app decodes it; None if there is none or it cannot."""
        return decode(self.message.raw_content_state, self.activity.type.content_state)

    @property
    def undecodable(self) -> bool:
        """Only an end may come without a content-state (documented)."""
        left_out = self.message.ends and self.message.raw_content_state is None
        return self.content_state is None and not left_out


AGAINST_CHANGE: tuple[tuple[str, Callable[[Change], bool]], ...] = (
    ("it is neither update nor end", lambda change: change.message.event not in {"update", "end"}),
    # Documented: pushes after the end are ignored. Assumed: also while the end itself waits.
    ("the activity is about to end", lambda change: _is_ending(change.activity)),
    ("it has no timestamp", lambda change: change.message.timestamp is None),
    # Documented: the system ignores what is older. Assumed: what is equally old is taken.
    (
        "its timestamp is older than the last",
        lambda change: (change.message.timestamp or 0.0) < change.activity.timestamp,
    ),
    (CONTENT_STATE, lambda change: change.undecodable),
    (
        "attributes and content-state are over 4 KB",
        lambda change: size(change.activity.attributes, change.content_state) > LARGEST,
    ),
)


def against_start(start: Start, by: By) -> Refusal | None:
    """Why this does not start, None if it does."""
    found = next(((why, log) for why, log, holds in AGAINST_START[by] if holds(start)), None)
    return None if found is None else Refusal(*found, _problem(found[0], start.message, start.activity_type))


def against_change(change: Change) -> Refusal | None:
    """Why this changes nothing, None if it does."""
    why = next((why for why, holds in AGAINST_CHANGE if holds(change)), None)
    return None if why is None else Refusal(why, "", _problem(why, change.message, change.activity.type))


def _problem(why: str, message: ActivityMessage, activity_type: ActivityType | None) -> str:
    """Which field cannot be decoded, "" for every other reason."""
    if activity_type is None or why not in {ATTRIBUTES, CONTENT_STATE}:
        return ""
    if why == ATTRIBUTES:
        return undecodable(message.raw_attributes, activity_type.attributes)
    return undecodable(message.raw_content_state, activity_type.content_state)


def size(*objects: Mapping[str, Any] | None) -> int:
    """Bytes of the objects as compact UTF-8 JSON, how Apple counts them is not documented (assumed)."""
    return sum(
        len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        for found in objects
        if found is not None
    )


def _wants_channel_too_early(start: Start) -> bool:
    return start.message.input_push_channel is not None and start.phone.ios < (18,)


def _too_large(start: Start) -> bool:
    return size(start.attributes, start.content_state) > LARGEST


def _is_ending(activity: Activity) -> bool:
    return activity.waiting is not None and activity.waiting.message.ends
