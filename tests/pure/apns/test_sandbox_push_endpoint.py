"""The endpoint for pushes: response, delivery, when a device token has ended, and pushes per device token."""

import uuid
from random import Random

import pytest

from simulator.apns.checks import expired_at, unregistered_at
from simulator.apns.endpoints import Buckets
from simulator.apns.messages import Response
from simulator.apns.profile import Profile, Rate
from simulator.apns.registry import DeviceToken, Registry

NOW = 1_795_226_400.0
ID = "0D8F0A5E-0000-4000-8000-000000000001"
RATE = Rate(burst=2, per_second=0.5)


@pytest.fixture
def token() -> DeviceToken:
    registry = Registry(Random(2))
    registry.add_app("com.example.app")
    return registry.token(registry.mint_token("com.example.app", "sandbox", "activity"))


def test_a_token_in_use_has_no_end(token: DeviceToken) -> None:
    assert unregistered_at(token, Profile(), NOW) is None
    assert expired_at(token, Profile(), NOW) is None


@pytest.mark.parametrize(
    ("later", "confirmed"), [(0, False), (28_799, False), (28_800, True), (90_000, True)]
)
def test_a_removed_app_is_confirmed_eight_hours_later(
    token: DeviceToken, later: float, confirmed: bool
) -> None:
    token.uninstalled_at = NOW
    assert unregistered_at(token, Profile(), NOW + later) == (NOW + 28_800 if confirmed else None)


def test_the_profile_of_the_moment_decides(token: DeviceToken) -> None:
    token.uninstalled_at = NOW
    assert unregistered_at(token, Profile(unregister_after_s=0), NOW) == NOW
    assert unregistered_at(token, Profile(unregister_after_s=60), NOW) is None


def test_what_is_confirmed_needs_no_delay(token: DeviceToken) -> None:
    token.uninstalled_at, token.unregistered_since = NOW, NOW - 5
    assert unregistered_at(token, Profile(), NOW) == NOW - 5


@pytest.mark.parametrize(("grace", "later", "ended"), [(0, 0, True), (60, 59, False), (60, 60, True)])
def test_the_grace_of_an_activitys_token(token: DeviceToken, grace: float, later: float, ended: bool) -> None:
    token.expired_since = NOW
    assert expired_at(token, Profile(token_grace_s=grace), NOW + later) == (NOW + grace if ended else None)


def test_a_removed_app_is_answered_200_first_and_then_410_with_the_time_of_the_confirmation(room) -> None:
    room.registry.uninstall(room.device, room.now)
    assert room.decide().response.status == 200
    room.profile.unregister_after_s = 0.5
    room.now += 1
    response = room.decide().response
    assert (response.status, response.reason) == (410, "Unregistered")
    assert response.timestamp == int((room.now - 0.5) * 1000)


def test_the_token_of_an_ended_activity_is_answered_200_during_its_grace(room) -> None:
    room.registry.expire(room.device, room.now)
    room.profile.token_grace_s = 60
    assert room.decide().response.status == 200
    room.now += 60
    response = room.decide().response
    assert (response.reason, response.timestamp) == ("ExpiredToken", int(room.now * 1000))


def test_a_new_registration_brings_the_token_back(room) -> None:
    room.registry.uninstall(room.device, room.now - 90_000)
    assert room.decide().response.status == 410
    room.registry.reactivate(room.device)
    assert room.decide().response.status == 200


def test_an_accepted_push_is_answered_and_delivered(room) -> None:
    room.set("apns-id", ID)
    room.set("apns-priority", "5")
    room.set("apns-expiration", "1795230000")
    room.set("apns-collapse-id", "same")
    decision = room.decide()
    unique_id = decision.response.unique_id
    assert unique_id == str(uuid.UUID(unique_id))
    assert decision.response == Response(200, None, ID, unique_id)
    assert decision.authenticated
    [push] = decision.pushes
    delivery = push.delivery
    assert (push.unique_id, push.token) == (unique_id, room.registry.token(room.device))
    assert (delivery.apns_id, delivery.apns_unique_id, delivery.device_token) == (ID, unique_id, room.device)
    assert (delivery.topic, delivery.push_type, delivery.realm) == ("com.example.app", "alert", "sandbox")
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (5, 1_795_230_000, "same")
    assert delivery.payload == {"aps": {"alert": "hello"}}
    assert delivery.accepted_at == room.now


def test_what_is_absent_has_the_defaults_of_apple(room) -> None:
    room.set("apns-push-type", None)
    [push] = room.decide().pushes
    delivery = push.delivery
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (10, None, None)
    assert delivery.push_type == "alert"


def test_a_refused_push_delivers_nothing_and_has_no_unique_id(room) -> None:
    room.set("apns-id", ID)
    room.set("apns-topic", None)
    decision = room.decide()
    assert decision.response == Response(400, "MissingTopic", ID)
    assert decision.pushes == ()


@pytest.mark.parametrize(("method", "reason"), [("expire", "ExpiredToken"), ("unregister", "Unregistered")])
def test_a_dead_token_tells_since_when_in_milliseconds(room, method: str, reason: str) -> None:
    room.set("apns-id", ID)
    getattr(room.registry, method)(room.device, room.now - 3600.5)
    response = room.decide().response
    assert response == Response(410, reason, ID, None, int(room.now * 1000) - 3_600_500)


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
    assert room.decide().authenticated is authenticated


@pytest.mark.parametrize("spelling", ["BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"])
def test_the_spelling_of_the_environment_reason_is_a_matter_of_the_profile(room, spelling: str) -> None:
    room.set("apns-id", ID)
    room.profile.environment_reason = spelling
    room.use(room.registry.issue_key(realm="production"))
    assert room.decide().response == Response(403, spelling, ID)


def test_without_a_rate_there_is_no_end() -> None:
    buckets = Buckets()
    buckets.take("a", None, 0.0)
    assert buckets.left("a", None, 0.0) == float("inf")


def test_a_burst_then_the_rate_and_never_more_than_the_burst() -> None:
    buckets = Buckets()
    for left in (2, 1):
        assert buckets.left("a", RATE, 10.0) == left
        buckets.take("a", RATE, 10.0)
    assert buckets.left("a", RATE, 10.0) == 0
    assert buckets.left("a", RATE, 12.0) == 1
    assert buckets.left("a", RATE, 1000.0) == 2
    assert buckets.left("b", RATE, 10.0) == 2
