"""What a default JSONDecoder makes of attributes and content-state."""

from typing import Any

import pytest

from phone_pushes import EXPO, FLAT, T0, Delivered, aps
from simulator.phone.push import EXPO_WIDGETS, EXPO_WIDGETS_58, SESSION, ActivityType, decode, read


@pytest.mark.parametrize(
    ("kind", "value", "decodes"),
    [
        ("string", "x", True),
        ("string", "", True),
        ("string", 1, False),
        ("string", None, False),
        ("string", {"phase": "x"}, False),
        ("string?", None, True),
        ("string?", "x", True),
        ("string?", 1, False),
        ("bool", True, True),
        ("bool", 1, False),
        ("int", 1, True),
        ("int", 1.0, True),
        ("int", 1.5, False),
        ("int", True, False),
        ("int", "1", False),
        ("double", 1, True),
        ("double", 1.5, True),
        ("double", False, False),
        ("double?", None, True),
    ],
)
def test_a_field(kind: str, value: Any, decodes: bool) -> None:
    assert (decode({"field": value}, {"field": kind}) is not None) is decodes


def test_an_object_of_the_fields_that_are_known() -> None:
    assert decode({}, {"field": "string"}) is None
    assert decode({}, {"field": "string?"}) == {}
    assert decode({"a": "x", "b": 1}, {"a": "string"}) == {"a": "x"}
    assert [decode(value, {}) for value in (None, [], "x", 1, True)] == [None] * 5


@pytest.mark.parametrize(
    ("known", "attributes", "content_state", "decodes"),
    [
        (SESSION, {"sessionId": "ses_1"}, FLAT, True),
        (SESSION, {}, FLAT, False),
        (SESSION, {"sessionId": "ses_1"}, {**FLAT, "retryInfo": "Retry 2"}, True),
        (SESSION, {"sessionId": "ses_1"}, {key: FLAT[key] for key in FLAT if key != "retryInfo"}, True),
        (SESSION, {"sessionId": "ses_1"}, {**FLAT, "status": None}, False),
        (SESSION, {"sessionId": "ses_1"}, EXPO, False),
        (EXPO_WIDGETS, {}, EXPO, True),
        (EXPO_WIDGETS, {"url": "mobilevoice://session/1"}, EXPO, True),
        (EXPO_WIDGETS, {"url": 1}, EXPO, False),
        (EXPO_WIDGETS, {}, {"name": "Run"}, False),
        (EXPO_WIDGETS, {}, {"name": "Run", "props": {"phase": "x"}}, False),
        (EXPO_WIDGETS_58, {}, {"name": "Run"}, True),
        (EXPO_WIDGETS, {}, FLAT, False),
    ],
)
def test_the_types_of_the_app(
    known: ActivityType, attributes: Any, content_state: Any, decodes: bool
) -> None:
    both = (decode(attributes, known.attributes), decode(content_state, known.content_state))
    assert all(found is not None for found in both) is decodes


# The message of a push.


def test_all_keys_of_a_push() -> None:
    keys = aps(
        "start",
        T0,
        stale_date=T0 + 60,
        dismissal_date=T0 + 90,
        relevance_score=2,
        input_push_channel="channel",
        interruption_level="passive",
    )
    push = Delivered({"aps": keys}, priority=5)
    message = read(push)
    assert (message.event, message.timestamp, message.attributes_type) == (
        "start",
        T0,
        "LiveActivityAttributes",
    )
    assert (message.raw_attributes, message.raw_content_state) == ({}, keys["content-state"])
    assert (message.stale_date, message.dismissal_date, message.relevance_score) == (T0 + 60, T0 + 90, 2)
    assert (message.input_push_token, message.input_push_channel) == (True, "channel")
    assert (message.alert, message.quiet, message.lights) == (True, True, False)
    assert (message.urgent, message.ends, message.push) == (False, False, push)


@pytest.mark.parametrize("payload", [{}, {"aps": None}, {"aps": "x"}, [], None])
def test_what_is_no_live_activity_payload(payload: Any) -> None:
    message = read(Delivered(payload))
    assert (message.event, message.timestamp, message.alert, message.urgent) == ("", None, False, True)


@pytest.mark.parametrize(
    "timestamp",
    [None, "1795226400", True, [], float("nan"), float("inf"), 10**400],
    ids=lambda value: str(value)[:9],
)
def test_what_is_no_timestamp(timestamp: Any) -> None:
    assert read(Delivered({"aps": {"timestamp": timestamp}})).timestamp is None


@pytest.mark.parametrize(
    ("alert", "counts"),
    [
        ({"title": "T"}, True),
        ("text", True),
        ({}, False),
        ("", False),
        (1, False),
        (["T"], False),
        (None, False),
    ],
)
def test_what_is_an_alert(alert: Any, counts: bool) -> None:
    message = read(Delivered({"aps": {"alert": alert}}))
    assert (message.alert, message.lights) == (counts, counts)


@pytest.mark.parametrize(("value", "asks"), [(1, True), (1.0, True), (0, False), (2, False), ("1", False)])
def test_what_asks_for_a_token(value: Any, asks: bool) -> None:
    assert read(Delivered({"aps": {"input-push-token": value}})).input_push_token is asks
