"""What a phone gets from APNs, and what the app's own code gets to see of it. No I/O."""

from dataclasses import dataclass
from typing import Any, Protocol


class Push(Protocol):
    """One delivered push, whoever delivers it.

    `expiration` is UNIX seconds, 0 for "now or never", None if the provider named none; `accepted_at` is UNIX seconds;
    `push_type` and `priority` are the apns-push-type and apns-priority headers; `payload` is the decoded JSON object.
    """

    @property
    def apns_id(self) -> str: ...
    @property
    def apns_unique_id(self) -> str | None: ...
    @property
    def device_token(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def push_type(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def expiration(self) -> int | None: ...
    @property
    def collapse_id(self) -> str | None: ...
    @property
    def payload(self) -> dict[str, Any]: ...
    @property
    def accepted_at(self) -> float: ...


def expired(push: Push, now: float) -> bool:
    """Whether it comes too late, at `now` (UNIX seconds).

    0 means "try once, never store". A time that was gone by when APNs took it is assumed to mean the same, because APNs
    "tries to deliver it at least once" (Apple, Sending notification requests to APNs).
    """
    return push.accepted_at < (push.expiration or 0) <= now


def ids(push: Push | None) -> dict[str, str]:
    """How a push is called in the journal: its apns-id, and its apns-unique-id if it has one."""
    found = {} if push is None else {"apnsID": push.apns_id, "apnsUniqueID": push.apns_unique_id}
    return {name: value for name, value in found.items() if value is not None}


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
    """What the app reads from a payload.

    On iOS expo-notifications fills `notification.request.content.data` of a remote push from the payload's top-level key
    `body` only (expo/expo#10462, NotificationRecords.swift); keys beside `aps` do not reach it.
    """
    body = payload.get("body")
    data: dict[str, Any] = body if isinstance(body, dict) else {}
    server_id, event_type, session_id, url = read = _fields(data)
    return Content(server_id, event_type, session_id, url, root_agrees=read == _fields(payload))


def _fields(data: dict[str, Any]) -> list[str | None]:
    return [_string(data.get(name)) for name in _FIELDS]


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
