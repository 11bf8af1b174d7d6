"""The log of accepted pushes: found by any of its ids, bounded, and never with a whole token."""

from dataclasses import asdict, replace

import pytest

from simulator.apns.delivery.device import AlwaysOnline, Delivery
from simulator.apns.delivery.mailbox import AcceptedPush, Disposition
from simulator.apns.delivery.service import DeliveryLog, Step, token_suffix

TOKEN = "0123456789abcdef" * 4
DELIVERY = Delivery(
    "ID-1", "u1", TOKEN, "com.example.app", "alert", 10, None, None, {"aps": {}}, 5.0, "sandbox"
)
SENT, STORED = Disposition("sent"), Disposition("stored")


def push(unique_id: str, **changes: object) -> AcceptedPush:
    return AcceptedPush(unique_id, replace(DELIVERY, **changes), None, AlwaysOnline(print, "iPhone"))


def test_every_step_is_kept_and_the_last_one_counts() -> None:
    log = DeliveryLog()
    log.note(push("u1"), STORED, 5.0)
    entry = log.note(push("u1"), Disposition("discarded", "expired"), 65.0)
    assert entry.steps == [Step(5.0, "stored", None), Step(65.0, "discarded", "expired")]
    assert (entry.outcome, entry.why, entry.received_at) == ("discarded", "expired", 5.0)
    assert log.find("u1") is entry
    assert log.find("U1") is entry
    assert len(log) == 1


def test_an_entry_says_what_was_pushed_where_but_no_whole_token() -> None:
    entry = DeliveryLog().note(push("u1"), SENT, 5.0)
    assert (entry.apns_id, entry.realm, entry.topic, entry.push_type) == (
        "ID-1",
        "sandbox",
        "com.example.app",
        "alert",
    )
    assert (entry.device, entry.token, entry.channel_id) == ("iPhone", "89abcdef", None)
    assert TOKEN not in str(asdict(entry))


def test_an_entry_without_steps_or_device_has_no_outcome_yet() -> None:
    entry = DeliveryLog().note(push("u1")._replace(device=None), SENT, 5.0)
    assert entry.device is None
    entry.steps.clear()
    assert (entry.outcome, entry.why) == (None, None)


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
        push("u1"),
        push("u2", apns_id="ID-2", device_token="ff" * 32),
        push("u3", channel_id="c"),
    ):
        log.note(each, SENT, 5.0)
    assert [entry.unique_id for entry in log.entries(**query)] == found


def test_by_apns_id_the_newest_is_found() -> None:
    log = DeliveryLog()
    log.note(push("u1"), SENT, 5.0)
    newest = log.note(push("u2"), SENT, 6.0)
    assert log.by_apns_id("id-1") is newest
    assert log.by_apns_id("other") is None
    assert log.find("other") is None


def test_the_oldest_give_way() -> None:
    log = DeliveryLog(size=2)
    for number in range(4):
        log.note(push(f"u{number}"), STORED, 5.0)
    log.note(push("u2"), SENT, 6.0)
    assert [entry.unique_id for entry in log.entries()] == ["u2", "u3"]


@pytest.mark.parametrize(
    ("token", "shown"), [(TOKEN, "89abcdef"), ("AB" * 9, "abababab"), ("ab" * 8, ""), ("", "")]
)
def test_of_a_short_token_nothing_is_shown(token: str, shown: str) -> None:
    assert token_suffix(token) == shown
