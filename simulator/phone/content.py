"""What the app's own code gets to see of a push. No I/O.

On iOS expo-notifications fills `notification.request.content.data` of a remote push from the payload's top-level key
`body` only (expo/expo#10462, NotificationRecords.swift); keys beside `aps` do not reach it.
"""

from dataclasses import dataclass
from typing import Any

_FIELDS = ("serverID", "eventType", "sessionID", "url")


@dataclass(frozen=True, slots=True)
class Content:
    """The app's fields as it reads them; None for what is missing. `root_agrees`: the root holds the same values."""

    server_id: str | None
    event_type: str | None
    session_id: str | None
    url: str | None
    root_agrees: bool


def content(payload: dict[str, Any]) -> Content:
    """What the app reads from a payload."""
    body = payload.get("body")
    data: dict[str, Any] = body if isinstance(body, dict) else {}
    server_id, event_type, session_id, url = read = _fields(data)
    return Content(server_id, event_type, session_id, url, root_agrees=read == _fields(payload))


def _fields(data: dict[str, Any]) -> list[str | None]:
    return [_string(data.get(name)) for name in _FIELDS]


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
