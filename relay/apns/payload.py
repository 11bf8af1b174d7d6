"""Pure builders of the payloads of Live Activities, for the two kinds of app that decode them. Texts are shortened until the JSON
fits; the structure never is.

Apple, "Starting and updating Live Activities with ActivityKit push notifications" (documented), unless marked.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from relay.alert_payload import MAX_PAYLOAD, cut_json, cut_json_middle, encode
from relay.contract import ActivityFormat, ContentState

LENGTHS = {"session_title": 120, "last_message": 240, "retry_info": 80, "alert_title": 120, "alert_body": 240}
"""Bytes of each text inside JSON; the plan's lastMessage has about 120 characters. Halved until the payload fits."""
WIDGET = "SessionActivity"
"""The name that the plan's app gave to `createLiveActivity`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityContent:
    """What one push brings to an activity. Times are UNIX seconds; `alert` is title and body."""

    event: Literal["start", "update", "end"]
    timestamp: int
    state: ContentState
    session_id: str
    url: str
    alert: tuple[str, str] | None = None
    stale_date: int | None = None
    dismissal_date: int | None = None


def activity_payload(content: ActivityContent, activity_format: ActivityFormat) -> bytes:
    """The payload in at most 4096 bytes, counted after encoding: texts are shortened, never the structure."""
    return next(
        payload
        for shorter in _ever_shorter(content)
        if len(payload := encode({"aps": _aps(shorter, activity_format)})) <= MAX_PAYLOAD
    )


def _ever_shorter(content: ActivityContent) -> Iterator[ActivityContent]:
    sizes = ({text: size >> halvings for text, size in LENGTHS.items()} for halvings in range(9))
    return (_shortened(content, size) for size in sizes)


def _shortened(content: ActivityContent, size: dict[str, int]) -> ActivityContent:
    state, alert = content.state, content.alert
    cut_text = cut_json_middle if state.status == "permission" else cut_json
    return replace(
        content,
        state=ContentState(
            status=state.status,
            session_title=cut_json(state.session_title, size["session_title"]),
            last_message=cut_text(state.last_message, size["last_message"]),
            retry_info=cut_json(state.retry_info, size["retry_info"]) if state.retry_info else None,
        ),
        alert=alert and (cut_json(alert[0], size["alert_title"]), cut_text(alert[1], size["alert_body"])),
    )


def _aps(content: ActivityContent, activity_format: ActivityFormat) -> dict[str, Any]:
    content_state, attributes_type, attributes = _ENCODINGS[activity_format]
    aps: dict[str, Any] = {
        "timestamp": content.timestamp,
        "event": content.event,
        "content-state": content_state(content.state),
    }
    if content.event == "start":
        aps |= {"attributes-type": attributes_type, "attributes": attributes(content)}
        # iOS 18: without it the phone makes no update token (observed).
        aps["input-push-token"] = 1
    if content.alert:
        aps["alert"] = {"title": content.alert[0], "body": content.alert[1]}
    dates = {"stale-date": content.stale_date, "dismissal-date": content.dismissal_date}
    return aps | {name: date for name, date in dates.items() if date is not None}


def _fields(state: ContentState) -> dict[str, Any]:
    """The plan's content state. All four fields, always: Swift's decoder fails on a missing one."""
    return {
        "status": state.status,
        "sessionTitle": state.session_title,
        "lastMessage": state.last_message,
        "retryInfo": state.retry_info,
    }


def _props(state: ContentState) -> dict[str, Any]:
    """expo-widgets (npm, 55 to 58: ios/Widgets/WidgetLiveActivity.swift): the name of the layout, JSON inside JSON."""
    return {"name": WIDGET, "props": json.dumps(_fields(state), ensure_ascii=False, separators=(",", ":"))}


_ENCODINGS: dict[
    ActivityFormat,
    tuple[
        Callable[[ContentState], dict[str, Any]],
        str,
        Callable[[ActivityContent], dict[str, Any]],
    ],
] = {
    "flat": (_fields, "SessionActivityAttributes", lambda content: {"sessionId": content.session_id}),
    # `url` from 57 on is what a tap opens; older ones have no attributes and ignore it.
    "expo-widgets": (_props, "LiveActivityAttributes", lambda content: {"url": content.url}),
}
"""By format: content-state, attributes-type (the exact Swift type name), attributes."""
