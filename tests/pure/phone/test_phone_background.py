"""Background pushes, and what an alert does beside showing a text."""

from dataclasses import replace
from typing import Any

import pytest

from phone_pushes import BUNDLE_ID, T0, Delivered
from simulator.phone.notifications import Badge, Dropped, Notification, Receiver, against_waking, interpret
from simulator.phone.push import ids

TOKEN = "ab" * 32
PHONE = Receiver(frozenset({TOKEN}), BUNDLE_ID)
BACKGROUND = Delivered(
    {"aps": {"content-available": 1}}, TOKEN, topic=BUNDLE_ID, push_type="background", priority=5
)


def test_it_wakes_the_app() -> None:
    assert against_waking(BACKGROUND, PHONE, T0) is None


@pytest.mark.parametrize(
    ("push", "phone", "why"),
    [
        ({}, {"online": False}, "the phone is offline"),
        ({"device_token": "cd"}, {}, "the token is not of this phone"),
        ({}, {"app_installed": False}, "the app is not installed"),
        ({"topic": "com.example"}, {}, "no app has this topic"),
        ({"accepted_at": 0.0, "expiration": 1}, {}, "it has expired"),
        ({"payload": {}}, {}, "it has no aps dictionary"),
        ({"payload": {"aps": {}}}, {}, "it has no content-available"),
        ({"payload": {"aps": {"content-available": 0}}}, {}, "it has no content-available"),
        ({"priority": 10}, {}, "its priority is not 5"),
        ({}, {"force_quit": True}, "the app was force-quit"),
    ],
)
def test_what_does_not_wake_it(push: dict[str, Any], phone: dict[str, Any], why: str) -> None:
    assert against_waking(replace(BACKGROUND, **push), replace(PHONE, **phone), T0) == why


def test_it_wakes_without_leave_to_notify() -> None:
    assert against_waking(BACKGROUND, replace(PHONE, notifications_allowed=False), T0) is None


def alert(**aps: Any) -> Delivered:
    return Delivered({"aps": aps}, TOKEN, topic=BUNDLE_ID, push_type="alert")


@pytest.mark.parametrize(
    ("badge", "number"), [(3, 3), (0, 0), (-1, None), (True, None), ("3", None), (2.0, None), (None, None)]
)
def test_the_badge(badge: Any, number: int | None) -> None:
    shown = interpret(alert(alert="x", badge=badge), PHONE, T0)
    assert isinstance(shown, Notification)
    assert shown.badge == number
    alone = interpret(alert(badge=badge), PHONE, T0)
    assert alone == (Dropped("its alert has no text") if number is None else Badge(number))


def test_a_badge_needs_leave_too() -> None:
    phone = replace(PHONE, notifications_allowed=False)
    assert interpret(alert(badge=1), phone, T0) == Dropped("notifications are off")


@pytest.mark.parametrize(("value", "mutable"), [(1, True), (0, False), ("1", False), (None, False)])
def test_mutable_content(value: Any, mutable: bool) -> None:
    shown = interpret(alert(alert="x", **{"mutable-content": value}), PHONE, T0)
    assert isinstance(shown, Notification)
    assert shown.mutable is mutable


def test_no_app_no_alert() -> None:
    assert interpret(alert(alert="x"), replace(PHONE, app_installed=False), T0) == Dropped(
        "the app is not installed"
    )


def test_how_a_push_is_called() -> None:
    assert ids(None) == {}
    assert ids(BACKGROUND) == {"apnsID": BACKGROUND.apns_id}
    assert ids(replace(BACKGROUND, apns_unique_id="u")) == {"apnsID": BACKGROUND.apns_id, "apnsUniqueID": "u"}
