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


@pytest.mark.parametrize(("grace", "later", "ended"), [(0, 0, True), (60, 59, False), (60, 60, True)])
def test_the_grace_of_an_activitys_token(token: DeviceToken, grace: float, later: float, ended: bool) -> None:
    token.expired_since = NOW
    assert expired_at(token, Profile(token_grace_s=grace), NOW + later) == (NOW + grace if ended else None)


def test_an_accepted_push_is_answered_and_delivered(case) -> None:
    case.set("apns-id", ID)
    case.set("apns-priority", "5")
    case.set("apns-expiration", "1795230000")
    case.set("apns-collapse-id", "same")
    decision = case.decide()
    unique_id = decision.response.unique_id
    assert unique_id == str(uuid.UUID(unique_id))
    assert decision.response == Response(200, None, ID, unique_id)
    assert decision.authenticated
    [push] = decision.pushes
    delivery = push.delivery
    assert (push.unique_id, push.token) == (unique_id, case.registry.token(case.device))
    assert (delivery.apns_id, delivery.apns_unique_id, delivery.device_token) == (ID, unique_id, case.device)
    assert (delivery.topic, delivery.push_type, delivery.realm) == ("com.example.app", "alert", "sandbox")
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (5, 1_795_230_000, "same")
    assert delivery.payload == {"aps": {"alert": "hello"}}
    assert delivery.accepted_at == case.now


def test_what_is_absent_has_the_defaults_of_apple(case) -> None:
    case.set("apns-push-type", None)
    [push] = case.decide().pushes
    delivery = push.delivery
    assert (delivery.priority, delivery.expiration, delivery.collapse_id) == (10, None, None)
    assert delivery.push_type == "alert"


def test_a_refused_push_delivers_nothing_and_has_no_unique_id(case) -> None:
    case.set("apns-id", ID)
    case.set("apns-topic", None)
    decision = case.decide()
    assert decision.response == Response(400, "MissingTopic", ID)
    assert decision.pushes == ()


@pytest.mark.parametrize(("method", "reason"), [("expire", "ExpiredToken"), ("unregister", "Unregistered")])
def test_a_410_has_since_when_in_milliseconds(case, method: str, reason: str) -> None:
    case.set("apns-id", ID)
    getattr(case.registry, method)(case.device, case.now - 3600.5)
    response = case.decide().response
    assert response == Response(410, reason, ID, None, int(case.now * 1000) - 3_600_500)


@pytest.mark.parametrize(
    ("change", "authenticated"),
    [
        (lambda case: setattr(case, "method", "GET"), False),
        (lambda case: setattr(case, "authorization", None), False),
        (lambda case: setattr(case, "authorization", "bearer x"), False),
        (lambda case: case.use(case.key, iat=1), False),
        (lambda case: case.set("apns-id", "x"), True),
        (lambda case: setattr(case, "path", "/3/device/ff"), True),
    ],
)
def test_whether_the_provider_has_proved_itself(case, change, authenticated: bool) -> None:
    change(case)
    assert case.decide().authenticated is authenticated


@pytest.mark.parametrize("spelling", ["BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"])
def test_the_spelling_of_the_environment_reason_is_a_matter_of_the_profile(case, spelling: str) -> None:
    case.set("apns-id", ID)
    case.profile.environment_reason = spelling
    case.use(case.registry.issue_key(realm="production"))
    assert case.decide().response == Response(403, spelling, ID)


def test_a_burst_then_the_rate_and_never_more_than_the_burst() -> None:
    buckets = Buckets()
    for left in (2, 1):
        assert buckets.left("a", RATE, 10.0) == left
        buckets.take("a", RATE, 10.0)
    assert buckets.left("a", RATE, 10.0) == 0
    assert buckets.left("a", RATE, 12.0) == 1
    assert buckets.left("a", RATE, 1000.0) == 2
    assert buckets.left("b", RATE, 10.0) == 2
    buckets.take("c", None, 0.0)
    assert buckets.left("c", None, 0.0) == float("inf")
