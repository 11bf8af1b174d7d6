"""Sent, stored or discarded: every row of the table, and which goes first."""

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from simulator.apns.delivery.device import Delivery
from simulator.apns.delivery.mailbox import DISPOSITIONS, AcceptedPush, Disposition, disposition, is_gone
from simulator.apns.registry import DeviceToken, Registry

NOW = 1_795_226_400.0
DELIVERY = Delivery("ID", None, "ab", "com.example.app", "alert", 10, None, None, {"aps": {}}, NOW, "sandbox")
SENT, STORED = Disposition("sent"), Disposition("stored")


def phone(online: bool = True, refusal: str | None = None, asleep: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        name="iPhone", online=online, asleep=asleep, refuses=lambda _: refusal, receive=print
    )


def push(device: object = None, **changes: object) -> AcceptedPush:
    registry = Registry(Random(5))
    registry.add_app("com.example.app")
    token = registry.token(registry.mint_token("com.example.app", "sandbox"))
    return AcceptedPush("u", replace(DELIVERY, **changes), token, device)  # type: ignore[arg-type]


def broadcast(event: object, device: object = None, **changes: object) -> AcceptedPush:
    delivery = replace(DELIVERY, channel_id="c", payload={"aps": {"event": event}}, **changes)
    return AcceptedPush("u", delivery, None, device)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (push(phone()), SENT),
        (push(None), SENT),
        (push(phone(), expiration=0), SENT),
        (push(phone(), expiration=1), SENT),
        (push(phone(online=False)), STORED),
        (push(phone(online=False), expiration=int(NOW) + 1), STORED),
        (push(phone(online=False), expiration=0), Disposition("discarded", "expired")),
        (push(phone(online=False), expiration=int(NOW)), Disposition("discarded", "expired")),
        (push(phone(asleep=True, online=False), priority=10), STORED),
        (push(phone(refusal="notifications_off")), Disposition("discarded", "notifications_off")),
        (
            push(phone(online=False, refusal="notifications_off")),
            Disposition("discarded", "notifications_off"),
        ),
        (push(phone(asleep=True)), SENT),
        (push(phone(asleep=True), priority=5), SENT),
        (push(phone(asleep=True), priority=1), STORED),
        (push(phone(asleep=False), priority=1), SENT),
        (push(phone(asleep=True), priority=1, expiration=0), SENT),
        (broadcast("update", phone()), SENT),
        (broadcast("end", phone()), SENT),
        (broadcast("update", phone(online=False)), STORED),
        (broadcast("update", phone(online=False), expiration=0), Disposition("discarded", "expired")),
        (broadcast("start", phone()), Disposition("discarded", "not_for_broadcast")),
        (broadcast(None, phone()), Disposition("discarded", "not_for_broadcast")),
        (broadcast(["update"], phone()), Disposition("discarded", "not_for_broadcast")),
        (broadcast("start", phone(online=False)), Disposition("discarded", "not_for_broadcast")),
    ],
)
def test_at_the_moment_of_acceptance(given: AcceptedPush, expected: Disposition) -> None:
    assert disposition(given, NOW) == expected


@pytest.mark.parametrize("payload", [{}, {"aps": 1}])
def test_a_broadcast_without_an_event_is_for_nobody(payload: dict[str, object]) -> None:
    given = broadcast("update", phone())
    given = given._replace(delivery=replace(given.delivery, payload=payload))
    assert disposition(given, NOW) == Disposition("discarded", "not_for_broadcast")


@pytest.mark.parametrize(
    ("later", "expected"),
    [(59, SENT), (60, Disposition("discarded", "expired")), (3600, Disposition("discarded", "expired"))],
)
def test_when_the_device_comes_back(later: float, expected: Disposition) -> None:
    assert disposition(push(phone(), expiration=int(NOW) + 60), NOW + later) == expected


def removed(token: DeviceToken) -> None:
    token.uninstalled_at = NOW - 1


def confirmed(token: DeviceToken) -> None:
    token.unregistered_since = NOW - 1


@pytest.mark.parametrize("remove", [removed, confirmed])
@pytest.mark.parametrize("device", [None, phone(), phone(online=False), phone(refusal="notifications_off")])
def test_nothing_reaches_a_removed_app(remove, device: object) -> None:
    given = push(device)
    assert not is_gone(given)
    assert given.token is not None
    remove(given.token)
    assert is_gone(given)
    assert disposition(given, NOW) == Disposition("discarded", "unregistered")


def test_every_row_names_itself_and_its_source() -> None:
    assert len({row.name for row in DISPOSITIONS}) == len(DISPOSITIONS)
    assert all(row.source.startswith("Apple") for row in DISPOSITIONS)
