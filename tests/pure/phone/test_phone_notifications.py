"""What iOS makes of a push to the app's own token: shown, a badge, time to run, or dropped and why."""

from dataclasses import replace
from typing import Any

import pytest

from phone_pushes import BUNDLE_ID, T0, Delivered
from simulator.phone.notifications import (
    _AGAINST_SHOWING,
    _AGAINST_WAKING,
    Badge,
    Dropped,
    Notification,
    Receiver,
    against_waking,
    interpret,
)
from simulator.phone.push import ids

TOKEN = "ab" * 32
PHONE = Receiver(frozenset({TOKEN}), BUNDLE_ID)
TEXTS = {"title": "T", "body": "B"}
ALERT = Delivered({"aps": {"alert": TEXTS}}, TOKEN, topic=BUNDLE_ID, push_type="alert", accepted_at=T0 - 1)
BACKGROUND = replace(ALERT, payload={"aps": {"content-available": 1}}, push_type="background", priority=5)


def with_aps(**aps: Any) -> Delivered:
    return replace(ALERT, payload={"aps": {name.replace("_", "-"): value for name, value in aps.items()}})


def shown(**aps: Any) -> Notification:
    outcome = interpret(with_aps(**{"alert": TEXTS, **aps}), PHONE, T0)
    assert isinstance(outcome, Notification)
    return outcome


def test_a_plain_alert() -> None:
    assert interpret(ALERT, PHONE, T0) == Notification("T", "B", T0, ALERT.apns_id, payload=ALERT.payload)


# What is not shown, and what does not wake the app: both have reasons in common.

FOR_BOTH: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"online": False}, "the phone is offline"),
    ({"device_token": "cd" * 32}, {}, "the token is not of this phone"),
    ({}, {"tokens": frozenset()}, "the token is not of this phone"),
    ({}, {"app_installed": False}, "the app is not installed"),
    ({"topic": "com.example.other"}, {}, "no app has this topic"),
    ({"expiration": int(T0) - 1, "accepted_at": T0 - 2}, {}, "it has expired"),
    ({"expiration": int(T0)}, {}, "it has expired"),
    ({"payload": {}}, {}, "it has no aps dictionary"),
    ({"payload": {"aps": "x"}}, {}, "it has no aps dictionary"),
]
NOT_SHOWN = [
    *FOR_BOTH,
    *(({"push_type": kind}, {}, "it is not an alert push") for kind in ("background", "liveactivity")),
    *(
        ({"payload": {"aps": aps}}, {}, "its alert has no text")
        for aps in (
            {},
            {"alert": ""},
            {"alert": {}},
            {"alert": {"title": 7}},
            {"alert": ["x"]},
            {"sound": "x"},
        )
    ),
    ({}, {"notifications_allowed": False}, "notifications are off"),
    ({"payload": {"aps": {"badge": 1}}}, {"notifications_allowed": False}, "notifications are off"),
    ({"device_token": "cd", "topic": "x", "push_type": "voip"}, {"online": False}, "the phone is offline"),
    ({"device_token": "cd", "topic": "x", "push_type": "voip"}, {}, "the token is not of this phone"),
]
NOT_WOKEN = [
    *FOR_BOTH,
    ({"payload": {"aps": {}}}, {}, "it has no content-available"),
    ({"payload": {"aps": {"content-available": 0}}}, {}, "it has no content-available"),
    ({"priority": 10}, {}, "its priority is not 5"),
    ({}, {"force_quit": True}, "the app was force-quit"),
]


@pytest.mark.parametrize(("push", "phone", "why"), NOT_SHOWN)
def test_what_is_not_shown(push: dict[str, Any], phone: dict[str, Any], why: str) -> None:
    assert interpret(replace(ALERT, **push), replace(PHONE, **phone), T0) == Dropped(why)


@pytest.mark.parametrize(("push", "phone", "why"), NOT_WOKEN)
def test_what_does_not_wake_the_app(push: dict[str, Any], phone: dict[str, Any], why: str) -> None:
    assert against_waking(replace(BACKGROUND, **push), replace(PHONE, **phone), T0) == why


def test_every_reason_is_tested() -> None:
    assert {why for _, _, why in NOT_SHOWN} == {why for why, _ in _AGAINST_SHOWING}
    assert {why for _, _, why in NOT_WOKEN} == {why for why, _ in _AGAINST_WAKING}


@pytest.mark.parametrize("phone", [PHONE, replace(PHONE, notifications_allowed=False)])
def test_it_wakes_the_app_also_without_leave_to_notify(phone: Receiver) -> None:
    assert against_waking(BACKGROUND, phone, T0) is None


@pytest.mark.parametrize("expiration", [None, 0, 1, int(T0) - 1, int(T0) + 1])
def test_what_is_in_time(expiration: int | None) -> None:
    """0, or a time gone by when APNs took it, means now or never: a push that arrives was delivered at the first try."""
    assert isinstance(interpret(replace(ALERT, expiration=expiration), PHONE, T0), Notification)


# What it looks like.


@pytest.mark.parametrize(
    ("alert", "texts"),
    [
        ("only a body", ("", "", "only a body")),
        ({"body": "only a body"}, ("", "", "only a body")),
        ({"title": "only a title"}, ("only a title", "", "")),
        ({"title": "T", "subtitle": "S", "body": "B"}, ("T", "S", "B")),
        ({"title-loc-key": "DONE_TITLE", "loc-key": "DONE"}, ("DONE_TITLE", "", "DONE")),
        ({"title": "T", "title-loc-key": "K", "body": 5}, ("T", "", "")),
        ({"subtitle-loc-key": "SUB"}, ("", "SUB", "")),
    ],
)
def test_the_texts_of_an_alert(alert: Any, texts: tuple[str, str, str]) -> None:
    found = shown(alert=alert)
    assert (found.title, found.subtitle, found.body) == texts


ALARM = {"critical": 1, "name": "alarm.caf", "volume": 1.0}
READ: dict[str, list[tuple[Any, Any]]] = {
    "sound": [
        *(("default", "default"), ("alert.wav", "alert.wav"), (ALARM, "alarm.caf")),
        *((nothing, None) for nothing in ({"critical": 1}, None, "", 1)),
    ],
    "interruption-level": [
        *((level, level) for level in ("passive", "active", "time-sensitive")),
        *((level, "active") for level in ("critical", "urgent", None, 3)),
    ],
    "thread-id": [("ses_1", "ses_1"), (None, None), ("", None), (5, None)],
    "category": [("ask", "ask"), (None, None), ("", None), (5, None)],
    "mutable-content": [(1, True), (0, False), ("1", False), (None, False)],
}
FIELDS = {name: name.replace("-", "_") for name in READ} | {"mutable-content": "mutable"}


@pytest.mark.parametrize(
    ("key", "value", "expected"), [(key, *row) for key, rows in READ.items() for row in rows]
)
def test_the_other_keys(key: str, value: Any, expected: Any) -> None:
    assert getattr(shown(**{key: value}), FIELDS[key]) == expected


@pytest.mark.parametrize(
    ("badge", "number"), [(3, 3), (0, 0), (-1, None), (True, None), ("3", None), (2.0, None), (None, None)]
)
def test_the_badge_beside_a_text_and_alone(badge: Any, number: int | None) -> None:
    assert shown(badge=badge).badge == number
    alone = interpret(with_aps(badge=badge), PHONE, T0)
    assert alone == (Dropped("its alert has no text") if number is None else Badge(number))


def test_how_a_push_is_called() -> None:
    assert ids(None) == {}
    assert ids(BACKGROUND) == {"apnsID": BACKGROUND.apns_id}
    assert ids(replace(BACKGROUND, apns_unique_id="u")) == {"apnsID": BACKGROUND.apns_id, "apnsUniqueID": "u"}
