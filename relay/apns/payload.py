"""Pure builders of payloads. Texts are shortened until the JSON fits; the structure never is."""

from typing import Any

import msgspec

from relay.contract import EVENT_KINDS, EventType
from relay.text import cut

MAX_PAYLOAD = 4096
"""Bytes. Apple, "Generating a remote notification": 4 KB for a regular push."""


def encode(payload: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON: what APNs counts is exactly these bytes."""
    return msgspec.json.encode(payload)


def cut_json(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes as they stand inside JSON, with an ellipsis where something was cut."""
    return cut(text, limit, _size)


def _size(text: str) -> int:
    return len(msgspec.json.encode(text)) - 2


def alert_payload(
    *, title: str, body: str, event_type: EventType, session_id: str, server_id: str | None, url: str
) -> bytes:
    """An alert in at most 4096 bytes: `aps`, and the routing fields at the root and under `body`.

    expo-notifications fills `content.data` of a remote push from the top-level key `body` only (expo/expo#10462);
    other apps read the root. The body text is shortened before the title.
    """
    fields = {"serverID": server_id, "eventType": event_type, "sessionID": session_id, "url": url}
    routing = {name: value for name, value in fields.items() if value is not None}
    aps: dict[str, Any] = {
        "alert": {"title": "", "body": ""},
        "sound": "alert.wav",
        "thread-id": session_id,
        "category": event_type,
        "interruption-level": EVENT_KINDS[event_type].interruption_level,
    }
    payload = {"aps": aps, **routing, "body": routing}
    room = MAX_PAYLOAD - len(encode(payload))
    title = cut_json(title, room // 2 if _size(body) > room // 2 else room - _size(body))
    aps["alert"] = {"title": title, "body": cut_json(body, room - _size(title))}
    return encode(payload)
