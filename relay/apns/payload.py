"""Pure builders of the payloads of Live Activities, for the two kinds of app that decode them. Texts are shortened until the JSON
fits; the structure never is.

Apple, "Starting and updating Live Activities with ActivityKit push notifications" (documented), unless marked.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from relay.alert_payload import MAX_PAYLOAD, encode
from relay.contract import ActivityFormat, ContentState
from relay.text import cut, cut_middle

LENGTHS = {"session_title": 120, "last_message": 240, "retry_info": 80, "alert_title": 120, "alert_body": 240}
"""Characters, whatever their script (nextcloud/ios#3695); the plan's lastMessage has about 120. Where the payload does not fit, the
limit of the text that is largest in it is halved, and again."""
WIDGET = "SessionActivity"
"""The name that the plan's app gave to `createLiveActivity`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityContent:
    """What one push brings to an activity. Times are UNIX seconds; `alert` is title and body, `quiet` keeps it from lighting
    the screen.
    """

    event: Literal["start", "update", "end"]
    timestamp: int
    state: ContentState
    session_id: str
    url: str
    alert: tuple[str, str] | None = None
    quiet: bool = False
    relevance_score: float | None = None
    stale_date: int | None = None
    dismissal_date: int | None = None


def activity_payload(content: ActivityContent, activity_format: ActivityFormat) -> bytes:
    """The payload in at most 4096 bytes, counted after encoding: texts are shortened, never the structure."""
    limits = dict(LENGTHS)
    while True:
        texts = _shortened(content, limits)
        payload = encode({"aps": _aps(_with_texts(content, texts), activity_format)})
        largest = max(texts, key=lambda name: len(encode({name: texts[name]})) - len(name))
        if len(payload) <= MAX_PAYLOAD or not texts[largest]:
            return payload
        limits[largest] = min(limits[largest], len(texts[largest])) // 2


def _shortened(content: ActivityContent, limits: dict[str, int]) -> dict[str, str]:
    """The texts of a push, by their names in LENGTHS. What a person is to decide about is cut in its middle."""
    state, (alert_title, alert_body) = content.state, content.alert or ("", "")
    cut_text = cut_middle if state.status == "permission" else cut
    return {
        "session_title": cut(state.session_title, limits["session_title"]),
        "last_message": cut_text(state.last_message, limits["last_message"]),
        "retry_info": cut(state.retry_info or "", limits["retry_info"]),
        "alert_title": cut(alert_title, limits["alert_title"]),
        "alert_body": cut_text(alert_body, limits["alert_body"]),
    }


def _with_texts(content: ActivityContent, texts: dict[str, str]) -> ActivityContent:
    return replace(
        content,
        state=msgspec.structs.replace(
            content.state,
            session_title=texts["session_title"],
            last_message=texts["last_message"],
            retry_info=texts["retry_info"] if content.state.retry_info else None,
        ),
        alert=content.alert and (texts["alert_title"], texts["alert_body"]),
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
    if content.alert and content.quiet:
        aps["interruption-level"] = "passive"  # keeps it quiet (observed)
    numbers = {
        "relevance-score": content.relevance_score,
        "stale-date": content.stale_date,
        "dismissal-date": content.dismissal_date,
    }
    return aps | {name: number for name, number in numbers.items() if number is not None}


def _fields(state: ContentState) -> dict[str, Any]:
    """The plan's content state. All four fields, always: Swift's decoder fails on a missing one. `enc` where it is sealed."""
    sealed = {"enc": msgspec.to_builtins(state.enc)} if state.enc else {}
    return {
        "status": state.status,
        "sessionTitle": state.session_title,
        "lastMessage": state.last_message,
        "retryInfo": state.retry_info,
        **sealed,
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
