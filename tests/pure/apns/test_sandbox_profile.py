"""Profiles: three names, every field explained, changed by name while the sandbox runs."""

import json
from dataclasses import fields

import pytest

from simulator.apns.errors import BadProfile
from simulator.apns.profile import PROFILES, Profile, Rate, explain


@pytest.mark.parametrize("name", PROFILES)
def test_every_named_profile_survives_json(name: str) -> None:
    profile = Profile()
    profile.set(json.loads(json.dumps(Profile.named(name).dump())))
    assert profile == Profile.named(name)


@pytest.mark.parametrize(
    ("field", "documented", "observed", "strict"),
    [
        (
            "environment_reason",
            "BadEnvironmentKeyIdInToken",
            "BadEnvironmentKeyInToken",
            "BadEnvironmentKeyInToken",
        ),
        ("provider_tokens", 1, 3, 1),
        ("suffix_must_fit", False, False, True),
        ("wedge_after_expired", False, False, True),
        ("device_rate", Rate(60, 1.0), Rate(60, 1.0), Rate(10, 1.0)),
        ("errors_before_close", 100, 100, 20),
        ("idle", "goaway", "goaway", "silent"),
        ("first_stream_limit", 1, 1, 1),
    ],
)  # fmt: skip
def test_where_the_profiles_differ(field: str, documented: object, observed: object, strict: object) -> None:
    found = [getattr(Profile.named(name), field) for name in ("documented", "observed", "strict")]
    assert found == [documented, observed, strict]


def test_an_unknown_name_lists_the_known_ones() -> None:
    profile = Profile(stream_limit=7)
    with pytest.raises(BadProfile, match="no profile 'lax': it is one of documented, observed, strict"):
        profile.become("lax")
    assert profile.stream_limit == 7
    with pytest.raises(BadProfile):
        Profile.named("lax")


@pytest.mark.parametrize("rate", [{"burst": 5, "per_second": 0.5}, [5, 0.5], Rate(5, 0.5)])
def test_a_rate_may_be_an_object_or_a_pair(rate: object) -> None:
    profile = Profile()
    profile.set({"device_rate": rate})
    assert profile.device_rate == Rate(5, 0.5)
    profile.set({"device_rate": None})
    assert profile.device_rate is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"errors_befor_close": 1}, "the profile has no field 'errors_befor_close': it has first_stream"),
        ({"errors_before_close": "many"}, "profile field errors_before_close: Expected `int \\| null`"),
        ({"wedge_after_expired": 1}, "profile field wedge_after_expired: Expected `bool`"),
        ({"idle": "loud"}, "profile field idle: Invalid enum value 'loud'"),
        ({"environment_reason": "BadKey"}, "profile field environment_reason"),
        ({"device_rate": {"burst": 1}}, "profile field device_rate: an object with burst and per_second"),
        ({"stream_limit": {"burst": 1, "per_second": 1}}, "profile field stream_limit"),
        ({"stream_limit": -1}, "profile field stream_limit: -1 is not a count or a time"),
        ({"idle_after_s": float("inf")}, "is not a count or a time"),
        ({"device_rate": [1, -2]}, "profile field device_rate"),
        ({"stream_limit": True}, "profile field stream_limit"),
    ],
)
def test_one_clear_error_and_nothing_changes(values: dict[str, object], message: str) -> None:
    profile = Profile()
    with pytest.raises(BadProfile, match=message):
        profile.set({"first_stream_limit": 9, **values})
    assert profile == Profile()


def test_every_field_is_explained() -> None:
    knobs = explain()
    assert [knob.name for knob in knobs] == [each.name for each in fields(Profile)]
    for knob in knobs:
        assert knob.meaning
        assert knob.confidence in ("documented", "observed", "assumed")
        assert (knob.source == "none") <= (knob.confidence == "assumed"), knob.name
    json.dumps(knobs)
