"""Live Activities, news and outcomes as values, for the tests of the relay's pure code; each takes what matters to the test."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.contract import ApnsEnv, ContentState, EventType, Status
from relay.server.delivery import Recipient
from relay.server.live_activities import tokens
from relay.server.live_activities.activity import Activity, Alert, News, activity_id
from relay.server.live_activities.push import begun
from relay.server.live_activities.settlement import Disposition, settled
from relay.server.live_activities.tokens import Registration

NOW = 1_800_000_000_000
"""UTC ms, on a full second."""
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SECRET = "5" * 64
SESSION = "ses_1"
PHONE, OTHER_PHONE = "aa" * 32, "bb" * 32
TOKEN, NEW_TOKEN = "01" * 80, "02" * 80
BUNDLE = "com.example.app"
LEASE_MS = 22_500
QUESTION = Alert("Run rm -rf build?", "Needs your decision")

STATUS: dict[EventType, Status] = {
    "start": "working",
    "progress": "working",
    "permission": "permission",
    "complete": "complete",
    "error": "error",
}


def state(
    status: Status = "working", message: str = "Reading", *, title: str = "Fix", retry: str | None = None
) -> ContentState:
    return ContentState(status=status, session_title=title, last_message=message, retry_info=retry)


def news(
    event_type: EventType = "progress",
    event_id: str = "evt_2",
    *,
    status: Status | None = None,
    message: str = "News",
) -> News:
    """The news of one event; a permission has its question."""
    alert = QUESTION if event_type == "permission" else None
    return News(event_id, event_type, state(status or STATUS[event_type], message), alert)


def phone(**changes: Any) -> Recipient:
    """A phone that Live Activities can be started on."""
    known = Recipient("dev_1", PHONE, BUNDLE, "production", 0, push_to_start_token="ee" * 80)
    return replace(known, **changes)


def row(device_token: str = PHONE, **fields: Any) -> Activity:
    """The session's row of a phone: its key, the app, and nothing but the given fields."""
    known: dict[str, Any] = {
        "id": activity_id(SECRET, SESSION, device_token),
        "secret_hash": SECRET,
        "session_id": SESSION,
        "device_token": device_token,
        "bundle_id": BUNDLE,
    }
    return Activity(**(known | fields))


def activity(**changes: Any) -> Activity:
    """An active one, of whose last push nothing is known, unless changed."""
    known: dict[str, Any] = {
        "apns_env": "production",
        "activity_format": "flat",
        "stage": "active",
        "event_type": "progress",
        "event_id": "evt_1",
        "state": state(),
        "activity_token": TOKEN if changes.get("stage", "active") == "active" else None,
        "began_at": NOW - MINUTE,
        "updated_at": NOW - MINUTE,
    }
    return row(**(known | changes))


def registration(**changes: Any) -> Registration:
    known: dict[str, Any] = {
        "secret_hash": SECRET,
        "session_id": SESSION,
        "device_token": PHONE,
        "activity_token": TOKEN,
        "bundle_id": BUNDLE,
        "apns_env": "production",
        "activity_format": "flat",
    }
    return Registration(**(known | changes))


def registered(
    known: Sequence[Activity], where: Registration, now_ms: int
) -> tuple[Activity, Activity | None]:
    """The activity that has the token then, and the one that goes, if one does."""
    changes = tokens.registered(known, where, now_ms)
    (after,) = (*changes.new, *changes.changed)
    return after, next(iter(changes.gone), None)


def pushing(before: Activity, now_ms: int = NOW) -> Activity:
    """The activity with its push under way, which must be due."""
    under_way = begun(before, claim="relay#1", lease_until=now_ms + LEASE_MS, now_ms=now_ms)
    assert under_way is not None, "no push is due"
    return under_way


OUTCOMES: dict[Disposition, Outcome] = {
    "sent": answered(200),
    "maybe sent": maybe_sent("connection lost"),
    "not sent": not_sent("connection refused"),
    "later": answered(503, "ServiceUnavailable"),
    "dead": answered(410, "Unregistered"),
    "refused": answered(400, "BadTopic"),
}


def outcome(
    disposition: Disposition, *, dead_since: int | None = None, apns_env: ApnsEnv = "production"
) -> Outcome:
    """What became of a push, in the activity's own environment."""
    return replace(OUTCOMES[disposition], timestamp=dead_since, apns_env=apns_env)


def after_push(now: Activity, before: Activity, outcome: Outcome, now_ms: int = NOW) -> Activity | None:
    """The activity after the push of `before`."""
    return settled(now, before, outcome, now_ms)
