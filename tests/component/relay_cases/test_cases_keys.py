"""Acceptance cases C155 to C158 and C162: what APNs says of a provider token and of its key."""

import itertools
from collections import Counter

import pytest

from component.relay_cases.cases import DAY, FAILED, MINUTE, QUEUED, SENT, for_the_operator
from relay.apns import gateway
from relay.server import engine
from relay_case import RelayCase
from simulator.apns.faults import AnswerWith, Fault


async def test_C155_after_too_many_provider_token_updates_the_last_one_goes_on_being_used(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    await case.phone()
    for _ in range(3):
        assert await case.event() == SENT
        case.gateway._token.issued_at = float("-inf")  # as if each push came from another process
    assert await case.event() == QUEUED
    assert await case.event() == QUEUED
    await case.turn(19 * MINUTE)
    assert case.statuses() == [200] * 3 + [429] * 2
    await case.turn(15 * MINUTE)
    assert case.statuses() == [200] * 3 + [429] * 2 + [200] * 2
    refused, delivered = case.arrivals[3:5], case.arrivals[5:]
    assert len({each.authorization for each in case.arrivals[:4]}) == 4
    assert {each.authorization for each in (*refused, *delivered)} == {refused[0].authorization}
    assert {each.apns_id for each in refused} == {each.apns_id for each in delivered}
    assert delivered[0].at - refused[0].at >= 20 * MINUTE
    assert (
        len(for_the_operator(caplog, "another process signs with this key")) == 1
    )  # a line a reason and minute


async def test_C156_an_expired_provider_token_is_renewed_on_a_new_connection(
    case: RelayCase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "MAX_AGE", float("inf"))  # only APNs' word renews it
    case.sandbox.profile.wedge_after_expired = True
    await case.phones(5)
    assert await case.event() == (5, 0, 0)
    await case.turn(3660)
    assert await case.event() == (5, 0, 0)
    old, new = dict.fromkeys(each.provider for each in case.arrivals)
    late = case.arrivals[5:]
    refused = [each for each in late if each.status == 403]
    assert {each.reason for each in refused} == {"ExpiredProviderToken"}
    assert {each.provider for each in refused} == {old}
    delivered = [each for each in late if each.status == 200]
    assert [each.provider for each in delivered] == [new] * 5
    assert max(Counter(each.apns_id for each in late).values()) == 2
    assert len({each.authorization for each in case.arrivals}) == 2
    assert len(case.received) == 10
    assert for_the_operator(caplog) == []


async def test_C157_while_the_key_is_refused_the_sender_pauses_and_loses_nothing(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    token = await case.phone()
    good = case.refuse_key()
    for number in range(30):
        assert await case.event(sessionID=f"ses_{number}") == QUEUED
    # The same push twice, over another connection and with another token: then it is believed.
    assert [each.reason for each in case.arrivals] == ["InvalidProviderToken"] * 2
    for different in ("provider", "authorization"):
        assert len({getattr(each, different) for each in case.arrivals}) == 2
    assert len(for_the_operator(caplog, "sending paused")) == 1

    await case.turn(2 * MINUTE)  # a minute's pause, then one asks
    assert case.statuses() == [403] * 3
    await case.turn(2 * MINUTE)  # two minutes, and again one
    assert case.statuses() == [403] * 4
    assert len(for_the_operator(caplog, "sending paused")) == 3

    case.key.public_key = good
    await case.turn(15 * MINUTE)
    assert case.statuses() == [403] * 4 + [200] * 30
    assert len({each.apns_id for each in case.received}) == 30
    assert await case.device_tokens() == {token}


async def test_C157_one_machine_that_refuses_a_good_key_delays_nobody(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    """ostinelli/apnotic#109."""
    phones = await case.phones(30)
    assert await case.event() == (30, 0, 0)
    case.sandbox.faults.add(Fault(AnswerWith("InvalidProviderToken"), times=1))
    assert await case.event("error") == (30, 0, 0)
    assert Counter(each.device_token for each in case.received) == dict.fromkeys(phones, 2)
    assert for_the_operator(caplog) == []


async def test_C157_pushes_that_wait_for_a_stream_are_held_back_too(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    phones = await case.phones(30)
    good = case.refuse_key()
    assert await case.event() == (0, 0, 30)
    assert case.statuses() == [403] * 2
    assert len(for_the_operator(caplog)) == 2  # the push that was refused, and the pause
    case.key.public_key = good
    await case.turn(2 * MINUTE)
    assert case.statuses() == [403] * 2 + [200] * 30
    assert {each.device_token for each in case.received} == set(phones)


@pytest.mark.parametrize(
    ("profile", "spelling"),
    [("observed", "BadEnvironmentKeyInToken"), ("documented", "BadEnvironmentKeyIdInToken")],
)
async def test_C158_a_key_of_the_other_environment_is_the_operators_business(
    case: RelayCase, caplog: pytest.LogCaptureFixture, profile: str, spelling: str
) -> None:
    case.sandbox.profile.become(profile)
    case.key.realm = "production"
    token = await case.phone()
    assert await case.event() == FAILED
    assert [(each.realm, each.reason) for each in case.arrivals] == [
        ("sandbox", spelling),
        ("production", "BadDeviceToken"),
    ]
    (line,) = for_the_operator(caplog)
    assert "this key serves only the other APNs environment" in line
    await case.turn(DAY)
    assert len(case.arrivals) == 2
    assert await case.device_tokens() == {token}
    case.key.realm = None
    assert await case.event() == SENT


async def test_C162_provider_tokens_live_from_twenty_to_sixty_minutes_one_at_a_time(
    case: RelayCase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is ever due: to poll every second takes seconds.
    monkeypatch.setattr(engine, "POLL_SECONDS", 10.0 * MINUTE)
    case.sandbox.profile.become("documented")  # a second token within 20 minutes is one too many
    for realm in ("sandbox", "production"):
        await case.phone(realm)
    for _ in range(DAY // (10 * MINUTE)):
        assert await case.event() == (2, 0, 0)
        await case.turn(10 * MINUTE)
    used = [each for _, (each, *_) in itertools.groupby(case.arrivals, lambda each: each.authorization)]
    assert len({each.authorization for each in used}) == len(used)  # none comes back, in either environment
    pauses = [later.issued_at - sooner.issued_at for sooner, later in itertools.pairwise(used)]
    assert len(pauses) >= 24
    assert 20 * MINUTE <= min(pauses) <= max(pauses) < 60 * MINUTE
    assert max(each.at - each.issued_at for each in case.arrivals) < 60 * MINUTE
    assert for_the_operator(caplog) == []
