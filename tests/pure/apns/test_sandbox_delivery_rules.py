"""What becomes of an accepted push: sent, stored or discarded; how long it waits and where; and the log of it."""

from dataclasses import asdict, replace
from random import Random
from types import SimpleNamespace

import pytest

from simulator.apns.delivery.device import AlwaysOnline, Delivery
from simulator.apns.delivery.mailbox import (
    BROADCAST_STORED_FOR,
    DAY,
    DISPOSITIONS,
    MAX_QUEUE,
    AcceptedPush,
    Disposition,
    Mailbox,
    disposition,
    is_gone,
    kept_until,
    slot_of,
)
from simulator.apns.delivery.service import DeliveryLog, Step, token_suffix
from simulator.apns.registry import DeviceToken, Registry

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

SENT, STORED, EXPIRED = Disposition("sent"), Disposition("stored"), Disposition("discarded", "expired")
OFF = Disposition("discarded", "notifications_off")
FOREIGN = Disposition("discarded", "not_for_broadcast")
DELIVERY = Delivery("ID", "u", ALERT.token, TOPIC, "alert", 10, None, None, {"aps": {}}, NOW, "sandbox")


def push(name="1", token=ALERT, device=PHONE, **changes) -> AcceptedPush:
    fields = {
        "device_token": token.token,
        "push_type": "liveactivity" if token.kind == "activity" else "alert",
    }
    return AcceptedPush(name, replace(DELIVERY, **fields | changes), token, device)


def broadcast(
    name="1", device=PHONE, activity="", channel_id="c", event: object = "update", **changes
) -> AcceptedPush:
    payload = {"aps": {"event": event}}
    delivery = replace(
        DELIVERY,
        device_token=activity,
        channel_id=channel_id,
        push_type="liveactivity",
        **{"payload": payload} | changes,
    )
    return AcceptedPush(name, delivery, None, device, activity)


def phone(online: bool = True, refusal: str | None = None, asleep: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        name="iPhone", online=online, asleep=asleep, refuses=lambda _: refusal, receive=print
    )


# --- sent, stored or discarded ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (push(device=phone()), SENT),
        (push(device=None), SENT),
        (push(device=phone(), expiration=0), SENT),
        (push(device=phone(), expiration=1), SENT),
        (push(device=phone(online=False)), STORED),
        (push(device=phone(online=False), expiration=int(NOW) + 1), STORED),
        (push(device=phone(online=False), expiration=0), EXPIRED),
        (push(device=phone(online=False), expiration=int(NOW)), EXPIRED),
        (push(device=phone(asleep=True, online=False), priority=10), STORED),
        (push(device=phone(refusal="notifications_off")), OFF),
        (push(device=phone(online=False, refusal="notifications_off")), OFF),
        (push(device=phone(asleep=True)), SENT),
        (push(device=phone(asleep=True), priority=5), SENT),
        (push(device=phone(asleep=True), priority=1), STORED),
        (push(device=phone(asleep=False), priority=1), SENT),
        (push(device=phone(asleep=True), priority=1, expiration=0), SENT),
        (broadcast(event="update", device=phone()), SENT),
        (broadcast(event="end", device=phone()), SENT),
        (broadcast(event="update", device=phone(online=False)), STORED),
        (broadcast(event="update", device=phone(online=False), expiration=0), EXPIRED),
        (broadcast(event="start", device=phone()), FOREIGN),
        (broadcast(event=None, device=phone()), FOREIGN),
        (broadcast(device=phone(), payload={}), FOREIGN),
        (broadcast(device=phone(), payload={"aps": 1}), FOREIGN),
        (broadcast(event=["update"], device=phone()), FOREIGN),
        (broadcast(event="start", device=phone(online=False)), FOREIGN),
    ],
)  # fmt: skip
def test_at_the_moment_of_acceptance(given: AcceptedPush, expected: Disposition) -> None:
    assert disposition(given, NOW) == expected


def removed(token: DeviceToken) -> None:
    token.uninstalled_at = NOW - 1


def confirmed(token: DeviceToken) -> None:
    token.unregistered_since = NOW - 1


@pytest.mark.parametrize("remove", [removed, confirmed])
@pytest.mark.parametrize("device", [None, phone(), phone(online=False), phone(refusal="notifications_off")])
def test_nothing_reaches_a_removed_app(remove, device: object) -> None:
    given = push(token=registry.token(registry.mint_token(TOPIC, "sandbox")), device=device)
    assert not is_gone(given)
    assert given.token is not None
    remove(given.token)
    assert is_gone(given)
    assert disposition(given, NOW) == Disposition("discarded", "unregistered")


def test_every_row_names_itself_and_its_source() -> None:
    assert len({row.name for row in DISPOSITIONS}) == len(DISPOSITIONS)
    assert all(row.source.startswith("Apple") for row in DISPOSITIONS)


# --- the mailbox ---


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


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (push("1"), push("2"), False),
        (push("1", collapse_id="a"), push("2", collapse_id="a"), True),
        (push("1", collapse_id="a"), push("2", collapse_id="b"), False),
        (push("1", collapse_id="a"), push("2"), False),
        (push("1", collapse_id="2"), push("2"), False),
        (push("1", collapse_id="a"), push("2", collapse_id="a", device=TABLET), False),
        (push("1", collapse_id="a"), push("2", collapse_id="a", token=OTHER), False),
        (push("1", push_type="background"), push("2", push_type="background"), True),
        (push("1", push_type="background"), push("2"), False),
        (push("1", token=FIRST), push("2", token=FIRST), True),
        (broadcast("1"), broadcast("2"), True),
    ],
)
def test_which_pushes_share_a_place_in_a_queue(one: AcceptedPush, other: AcceptedPush, shared: bool) -> None:
    """Apple, User Notifications updates (June 2024): several notifications for each app."""
    assert (slot_of(one, "queue") == slot_of(other, "queue")) is shared


def test_a_queue_keeps_all_and_when_it_is_full_the_newest() -> None:
    mailbox = Mailbox()
    waiting = [push(f"{number} ") for number in range(MAX_QUEUE)]
    assert [mailbox.store(each, "queue") for each in (*waiting, push("other", token=OTHER))] == [None] * (
        MAX_QUEUE + 1
    )
    assert mailbox.store(push("again", collapse_id="a"), "queue") is waiting[0]
    replaced = mailbox.store(push("newest", collapse_id="a"), "queue")
    assert replaced is not None
    assert replaced.unique_id == "again"
    assert names(mailbox.collect(PHONE)) == "".join(each.unique_id for each in waiting[1:]) + "othernewest"


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


# --- the delivery log ---

TOKEN = "0123456789abcdef" * 4


def logged(unique_id: str, **changes: object) -> AcceptedPush:
    fields = {"apns_id": "ID-1", "device_token": TOKEN, "accepted_at": 5.0}
    return AcceptedPush(unique_id, replace(DELIVERY, **fields | changes), None, PHONE)


def test_every_step_is_kept_and_the_last_one_counts() -> None:
    log = DeliveryLog()
    log.note(logged("u1"), STORED, 5.0)
    entry = log.note(logged("u1"), Disposition("discarded", "expired"), 65.0)
    assert entry.steps == [Step(5.0, "stored", None), Step(65.0, "discarded", "expired")]
    assert (entry.outcome, entry.why, entry.received_at) == ("discarded", "expired", 5.0)
    assert log.find("u1") is entry
    assert log.find("U1") is entry
    assert len(log) == 1


def test_an_entry_says_what_was_pushed_where_but_no_whole_token() -> None:
    entry = DeliveryLog().note(logged("u1"), SENT, 5.0)
    assert (entry.apns_id, entry.realm, entry.topic, entry.push_type) == (
        "ID-1",
        "sandbox",
        "com.example.app",
        "alert",
    )
    assert (entry.device, entry.token, entry.channel_id) == ("iPhone", "89abcdef", None)
    assert TOKEN not in str(asdict(entry))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["u1", "u2", "u3"]),
        ({"apns_id": "id-1"}, ["u1", "u3"]),
        ({"token": TOKEN}, ["u1", "u3"]),
        ({"token": "89ABCDEF"}, ["u1", "u3"]),
        ({"token": "ff"}, ["u2"]),
        ({"channel_id": "c"}, ["u3"]),
        ({"apns_id": "ID-2", "token": TOKEN}, []),
    ],
)
def test_entries_are_found(query: dict[str, str], found: list[str]) -> None:
    log = DeliveryLog()
    for each in (
        logged("u1"),
        logged("u2", apns_id="ID-2", device_token="ff" * 32),
        logged("u3", channel_id="c"),
    ):
        log.note(each, SENT, 5.0)
    assert [entry.unique_id for entry in log.entries(**query)] == found


def test_by_apns_id_the_newest_is_found() -> None:
    log = DeliveryLog()
    log.note(logged("u1"), SENT, 5.0)
    newest = log.note(logged("u2"), SENT, 6.0)
    assert log.by_apns_id("id-1") is newest
    assert log.by_apns_id("other") is None
    assert log.find("other") is None


def test_the_oldest_give_way() -> None:
    log = DeliveryLog(size=2)
    for number in range(4):
        log.note(logged(f"u{number}"), STORED, 5.0)
    log.note(logged("u2"), SENT, 6.0)
    assert [entry.unique_id for entry in log.entries()] == ["u2", "u3"]


@pytest.mark.parametrize(
    ("token", "shown"), [(TOKEN, "89abcdef"), ("AB" * 9, "abababab"), ("ab" * 8, ""), ("", "")]
)
def test_of_a_short_token_nothing_is_shown(token: str, shown: str) -> None:
    assert token_suffix(token) == shown
