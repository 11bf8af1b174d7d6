"""From an examined request to values: answer, delivery, and what APNs now knows of the provider."""

import pytest

from simulator.apns.answers import Answer
from simulator.apns.rulings import rule

ID, UNIQUE = "0D8F0A5E-0000-4000-8000-000000000001", "0d8f0a5e-0000-4000-8000-000000000002"


def test_an_accepted_push_is_answered_and_delivered(room) -> None:
    room.set("apns-priority", "5")
    room.set("apns-expiration", "1795230000")
    room.set("apns-collapse-id", "same")
    ruling = rule(room.exam(), ID, UNIQUE)
    assert ruling.answer == Answer(200, None, ID, UNIQUE)
    assert ruling.authenticated
    delivery = ruling.delivery
    assert delivery is not None
    assert (delivery.apns_id, delivery.apns_unique_id, delivery.device_token) == (ID, UNIQUE, room.device)
    assert (delivery.topic, delivery.push_type, delivery.realm) == ("com.example.app", "alert", "sandbox")
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (5, 1_795_230_000, "same")
    assert delivery.payload == {"aps": {"alert": "hello"}}
    assert delivery.accepted_at == room.now


def test_what_is_absent_has_the_defaults_of_apple(room) -> None:
    room.set("apns-push-type", None)
    delivery = rule(room.exam(), ID, None).delivery
    assert delivery is not None
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (10, None, None)
    assert delivery.push_type == "alert"


def test_a_refused_push_delivers_nothing_and_has_no_unique_id(room) -> None:
    room.set("apns-topic", None)
    ruling = rule(room.exam(), ID, UNIQUE)
    assert ruling.answer == Answer(400, "MissingTopic", ID)
    assert ruling.delivery is None


@pytest.mark.parametrize(("method", "reason"), [("expire", "ExpiredToken"), ("unregister", "Unregistered")])
def test_a_dead_token_tells_since_when_in_milliseconds(room, method: str, reason: str) -> None:
    getattr(room.registry, method)(room.device, room.now - 3600.5)
    answer = rule(room.exam(), ID, UNIQUE).answer
    assert answer == Answer(410, reason, ID, None, int(room.now * 1000) - 3_600_500)


@pytest.mark.parametrize(
    ("change", "authenticated"),
    [
        (lambda room: setattr(room, "method", "GET"), False),
        (lambda room: setattr(room, "authorization", None), False),
        (lambda room: setattr(room, "authorization", "bearer x"), False),
        (lambda room: room.use(room.key, iat=1), False),
        (lambda room: room.set("apns-id", "x"), True),
        (lambda room: setattr(room, "path", "/3/device/ff"), True),
    ],
)
def test_whether_the_provider_has_proved_itself(room, change, authenticated: bool) -> None:
    change(room)
    assert rule(room.exam(), ID, UNIQUE).authenticated is authenticated


@pytest.mark.parametrize("spelling", ["BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"])
def test_the_spelling_of_the_environment_reason_is_a_matter_of_the_profile(room, spelling: str) -> None:
    room.profile.environment_reason = spelling
    room.use(room.registry.issue_key(realm="production"))
    assert rule(room.exam(), ID, UNIQUE).answer == Answer(403, spelling, ID)
