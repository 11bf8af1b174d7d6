"""The endpoint for pushes: response, delivery, when a device token has ended, and pushes per device token."""

import uuid

import pytest

from simulator.apns.endpoints import Buckets
from simulator.apns.messages import Response
from simulator.apns.profile import Rate

ID = "0D8F0A5E-0000-4000-8000-000000000001"
RATE = Rate(burst=2, per_second=0.5)


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
