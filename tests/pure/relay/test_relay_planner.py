"""From an event and the registered phones to pushes."""

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from relay.contract import ALERT_TYPES, Event
from relay.server.alerts import ALERT_SECONDS, Delivery, Recipient, plan

NOW = 1_800_000_000_123
PHONES = [
    Recipient("d1", "ab" * 32, "com.example.app", "production", 5),
    Recipient("d2", "cd" * 32, "com.example.dev", "sandbox", 6),
]


def event(**fields: Any) -> Event:
    return Event(**({"secret": "0123456789abcdef", "event_type": "complete", "session_id": "ses_1"} | fields))


def planned(what: Event | None = None, **changes: Any) -> list[Delivery]:
    given = {"event_id": "evt_1", "secret_hash": "5" * 64, "recipients": PHONES, "now_ms": NOW} | changes
    return plan(what or event(), **given)


@pytest.mark.parametrize("event_type", sorted(ALERT_TYPES))
def test_every_phone_gets_the_alert(event_type: str) -> None:
    first, second = planned(event(event_type=event_type))
    assert (first.device_id, second.device_id) == ("d1", "d2")
    assert first.push.payload == second.push.payload
    for delivery, phone in zip((first, second), PHONES, strict=True):
        push = delivery.push
        assert (push.device_token, push.topic, push.apns_env) == (
            phone.device_token,
            phone.bundle_id,
            phone.apns_env,
        )
        assert (push.push_type, push.priority) == ("alert", 10)
        assert push.expiration == NOW // 1000 + ALERT_SECONDS
        assert (delivery.secret_hash, delivery.event_id, delivery.event_type) == (
            "5" * 64,
            "evt_1",
            event_type,
        )
        assert (delivery.session_id, delivery.created_at, delivery.attempts) == ("ses_1", NOW, 0)
        assert delivery.registered_at == phone.registered_at


def test_without_an_alert_or_a_phone_there_is_no_push() -> None:
    assert planned(event(event_type="start")) == planned(event(event_type="progress", title="Working")) == []
    assert planned(recipients=[]) == []


def test_an_alert_is_replaced_in_its_place_without_a_sound() -> None:
    """Apple: apns-collapse-id (documented); a passive notification lights up nothing (documented)."""
    asked = planned(event(event_type="permission", title="Action Needed: Fix it", body="bash: ls"))[0].push
    answered = event(event_type="progress", title="Fix it", body="Answered: bash: ls", replaces="evt_1")
    one = planned(answered, event_id="evt_2")[0].push
    assert (one.collapse_id, one.apns_id != asked.apns_id, one.push_type) == (
        asked.collapse_id,
        True,
        "alert",
    )
    aps = json.loads(one.payload)["aps"]
    assert (aps["alert"], aps["interruption-level"]) == (
        {"title": "Fix it", "body": "Answered: bash: ls"},
        "passive",
    )
    assert "sound" not in aps
    assert planned(event(event_type="progress", replaces="evt_1", title="Fix it")) == []
    loud = json.loads(planned(event(replaces="evt_1"), event_id="evt_3")[0].push.payload)["aps"]
    assert (loud["sound"], loud["interruption-level"]) == ("alert.wav", "active")


@pytest.mark.parametrize(
    ("event_type", "title", "body"),
    [
        ("complete", "Session complete", "OpenCode finished your session."),
        ("permission", "Action needed", "OpenCode needs your permission decision."),
        ("error", "Session error", "OpenCode reported an error for your session."),
    ],
)
def test_texts_of_the_first_implementation_where_there_are_none(
    event_type: str, title: str, body: str
) -> None:
    def alert(**texts: str) -> dict[str, str]:
        (delivery, _) = planned(event(event_type=event_type, **texts))
        shown: dict[str, str] = json.loads(delivery.push.payload)["aps"]["alert"]
        return shown

    assert alert() == {"title": title, "body": body}
    assert alert(title="T") == {"title": "T", "body": body}
    assert alert(body="B") == {"title": title, "body": "B"}


def test_planned_again_it_is_the_same_push() -> None:
    for first, second in zip(planned(), planned(now_ms=NOW + 60_000), strict=True):
        assert replace(second.push, expiration=first.push.expiration) == first.push


def test_ids_are_of_secret_event_and_phone_and_fit() -> None:
    plans = [planned(), planned(event_id="EVT_1"), planned(secret_hash="6" * 64)]
    pushes = [delivery.push for one in plans for delivery in one]
    assert len({push.apns_id for push in pushes}) == 6
    assert all(str(uuid.UUID(push.apns_id)) == push.apns_id for push in pushes)
    assert all(len({delivery.push.collapse_id for delivery in one}) == 1 for one in plans)
    assert len({push.collapse_id for push in pushes}) == 3
    assert all(len(push.collapse_id.encode()) <= 64 for push in pushes)


def test_a_delivery_keeps_no_secret() -> None:
    assert "0123456789abcdef" not in repr(planned())
