from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.phones import AlertPhone
from simulator.clock import VirtualClock

ALERT: dict[str, Any] = {
    "aps": {"alert": {"title": "Session complete"}},
    "body": {"sessionID": "ses_1", "eventType": "complete", "serverID": "load"},
}


def push(payload: dict[str, Any] = ALERT, **changed: Any) -> Any:
    reported = {"device_token": "ab" * 32, "topic": "com.example.app", "push_type": "alert", "apns_id": "a",
            "expiration": None, "collapse_id": None, "priority": 10, "accepted_at": 98.0}  # fmt: skip
    return SimpleNamespace(payload=payload, **reported | changed)


def shown(*pushes: Any) -> list[tuple[str, str, float]]:
    found: list[tuple[str, str, float]] = []
    phone = AlertPhone(
        "phone-1", "ab" * 32, "com.example.app", VirtualClock(100.0), lambda *one: found.append(one)
    )
    for one in pushes:
        assert phone.refuses(one) is None
        phone.receive(one)
    return found


def test_every_alert_that_ios_would_show_is_noted() -> None:
    assert shown(push(), push()) == [("ses_1", "phone-1", 100.0)] * 2


@pytest.mark.parametrize(
    "one",
    [
        push(device_token="cd" * 32),
        push(topic="com.example.other"),
        push(push_type="background"),
        push(expiration=99),
        push({"aps": {"badge": 3}}),
        push({"aps": {"content-available": 1}}),
        push({"alert": "not in aps"}),
    ],
)
def test_what_ios_would_not_show_as_an_alert_is_not(one: Any) -> None:
    assert shown(one) == []
