"""The payload of an alert, and how a text is made to fit into JSON: the relay sends it, and the bridge measures by it. Pure."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from relay.contract import EVENT_KINDS, Envelope, EventType, Request, session_link
from relay.text import cut, cut_middle

MAX_PAYLOAD: Final = 4096
"""Bytes of JSON (Apple, "Generating a remote notification"). Only VoIP pushes may have 5120, and the relay sends none."""


encode: Final[Callable[[dict[str, Any]], bytes]] = msgspec.json.encode
"""Compact UTF-8 JSON: what APNs counts is exactly these bytes."""


def cut_json(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes as they stand inside JSON, with an ellipsis where something was cut."""
    return text if _size(text) <= limit else cut(text, limit, _size)


def cut_json_middle(text: str, limit: int) -> str:
    """The same for what a person is to decide about: cut in its middle, because the end of a command matters as well."""
    return text if _size(text) <= limit else cut_middle(text, limit, _size)


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
    enc: Envelope | None = None,
    request: Request | None = None,
) -> bytes:
    """An alert in at most 4096 bytes: `aps`, and the routing fields at the root and under `body`.

    expo-notifications fills `content.data` of a remote push from the top-level key `body` only (expo/expo#10462);
    other apps read the root. The body text is shortened before the title; a request's in the middle. A `quiet` one lights up
    nothing (Apple, UNNotificationInterruptionLevel.passive: documented) and makes no sound. With `enc` the app's notification
    service extension puts the sealed texts in place of these (Apple, UNNotificationServiceExtension: `mutable-content: 1`, documented).
    `request` is what its buttons answer to.
    """
    payload = _alert(event_type, session_id, server_id, url)
    if quiet:
        payload["aps"]["interruption-level"] = "passive"
        del payload["aps"]["sound"]
    if enc:
        payload["aps"]["mutable-content"] = 1
        payload["enc"] = msgspec.to_builtins(enc)
    if request:
        payload["aps"]["category"] = category(request)
        payload["request"] = payload["body"]["request"] = msgspec.to_builtins(request)
    room = MAX_PAYLOAD - len(encode(payload))
    title = cut_json(title, room // 2 if _size(body) > room // 2 else room - _size(body))
    shortened = cut_json_middle if event_type == "permission" else cut_json
    payload["aps"]["alert"] = {"title": title, "body": shortened(body, room - _size(title))}
    return encode(payload)


def category(request: Request) -> str:
    """The category whose actions the app has registered (Apple, UNNotificationCategory: documented; the names are ours).

    `permission.answer` has Allow and Deny, `question.answer` a text field where one may type; anything else is opened.
    """
    if request.kind == "permission":
        return "permission.answer"
    return "question.answer" if request.typed else "question.choose"


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
