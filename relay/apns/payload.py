"""Pure builders of payloads: alerts, and Live Activities for the two kinds of app that decode them. Texts are shortened until
the JSON fits; the structure never is.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from relay.apns.push import MAX_PAYLOAD
from relay.contract import EVENT_KINDS, ActivityFormat, ContentState, EventType, session_link
from relay.text import cut, cut_middle


def encode(payload: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON: what APNs counts is exactly these bytes."""
    return msgspec.json.encode(payload)


def cut_json(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes as they stand inside JSON, with an ellipsis where something was cut."""
    return text if _size(text) <= limit else cut(text, limit, _size)


def cut_json_middle(text: str, limit: int) -> str:
    """The same for what a person is to decide about: cut in its middle, because the end of a command matters as well."""
    return cut_middle(text, limit, _size)


def _size(text: str) -> int:
    return len(msgspec.json.encode(text)) - 2


def alert_payload(
    *,
    title: str,
    body: str,
    event_type: EventType,
    session_id: str,
    server_id: str | None,
    url: str,
    quiet: bool = False,
) -> bytes:
    """An alert in at most 4096 bytes: `aps`, and the routing fields at the root and under `body`.

    expo-notifications fills `content.data` of a remote push from the top-level key `body` only (expo/expo#10462);
    other apps read the root. The body text is shortened before the title; a request's in the middle. A `quiet` one lights up
    nothing (Apple, UNNotificationInterruptionLevel.passive: documented) and makes no sound.
    """
    payload = _alert(event_type, session_id, server_id, url)
    if quiet:
        payload["aps"]["interruption-level"] = "passive"
        del payload["aps"]["sound"]
    room = MAX_PAYLOAD - len(encode(payload))
    title = cut_json(title, room // 2 if _size(body) > room // 2 else room - _size(body))
    shortened = cut_json_middle if event_type == "permission" else cut_json
    payload["aps"]["alert"] = {"title": title, "body": shortened(body, room - _size(title))}
    return encode(payload)


def room_for_body(*, title: str, event_type: EventType, session_id: str, server_id: str | None) -> int:
    """So many bytes inside JSON has the body of an alert with this title."""
    payload = _alert(event_type, session_id, server_id, session_link(session_id))
    return MAX_PAYLOAD - len(encode(payload)) - _size(title)


def _alert(event_type: EventType, session_id: str, server_id: str | None, url: str) -> dict[str, Any]:
    fields = {"serverID": server_id, "eventType": event_type, "sessionID": session_id, "url": url}
    routing = {name: value for name, value in fields.items() if value is not None}
    aps: dict[str, Any] = {
        "alert": {"title": "", "body": ""},
        "sound": "alert.wav",
        "thread-id": session_id,
        "category": event_type,
        "interruption-level": EVENT_KINDS[event_type].interruption_level,
    }
    return {"aps": aps, **routing, "body": routing}


# --- Live Activities ----------------------------------------------------------------------------------------------
#
# Apple, "Starting and updating Live Activities with ActivityKit push notifications" (documented), unless marked.

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
