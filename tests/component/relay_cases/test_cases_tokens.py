"""Acceptance cases C150 to C154: what APNs says of a token."""

from collections import Counter

import pytest

from component.relay_cases.cases import DAY, FAILED, MINUTE, SENT, for_the_operator, state
from relay_case import RelayCase
from simulator.apns.faults import AnswerWith, Fault
from waiting import eventually


async def test_C150_a_token_registered_after_the_time_of_its_410_is_kept(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    token = await case.phone()
    case.sandbox.registry.unregister(token, case.clock.now() - MINUTE)
    assert await case.event() == FAILED
    assert case.arrivals[0].reason == "Unregistered"
    assert await case.device_tokens() == {token}
    case.sandbox.registry.reactivate(token)
    assert await case.event() == SENT
    assert len(case.arrivals) == 2
    assert for_the_operator(caplog) == []


async def test_C151_a_token_registered_before_the_time_of_its_410_is_removed_and_never_asked_again(
    case: RelayCase,
) -> None:
    token, other = await case.phones(2)
    await case.turn(MINUTE)
    case.sandbox.registry.unregister(token, case.clock.now())
    assert await case.event() == (1, 1, 0)
    assert await case.device_tokens() == {other}
    case.sandbox.registry.reactivate(token)
    await case.turn(DAY)
    assert await case.event() == SENT
    assert Counter(each.request.token for each in case.arrivals) == {token: 1, other: 2}


async def test_C152_an_expired_update_token_takes_nothing_else_along(case: RelayCase) -> None:
    to_start, expired, other = (
        case.token(kind="push-to-start"),
        case.token(kind="activity"),
        case.token(kind="activity"),
    )
    phone = await case.phone(pushToStartToken=to_start)
    for session, token in (("ses_1", expired), ("ses_2", other)):
        await case.post("activity/register", sessionID=session, activityToken=token, deviceToken=phone)
    await case.turn(MINUTE)
    case.sandbox.expire(expired)

    for session in ("ses_1", "ses_2"):
        await case.event("progress", sessionID=session, contentState=state("working"))
    await case.turn(2)
    await eventually(lambda: len(case.arrivals) == 2)
    said = {each.request.token: (each.status, each.reason) for each in case.arrivals}
    assert said == {expired: (410, "ExpiredToken"), other: (200, None)}
    await case.turn(MINUTE)
    known = await case.rows(
        "SELECT activity_token FROM activity_registration WHERE activity_token IS NOT NULL"
    )
    assert known == [{"activity_token": other}]
    (device,) = await case.rows("SELECT * FROM device_registration")
    assert (device["device_token"], device["push_to_start_token"]) == (phone, to_start)

    await case.event("start", sessionID="ses_3", contentState=state("new"))
    await case.event("complete", sessionID="ses_1", contentState=state("done", "complete"))
    await eventually(lambda: len(case.arrivals) == 4)
    last = {(each.request.token, each.status) for each in case.arrivals[2:]}
    assert last == {(phone, 200), (to_start, 200)}
    await case.turn(DAY)
    assert [each.request.token for each in case.arrivals].count(expired) == 1


async def test_C153_a_bad_token_is_tried_in_the_other_environment_once_and_then_removed(
    case: RelayCase,
) -> None:
    moved = await case.phone("production", apnsEnv="sandbox")
    assert await case.event() == SENT
    assert [(each.realm, each.reason) for each in case.arrivals] == [
        ("sandbox", "BadDeviceToken"),
        ("production", None),
    ]
    assert await case.event() == SENT
    assert [each.realm for each in case.arrivals[2:]] == ["production"]

    unknown = "ab" * 32
    await case.post("device/register", deviceToken=unknown, apnsEnv="production")
    assert await case.event() == (1, 1, 0)
    await case.turn(DAY)
    tried = [(each.realm, each.reason) for each in case.arrivals if each.request.token == unknown]
    assert tried == [("production", "BadDeviceToken"), ("sandbox", "BadDeviceToken")]
    assert await case.device_tokens() == {moved}


async def test_C154_too_many_requests_for_one_token_hold_back_no_other(case: RelayCase) -> None:
    busy, other = await case.phones(2)
    case.sandbox.faults.add(Fault(AnswerWith("TooManyRequests"), token=busy, times=1))
    assert await case.event() == (1, 0, 1)
    await case.turn(50)
    (first,) = [each for each in case.arrivals if each.status == 429]
    await case.event("error", sessionID="ses_2")
    assert Counter(device.device_token for device in case.received)[other] == 2
    await case.turn(100)
    _, again = [each for each in case.arrivals if each.apns_id == first.apns_id]
    assert again.status == 200
    assert 60 <= again.at - first.at <= 92
    assert Counter(device.device_token for device in case.received) == {busy: 2, other: 2}
