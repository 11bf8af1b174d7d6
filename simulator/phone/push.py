"""What a phone gets from APNs, and what is read of it: by ActivityKit, and by the app's own code. No I/O.

Documented (Apple, "Starting and updating Live Activities with ActivityKit push notifications"): the keys of `aps`. A key
whose value has the wrong type counts as missing (assumed). All times are UNIX seconds.
"""

import json
import math
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class ActivityMessage:
    """One push, decoded as far as it goes without knowing the app's types; or the same said by the app, without `push`.

    `raw_*` are as sent, None if missing. `urgent`: priority 10, which counts against the hourly budget; 5 does not
    (documented).
    """

    event: str
    timestamp: float | None
    raw_content_state: Any = None
    raw_attributes: Any = None
    attributes_type: str | None = None
    alert: bool = False
    quiet: bool = False
    stale_date: float | None = None
    dismissal_date: float | None = None
    relevance_score: float | None = None
    input_push_token: bool = False
    input_push_channel: str | None = None
    urgent: bool = True
    push: Push | None = None

    @property
    def lights(self) -> bool:
        """Whether it lights the screen up; `interruption-level: passive` keeps an alert quiet (observed)."""
        return self.alert and not self.quiet

    @property
    def ends(self) -> bool:
        """Whether it ends the activity."""
        return self.event == "end"


def read(push: Push) -> ActivityMessage:
    """The message of a push; what is no Live Activity payload at all has the event ""."""
    payload = push.payload
    found = payload.get("aps") if isinstance(payload, dict) else None
    aps: dict[str, Any] = found if isinstance(found, dict) else {}
    return ActivityMessage(
        event=_text(aps.get("event")) or "",
        timestamp=_number(aps.get("timestamp")),
        raw_content_state=aps.get("content-state"),
        raw_attributes=aps.get("attributes"),
        attributes_type=_text(aps.get("attributes-type")),
        alert=bool(aps.get("alert")) and isinstance(aps.get("alert"), str | dict),
        quiet=aps.get("interruption-level") == "passive",
        stale_date=_number(aps.get("stale-date")),
        dismissal_date=_number(aps.get("dismissal-date")),
        relevance_score=_number(aps.get("relevance-score")),
        input_push_token=_number(aps.get("input-push-token")) == 1,
        input_push_channel=_text(aps.get("input-push-channel")),
        urgent=push.priority == 10,
        push=push,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


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
    return [_text(data.get(name)) for name in _FIELDS]


_SESSION = "mobilevoice://session/"


def session_link(session_id: str) -> str:
    """The link to a session, as notifications and Live Activities carry it."""
    return _SESSION + session_id


def linked_session(url: object) -> str | None:
    """The session that a link opens; None for any other value."""
    if not isinstance(url, str) or not url.startswith(_SESSION):
        return None
    return url.removeprefix(_SESSION) or None


LAYOUT = "SessionActivity"
"""The name the app gives to createLiveActivity."""


def session_of(attributes: Mapping[str, Any]) -> str | None:
    """The session of an activity with these attributes, of either kind; None if they name none.

    Assumed for expo-widgets: its one static field is the link that a tap opens, and the session is read from that.
    """
    session_id = attributes.get("sessionId")
    return session_id if isinstance(session_id, str) else linked_session(attributes.get("url"))


def session_props(content_state: dict[str, Any]) -> dict[str, Any] | None:
    """What the app's widget gets to read, of either format; None if it reads nothing."""
    if "props" not in content_state:
        return content_state if "status" in content_state else None
    if content_state.get("name") != LAYOUT:
        return None
    try:
        props = json.loads(content_state["props"])
    except (TypeError, ValueError):
        return None
    return props if isinstance(props, dict) else None
