"""What iOS makes of a push: shown, or dropped and why."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from simulator.phone.notifications import Dropped, Notification, Receiver, interpret

NOW = 1_795_226_400.0
TOKEN = "ab" * 32
BUNDLE = "com.anomalyco.mobilevoice"
PHONE = Receiver(frozenset({TOKEN}), BUNDLE)


@dataclass(frozen=True)
class Delivered:
    apns_id: str = "11111111-1111-1111-1111-111111111111"
    apns_unique_id: str | None = None
    device_token: str = TOKEN
    topic: str = BUNDLE
    push_type: str = "alert"
    priority: int = 10
    expiration: int | None = None
    collapse_id: str | None = None
    payload: dict[str, Any] = field(default_factory=lambda: {"aps": {"alert": {"title": "T", "body": "B"}}})
    accepted_at: float = NOW - 1


def with_aps(**aps: Any) -> Delivered:
    return Delivered(payload={"aps": {"alert": {"title": "T", "body": "B"}, **aps}})


def shown(push: Delivered, phone: Receiver = PHONE) -> Notification:
    outcome = interpret(push, phone, NOW)
    assert isinstance(outcome, Notification)
    return outcome


def why(push: Delivered, phone: Receiver = PHONE) -> str | None:
    outcome = interpret(push, phone, NOW)
    return outcome.why if isinstance(outcome, Dropped) else None


def test_a_plain_alert() -> None:
    push = Delivered()
    assert shown(push) == Notification("T", "B", NOW, push.apns_id, payload=push.payload)


DROPPED = [
    (Delivered(), replace(PHONE, online=False), "the phone is offline"),
    (Delivered(device_token="cd" * 32), PHONE, "the token is not of this phone"),
    (Delivered(), replace(PHONE, tokens=frozenset()), "the token is not of this phone"),
    (Delivered(topic="com.example.other"), PHONE, "no app has this topic"),
    (Delivered(push_type="background"), PHONE, "it is not an alert push"),
    (Delivered(push_type="liveactivity"), PHONE, "it is not an alert push"),
    (Delivered(expiration=int(NOW) - 1, accepted_at=NOW - 2), PHONE, "it has expired"),
    (Delivered(expiration=int(NOW)), PHONE, "it has expired"),
    (Delivered(payload={}), PHONE, "it has no aps dictionary"),
    (Delivered(payload={"aps": "x"}), PHONE, "it has no aps dictionary"),
    (Delivered(payload={"aps": {}}), PHONE, "its alert has no text"),
    (Delivered(payload={"aps": {"alert": ""}}), PHONE, "its alert has no text"),
    (Delivered(payload={"aps": {"alert": {}}}), PHONE, "its alert has no text"),
    (Delivered(payload={"aps": {"alert": {"title": 7}}}), PHONE, "its alert has no text"),
    (Delivered(payload={"aps": {"alert": ["x"]}}), PHONE, "its alert has no text"),
    (Delivered(payload={"aps": {"content-available": 1}}), PHONE, "its alert has no text"),
    (Delivered(), replace(PHONE, notifications_allowed=False), "notifications are off"),
]


@pytest.mark.parametrize(("push", "phone", "reason"), DROPPED)
def test_what_is_not_shown_and_why(push: Delivered, phone: Receiver, reason: str) -> None:
    assert why(push, phone) == reason


def test_the_first_reason_wins() -> None:
    everything_wrong = Delivered(
        device_token="cd", topic="x", push_type="voip", expiration=int(NOW), payload={}
    )
    assert why(everything_wrong, replace(PHONE, online=False)) == "the phone is offline"
    assert why(everything_wrong) == "the token is not of this phone"


@pytest.mark.parametrize("expiration", [None, 0, 1, int(NOW) - 1, int(NOW) + 1])
def test_what_is_in_time(expiration: int | None) -> None:
    """0, or a time gone by when APNs took it, means now or never: a push that arrives was delivered at the first try."""
    assert why(Delivered(expiration=expiration)) is None


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
    notification = shown(Delivered(payload={"aps": {"alert": alert}}))
    assert (notification.title, notification.subtitle, notification.body) == texts


@pytest.mark.parametrize(
    ("sound", "name"),
    [
        ("default", "default"),
        ("alert.wav", "alert.wav"),
        ({"critical": 1, "name": "alarm.caf", "volume": 1.0}, "alarm.caf"),
        ({"critical": 1}, None),
        (None, None),
        ("", None),
        (1, None),
    ],
)
def test_the_sound(sound: Any, name: str | None) -> None:
    assert shown(with_aps(sound=sound)).sound == name


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("passive", "passive"),
        ("active", "active"),
        ("time-sensitive", "time-sensitive"),
        ("critical", "active"),
        ("urgent", "active"),
        (None, "active"),
        (3, "active"),
    ],
)
def test_the_interruption_level(level: Any, expected: str) -> None:
    assert shown(with_aps(**{"interruption-level": level})).interruption_level == expected


def test_a_level_needs_its_entitlement() -> None:
    phone = replace(PHONE, entitled_levels=frozenset({"active"}))
    assert shown(with_aps(**{"interruption-level": "time-sensitive"}), phone).interruption_level == "active"


@pytest.mark.parametrize(("value", "expected"), [("ses_1", "ses_1"), (None, None), ("", None), (5, None)])
def test_thread_and_category(value: Any, expected: str | None) -> None:
    notification = shown(with_aps(**{"thread-id": value, "category": value}))
    assert (notification.thread_id, notification.category) == (expected, expected)


def test_what_comes_from_the_headers() -> None:
    notification = shown(Delivered(collapse_id="permission-1", apns_id="x"))
    assert (notification.collapse_id, notification.apns_id) == ("permission-1", "x")
