"""What a default JSONDecoder makes of attributes and content-state."""

from typing import Any

import pytest

from phone_pushes import EXPO, FLAT, T0, Delivered, aps
from simulator.phone.activitykit.attributes import (
    EXPO_WIDGETS,
    EXPO_WIDGETS_58,
    SESSION,
    ActivityType,
    dates,
    decode,
    undecodable,
)
from simulator.phone.push import read

UUID = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"
COURIER = {"name": "string", "plate?": "string", "stops": ["date"]}
PHASE = {"enum": {"baking": {}, "out": {"_0": "int", "by": "string?"}}}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["x", ""], [1, None, {"phase": "x"}, True]),
        ("string?", [None, "x"], [1]),
        ("bool", [True, False], [1, "true", None]),
        ("int", [1, 1.0, -5, 2**63 - 1], [1.5, True, "1", 2**63, 1e30]),
        ("uint", [0, 2**64 - 1], [-1, 2**64, 0.5]),
        ("double", [1, 1.5, -0.0], [False, "1.5", float("inf"), float("nan"), 10**400]),
        ("Double?", [None, 2], ["2"]),
        ("Float", [1.5], ["2"]),
        ("[iso8601?]", [[None, "2026-11-30T09:30:00Z"]], [[5]]),
        # Date by default: .deferredToDate, seconds since 2001 (GoCarrot/TeakCocoaPodsExample#2).
        ("date", [0, 785_000_000.25, 1_795_226_400], ["2026-11-30T09:30:00Z", "785000000", None, True]),
        # JSONDecoder's .iso8601 is ISO8601DateFormatter with .withInternetDateTime: no fractions, a zone.
        (
            "date-iso8601",
            ["2026-11-30T09:30:00Z", "2026-11-30T09:30:00+01:00", "2026-11-30T09:30:00-0500"],
            ["2026-11-30T09:30:00.123Z", "2026-11-30T09:30:00", "2026-11-30", "2026-13-30T09:30:00Z", 785_000_000],
        ),
        ("url", ["https://example.com/a?b#c", "mobilevoice://session/1", "a b", "/x"], ["", 1, "http://[::1", "http://a:b"]),
        ("uuid", [UUID, UUID.lower()], [UUID.replace("-", ""), f"{{{UUID}}}", UUID[:-1], "", 1]),
        ("data", ["", "aGk="], ["aGk", "a b=", "hé", 1]),
        ("[string]", [[], ["a"]], ["a", [1], [None], None, {}]),
        ("[string?]?", [None, ["a", None]], [[1]]),
        (["int"], [[], [1, 2]], [[1, "2"], 1]),
        ("[[int]]", [[[1], []]], [[1]]),
        ("[string: date]", [{}, {"a": 5}], [{"a": "soon"}, [], None]),
        (COURIER, [{"name": "Ada", "stops": []}, {"name": "Ada", "plate": None, "stops": [1]}],
         [{}, {"name": "Ada"}, {"name": "Ada", "stops": ["now"]}, {"name": "Ada", "plate": 5, "stops": []}, "Ada", None]),
        ([COURIER], [[], [{"name": "Ada", "stops": []}]], [[{}], {"name": "Ada", "stops": []}]),
        # An enumeration with raw values; an unknown one fails even where the field is optional.
        ({"enum": ["baking", "out"]}, ["baking"], ["eaten", "Baking", "", 1, None, {"baking": {}}]),
        ({"enum": [1, 2]}, [1], [3, "1", True]),
        # One without raw values is coded as an object with one key (Swift Evolution SE-0295).
        (PHASE, [{"baking": {}}, {"out": {"_0": 3}}, {"baking": {}, "x": 1}],
         ["baking", {}, {"baking": {}, "out": {"_0": 1}}, {"out": {}}, {"out": 3}, {"eaten": {}}]),
    ],
    ids=str,
)  # fmt: skip
def test_a_field(kind: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if undecodable({"field": value}, {"field": kind})] == []
    assert [value for value in bad if not undecodable({"field": value}, {"field": kind})] == []


@pytest.mark.parametrize("kind", [{"enum": ["a"]}, COURIER, ["int"], "url"], ids=str)
def test_a_question_mark_after_its_name_makes_any_field_optional(kind: Any) -> None:
    fields = {"field?": kind}
    assert (decode({}, fields), decode({"field": None}, fields)) == ({}, {"field": None})
    assert decode({"field": 5}, fields) is None


def test_an_object_of_the_fields_that_are_known_at_every_depth() -> None:
    assert decode({}, {"field": "string"}) is None
    assert decode({}, {"field": "string?"}) == {}
    assert decode({"a": "x", "b": 1}, {"a": "string"}) == {"a": "x"}
    assert decode({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": "int"}]}) == {"a": [{"b": 1}]}
    assert [decode(value, {}) for value in (None, [], "x", 1, True)] == [None] * 5


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "courier is missing"),
        ({"courier": None}, "courier is an object in the app, and null or nothing came"),
        ({"courier": {"stops": []}}, "courier.name is missing"),
        (
            {"courier": {"name": "Ada", "stops": [1, "noon"]}},
            "courier.stops[1] is Date, a number: seconds since 2001-01-01 in the app, and 'noon' came",
        ),
        ("soon", "it is an object in the app, and 'soon' came"),
    ],
)
def test_what_is_wrong_is_named(value: Any, problem: str) -> None:
    assert undecodable(value, {"courier": COURIER}) == problem


def test_unix_seconds_in_a_date_decode_to_31_years_later() -> None:
    fields = {"eta": "date", "at": "date-iso8601", "far": "date?", "courier?": COURIER}
    found = {
        "eta": T0,
        "at": "2026-11-30T09:30:00+01:00",
        "far": 1e300,
        "courier": {"name": "A", "stops": [0]},
    }
    assert dates(found, fields) == {
        "eta": "2057-11-21T02:00:00Z",
        "at": "2026-11-30T08:30:00Z",
        "far": "beyond the year 9999",
        "courier.stops[0]": "2001-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    "kind",
    ["dat", "", "?", "[]", "[dat]", "[int: string]", "[string: dat]", "string??x", None, 1, [], ["int", "int"],
     {"a": "dat"}, [{"a": {"b": "dat"}}], {"enum": []}, {"enum": ["a", 1]}, {"enum": [True]}, {"enum": {"a": 1}},
     {"enum": {"a": {"_0": "dat"}}}, {"enum": {}}],
    ids=str,
)  # fmt: skip
def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(kind: Any) -> None:
    for parts in (
        {"attributes": {"field": kind}, "content_state": {}},
        {"attributes": {}, "content_state": {"field": kind}},
    ):
        with pytest.raises(
            ValueError, match=r"field.* has the kind .*there are string, int, .*date-iso8601, url"
        ):
            ActivityType("Pizza", **parts)
    with pytest.raises(ValueError, match="has a name"):
        ActivityType("", {}, {})


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
