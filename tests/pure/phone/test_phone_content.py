"""What the app's code reads from a push, its device, and how it judges the relay's replies."""

from itertools import count

import pytest

from simulator.phone.app.relay_client import outcome_of
from simulator.phone.device import Device
from simulator.phone.push import Content, content

FIELDS = {
    "serverID": "0123456789abcdef",
    "eventType": "complete",
    "sessionID": "ses_1",
    "url": "mobilevoice://session/ses_1",
}
READ = Content("0123456789abcdef", "complete", "ses_1", "mobilevoice://session/ses_1", root_agrees=True)
NOTHING = Content(None, None, None, None, root_agrees=True)


def test_both_places_agree() -> None:
    assert content({"aps": {}, **FIELDS, "body": FIELDS}) == READ


def test_only_the_key_body_is_read() -> None:
    """expo/expo#10462: the first relay sent the fields beside aps, and the app saw nothing."""
    assert content({"aps": {}, **FIELDS}) == Content(None, None, None, None, root_agrees=False)


def test_the_root_may_lack_them() -> None:
    read = content({"aps": {}, "body": FIELDS})
    assert (read.session_id, read.root_agrees) == ("ses_1", False)


def test_the_root_may_differ() -> None:
    read = content({**FIELDS, "sessionID": "ses_2", "body": FIELDS})
    assert (read.session_id, read.root_agrees) == ("ses_1", False)


@pytest.mark.parametrize(
    "payload", [{}, {"body": None}, {"body": []}, {"body": '{"sessionID":"ses_1"}'}, {"body": {}}]
)
def test_no_dictionary_no_content(payload: dict) -> None:
    assert content(payload) == NOTHING


@pytest.mark.parametrize("value", [5, "", None, ["x"], {}])
def test_only_texts_count(value) -> None:
    assert content({"body": {**FIELDS, "sessionID": value}}).session_id is None


def device() -> Device:
    numbers = count()
    return Device(lambda: f"{next(numbers):064x}")


def test_a_device_asks_for_a_token_once() -> None:
    phone = device()
    assert phone.tokens == frozenset()
    assert phone.token("production") == phone.token("production")
    assert len(phone.tokens) == 1


def test_each_realm_has_its_own_token() -> None:
    phone = device()
    assert phone.token("production") != phone.token("sandbox")
    assert len(phone.tokens) == 2


def test_a_new_token_replaces_the_old() -> None:
    phone = device()
    old = phone.token("sandbox")
    assert phone.rotate("sandbox") == phone.token("sandbox") != old
    assert old not in phone.tokens


def test_a_device_says_what_it_is() -> None:
    phone = Device(lambda: "00", name="Ada's iPhone", os_version="17.2")
    assert (phone.name, phone.os_version, phone.online, phone.notifications_allowed) == (
        "Ada's iPhone",
        "17.2",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "accepted"),
        (204, "accepted"),
        (400, "refused"),
        (404, "refused"),
        (422, "refused"),
        (408, "unreachable"),
        (429, "unreachable"),
        (500, "unreachable"),
        (503, "unreachable"),
        (302, "unreachable"),
        (0, "unreachable"),
    ],
)
def test_what_a_status_means(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome
