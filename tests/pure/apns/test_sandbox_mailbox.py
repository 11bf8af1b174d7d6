"""What waits for a device: one push a slot, the newest, in order of acceptance, for so long and no longer."""

from dataclasses import replace
from random import Random

import pytest

from simulator.apns.delivery.device import AlwaysOnline, Delivery
from simulator.apns.delivery.mailbox import (
    BROADCAST_STORED_FOR,
    DAY,
    AcceptedPush,
    Mailbox,
    kept_until,
    slot_of,
)
from simulator.apns.registry import Registry

NOW = 1_795_226_400.0
TOPIC = "com.example.app"

registry = Registry(Random(5))
registry.add_app(TOPIC)
registry.add_app("com.example.other")
ALERT = registry.token(registry.mint_token(TOPIC, "sandbox"))
VOIP = registry.token(registry.mint_token(TOPIC, "sandbox", "voip"))
OTHER = registry.token(registry.mint_token("com.example.other", "sandbox"))
FIRST, SECOND = (registry.token(registry.mint_token(TOPIC, "sandbox", "activity")) for _ in range(2))
PHONE, TABLET = AlwaysOnline(print, "iPhone"), AlwaysOnline(print, "iPad")

DELIVERY = Delivery("ID", "u", ALERT.token, TOPIC, "alert", 10, None, None, {"aps": {}}, NOW, "sandbox")


def push(name="1", token=ALERT, device=PHONE, **changes) -> AcceptedPush:
    changes = {
        "device_token": token.token,
        "push_type": "liveactivity" if token.kind == "activity" else "alert",
    } | changes
    return AcceptedPush(name, replace(DELIVERY, **changes), token, device)


def broadcast(name="1", device=PHONE, activity="", channel_id="c", **changes) -> AcceptedPush:
    delivery = replace(
        DELIVERY, device_token=activity, channel_id=channel_id, push_type="liveactivity", **changes
    )
    return AcceptedPush(name, delivery, None, device, activity)


def names(pushes: list[AcceptedPush]) -> str:
    return "".join(each.unique_id for each in pushes)


@pytest.mark.parametrize(
    ("expiration", "until"),
    [
        (None, NOW + 30 * DAY),
        (0, 0),
        (1, 1),
        (int(NOW) + 60, NOW + 60),
        (int(NOW + 30 * DAY) - 1, NOW + 30 * DAY - 1),
        (int(NOW + 400 * DAY), NOW + 30 * DAY),
    ],
)
def test_a_push_is_kept_until_it_expires_and_never_longer_than_thirty_days(expiration, until: float) -> None:
    assert kept_until(push(expiration=expiration).delivery) == until


@pytest.mark.parametrize(
    ("expiration", "until"), [(None, NOW + BROADCAST_STORED_FOR), (int(NOW + DAY), NOW + 8 * 3600)]
)
def test_a_broadcast_is_kept_for_eight_hours_at_the_most(expiration, until: float) -> None:
    assert kept_until(broadcast(expiration=expiration).delivery) == until


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (push(), push(collapse_id="other"), True),
        (push(), push(push_type="background"), True),
        (push(), push(token=VOIP), True),
        (push(), push(token=OTHER), False),
        (push(), push(device=TABLET), False),
        (push(), push(realm="production"), False),
        (push(), push(token=FIRST), False),
        (push(token=FIRST), push(token=FIRST), True),
        (push(token=FIRST), push(token=SECOND), False),
        (push(), broadcast(), False),
        (broadcast(), broadcast(), True),
        (broadcast(), broadcast(channel_id="d"), False),
        (broadcast(activity="a"), broadcast(activity="b"), False),
    ],
)
def test_which_pushes_share_a_slot(one: AcceptedPush, other: AcceptedPush, shared: bool) -> None:
    assert (slot_of(one) == slot_of(other)) is shared


def test_the_newest_takes_the_place_of_the_one_before() -> None:
    mailbox = Mailbox()
    assert mailbox.store(push("1")) is None
    replaced = mailbox.store(push("2"))
    assert replaced is not None
    assert replaced.unique_id == "1"
    assert len(mailbox) == 1
    assert names(mailbox.collect(PHONE)) == "2"
    assert len(mailbox) == 0


def test_what_waits_comes_in_the_order_of_its_acceptance() -> None:
    mailbox = Mailbox()
    for each in (
        push("1"),
        push("2", token=OTHER),
        push("3", token=FIRST),
        push("4", device=TABLET),
        push("5"),
    ):
        mailbox.store(each)
    assert names(mailbox.collect(PHONE)) == "235"
    assert names(mailbox.collect(PHONE)) == ""
    assert names(mailbox.collect(TABLET)) == "4"


def test_what_is_late_leaves_at_its_time_and_not_before() -> None:
    mailbox = Mailbox()
    mailbox.store(push("1", expiration=int(NOW) + 60))
    mailbox.store(push("2", token=OTHER))
    assert mailbox.expire(NOW + 59) == []
    assert names(mailbox.expire(NOW + 60)) == "1"
    assert names(mailbox.expire(NOW + 30 * DAY)) == "2"
    assert len(mailbox) == 0


def test_a_token_or_a_channel_takes_along_what_came_by_it() -> None:
    mailbox = Mailbox()
    for each in (push("1"), push("2", token=FIRST), broadcast("3"), broadcast("4", channel_id="d")):
        mailbox.store(each)
    assert names(mailbox.withdraw(ALERT.token)) == "1"
    assert names(mailbox.close("c")) == "3"
    assert names(mailbox.collect(PHONE)) == "24"
