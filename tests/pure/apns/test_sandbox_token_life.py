"""Removed apps are reported late; tokens of activities have their grace; both as the profile says now."""

from random import Random

import pytest

from simulator.apns.delivery.token_life import expired_at, unregistered_at
from simulator.apns.profile import Profile
from simulator.apns.registry import DeviceToken, Registry
from simulator.apns.rulings import rule

NOW = 1_795_226_400.0


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
    assert rule(room.exam(), "ID", None).answer.status == 200
    room.profile.unregister_after_s = 0.5
    room.now += 1
    answer = rule(room.exam(), "ID", None).answer
    assert (answer.status, answer.reason) == (410, "Unregistered")
    assert answer.timestamp == int((room.now - 0.5) * 1000)


def test_the_token_of_an_ended_activity_is_answered_200_during_its_grace(room) -> None:
    room.registry.expire(room.device, room.now)
    room.profile.token_grace_s = 60
    assert rule(room.exam(), "ID", None).answer.status == 200
    room.now += 60
    answer = rule(room.exam(), "ID", None).answer
    assert (answer.reason, answer.timestamp) == ("ExpiredToken", int(room.now * 1000))


def test_a_new_registration_brings_the_token_back(room) -> None:
    room.registry.uninstall(room.device, room.now - 90_000)
    assert rule(room.exam(), "ID", None).answer.status == 410
    room.registry.reactivate(room.device)
    assert rule(room.exam(), "ID", None).answer.status == 200
