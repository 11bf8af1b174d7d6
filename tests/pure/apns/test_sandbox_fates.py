"""Sent, stored or discarded: every row of the table, and which goes first."""

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from simulator.apns.delivery.delivery import Delivery
from simulator.apns.delivery.fates import FATES, Fate, fate, is_gone
from simulator.apns.delivery.mailbox import Parcel
from simulator.apns.registry import DeviceToken, Registry

NOW = 1_795_226_400.0
DELIVERY = Delivery("ID", None, "ab", "com.example.app", "alert", 10, None, None, {"aps": {}}, NOW, "sandbox")
SENT, STORED = Fate("sent"), Fate("stored")


def phone(online: bool = True, refusal: str | None = None, asleep: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        name="iPhone", online=online, asleep=asleep, refuses=lambda _: refusal, receive=print
    )


def parcel(device: object = None, **changes: object) -> Parcel:
    registry = Registry(Random(5))
    registry.add_app("com.example.app")
    token = registry.token(registry.mint_token("com.example.app", "sandbox"))
    return Parcel("u", replace(DELIVERY, **changes), token, device)  # type: ignore[arg-type]


def broadcast(event: object, device: object = None, **changes: object) -> Parcel:
    delivery = replace(DELIVERY, channel_id="c", payload={"aps": {"event": event}}, **changes)
    return Parcel("u", delivery, None, device)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (parcel(phone()), SENT),
        (parcel(None), SENT),
        (parcel(phone(), expiration=0), SENT),
        (parcel(phone(), expiration=1), SENT),
        (parcel(phone(online=False)), STORED),
        (parcel(phone(online=False), expiration=int(NOW) + 1), STORED),
        (parcel(phone(online=False), expiration=0), Fate("discarded", "expired")),
        (parcel(phone(online=False), expiration=int(NOW)), Fate("discarded", "expired")),
        (parcel(phone(asleep=True, online=False), priority=10), STORED),
        (parcel(phone(refusal="notifications_off")), Fate("discarded", "notifications_off")),
        (parcel(phone(online=False, refusal="notifications_off")), Fate("discarded", "notifications_off")),
        (parcel(phone(asleep=True)), SENT),
        (parcel(phone(asleep=True), priority=5), SENT),
        (parcel(phone(asleep=True), priority=1), STORED),
        (parcel(phone(asleep=False), priority=1), SENT),
        (parcel(phone(asleep=True), priority=1, expiration=0), SENT),
        (broadcast("update", phone()), SENT),
        (broadcast("end", phone()), SENT),
        (broadcast("update", phone(online=False)), STORED),
        (broadcast("update", phone(online=False), expiration=0), Fate("discarded", "expired")),
        (broadcast("start", phone()), Fate("discarded", "not_for_broadcast")),
        (broadcast(None, phone()), Fate("discarded", "not_for_broadcast")),
        (broadcast(["update"], phone()), Fate("discarded", "not_for_broadcast")),
        (broadcast("start", phone(online=False)), Fate("discarded", "not_for_broadcast")),
    ],
)
def test_at_the_moment_of_acceptance(given: Parcel, expected: Fate) -> None:
    assert fate(given, NOW) == expected


@pytest.mark.parametrize("payload", [{}, {"aps": 1}])
def test_a_broadcast_without_an_event_is_for_nobody(payload: dict[str, object]) -> None:
    given = broadcast("update", phone())
    given = given._replace(delivery=replace(given.delivery, payload=payload))
    assert fate(given, NOW) == Fate("discarded", "not_for_broadcast")


@pytest.mark.parametrize(
    ("later", "expected"),
    [(59, SENT), (60, Fate("discarded", "expired")), (3600, Fate("discarded", "expired"))],
)
def test_when_the_device_comes_back(later: float, expected: Fate) -> None:
    assert fate(parcel(phone(), expiration=int(NOW) + 60), NOW + later) == expected


def removed(token: DeviceToken) -> None:
    token.uninstalled_at = NOW - 1


def confirmed(token: DeviceToken) -> None:
    token.unregistered_since = NOW - 1


@pytest.mark.parametrize("remove", [removed, confirmed])
@pytest.mark.parametrize("device", [None, phone(), phone(online=False), phone(refusal="notifications_off")])
def test_nothing_reaches_a_removed_app(remove, device: object) -> None:
    given = parcel(device)
    assert not is_gone(given)
    assert given.token is not None
    remove(given.token)
    assert is_gone(given)
    assert fate(given, NOW) == Fate("discarded", "unregistered")


def test_every_row_names_itself_and_its_source() -> None:
    assert len({row.name for row in FATES}) == len(FATES)
    assert all(row.source.startswith("Apple") for row in FATES)
