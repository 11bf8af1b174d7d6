"""What the app's code reads from a push, the tokens of its device, and what the relay's statuses mean to it."""

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


def read(agrees: bool) -> Content:
    return Content("0123456789abcdef", "complete", "ses_1", "mobilevoice://session/ses_1", agrees)


def nothing(agrees: bool) -> Content:
    return Content(None, None, None, None, agrees)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"aps": {}, **FIELDS, "body": FIELDS}, read(True)),
        ({"aps": {}, "body": FIELDS}, read(False)),
        ({**FIELDS, "sessionID": "ses_2", "body": FIELDS}, read(False)),
        # expo/expo#10462: the first relay sent the fields beside aps, and the app saw nothing.
        ({"aps": {}, **FIELDS}, nothing(False)),
        *(({**given}, nothing(True)) for given in ({}, {"body": None}, {"body": []}, {"body": {}})),
        ({"body": '{"sessionID":"ses_1"}'}, nothing(True)),
    ],
)
def test_what_the_app_reads(payload: dict, expected: Content) -> None:
    assert content(payload) == expected


@pytest.mark.parametrize("value", [5, "", None, ["x"], {}])
def test_only_texts_count(value) -> None:
    assert content({"body": {**FIELDS, "sessionID": value}}).session_id is None


def test_a_device_has_one_token_for_each_realm_until_it_rotates() -> None:
    numbers = count()
    phone = Device(lambda: f"{next(numbers):064x}")
    assert phone.tokens == frozenset()
    old, other = phone.token("sandbox"), phone.token("production")
    assert (phone.token("sandbox"), phone.tokens) == (old, {old, other})
    assert old != other
    assert phone.rotate("sandbox") == phone.token("sandbox") != old
    assert phone.tokens == {phone.token("sandbox"), other}


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("accepted", (200, 204, 299)),
        ("refused", (400, 404, 422, 499)),
        ("unreachable", (0, 199, 300, 302, 408, 429, 500, 503)),
    ],
)
def test_what_a_status_means(outcome: str, statuses: tuple[int, ...]) -> None:
    assert {outcome_of(status) for status in statuses} == {outcome}
