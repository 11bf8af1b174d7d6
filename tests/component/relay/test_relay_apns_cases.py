"""The acceptance cases of group "relay": what a relay must do with each thing that APNs may say. Named by their ids."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from outcomes import answered
from relay.apns import gateway
from relay.apns.http2 import pool
from relay.server import engine
from relay_case import RelayCase, relay_case
from simulator.apns.faults import AnswerWith, Delay, Fault, GoAway
from waiting import eventually

_FILE = Path(__file__).parent.parent / "conform" / "apns-cases.json"
CASES = {
    each["id"]: each for each in json.loads(_FILE.read_text("utf-8"))["cases"] if each["group"] == "relay"
}
_BOTH_SPELLINGS = {"BadEnvironmentKeyIdInToken": "BadEnvironmentKeyInToken"}
MINUTE, DAY = 60, 86_400
SENT, FAILED, QUEUED = (1, 0, 0), (0, 1, 0), (0, 0, 1)
"""What the relay answers to an event with an alert for one phone."""


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine: a pool takes another connection only when it must."""
    monkeypatch.setattr(pool, "GROW_SECONDS", 1000.0)


@pytest.fixture
async def case(request: pytest.FixtureRequest) -> AsyncIterator[RelayCase]:
    """A relay and a sandbox; in the end the sandbox must have given the answer that the case is about."""
    async with relay_case() as running:
        yield running
    expect = CASES[case_id(request.node.name)]["expect"]
    given = {(each.status, _BOTH_SPELLINGS.get(each.reason or "", each.reason)) for each in running.arrivals}
    assert (expect["status"], expect["reason"]) in given


def case_id(test: str) -> str:
    """Of a test's name; "" for what is no test of a case."""
    return test.split("_")[1] if test.startswith("test_C") else ""


def for_the_operator(caplog: pytest.LogCaptureFixture, what: str = "") -> list[str]:
    """The lines that ask a person to act."""
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    return [line for line in lines if what in line]


def state(message: str, status: str = "working") -> dict[str, Any]:
    return {"status": status, "sessionTitle": "Work", "lastMessage": message}


def test_every_case_of_the_group_has_a_test() -> None:
    assert {case_id(name) for name in globals()} - {""} == set(CASES)


# Tokens.


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


# Provider tokens and keys.


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
    assert len(for_the_operator(caplog, "another process signs with this key")) == 2


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


# Try again later.


async def test_C159_after_a_500_the_same_push_comes_again_a_quarter_of_an_hour_later(case: RelayCase) -> None:
    await case.phone()
    case.sandbox.faults.add(Fault(AnswerWith("InternalServerError"), times=1))
    assert await case.event() == QUEUED
    await case.turn(15 * MINUTE - 1)
    assert case.statuses() == [500]
    await case.turn(8 * MINUTE)
    first, again = case.arrivals
    assert (again.status, again.request) == (200, first.request)
    assert len(case.received) == 1


async def test_C159_retries_are_ever_rarer_and_end_with_the_expiration(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    await case.phone()
    case.sandbox.faults.add(Fault(AnswerWith("InternalServerError")))
    assert await case.event() == QUEUED
    await case.turn(2 * DAY)
    expires = int(case.arrivals[0].request.headers["apns-expiration"])
    assert len(case.arrivals) > 15
    assert case.arrivals[-1].at < expires
    pauses = [later.at - sooner.at for sooner, later in itertools.pairwise(case.arrivals)]
    assert pauses[0] >= 15 * MINUTE
    assert pauses[1] >= 30 * MINUTE
    assert min(pauses[2:]) >= 60 * MINUTE
    assert len({(each.apns_id, each.request.body) for each in case.arrivals}) == 1
    (row,) = await case.rows("SELECT status FROM delivery_log WHERE id = ?", case.arrivals[0].apns_id)
    assert row == {"status": "failed"}
    assert for_the_operator(caplog) == []


async def test_C159_a_live_activity_then_shows_the_newest_state_instead(case: RelayCase) -> None:
    phone, token = await case.phone(), case.token(kind="activity")
    await case.post("activity/register", sessionID="ses_1", activityToken=token, deviceToken=phone)
    case.sandbox.faults.add(Fault(AnswerWith("InternalServerError"), times=1))
    await case.event("progress", contentState=state("old"))
    await eventually(lambda: case.statuses() == [500])
    for message in ("newer", "newest"):
        await case.event("progress", contentState=state(message))
    await case.turn(15 * MINUTE)
    assert [(each.message, each.status) for each in case.arrivals] == [("old", 500), ("newest", 200)]
    assert len(case.received) == 1


# Connections.


async def test_C160_what_a_goaway_left_unprocessed_is_sent_again_and_nothing_else(case: RelayCase) -> None:
    phones = await case.phones(6)
    assert await case.event() == (6, 0, 0)  # the stream limit is raised
    (old,) = case.connected
    case.sandbox.faults.add(Fault(GoAway("Shutdown"), nth=3, times=1))
    case.sandbox.faults.add(Fault(Delay(5), times=2))
    asking = asyncio.create_task(case.event("error"))
    await eventually(lambda: len(case.arrivals) == 6 + 7)
    below, cut, again = case.arrivals[6:8], case.arrivals[8], case.arrivals[9:]
    assert cut.status is None
    assert old._http2._streams.last == 23  # all twelve went out there
    assert old._http2.open_streams == 2  # and two are owed their answer
    await case.clock.advance(5)
    assert await asking == (6, 0, 0)
    assert {each.provider for each in (*below, cut)} == {old.provider}
    assert {each.provider for each in again} == {case.arrivals[-1].provider} != {old.provider}
    assert cut.apns_id in {each.apns_id for each in again}
    assert len({each.apns_id for each in (*below, *again)}) == 6
    assert Counter(each.device_token for each in case.received) == dict.fromkeys(phones, 2)


async def test_C161_never_more_pushes_are_in_flight_than_the_server_allows(case: RelayCase) -> None:
    case.sandbox.profile.stream_limit = 8
    await case.phones(50)
    case.sandbox.faults.add(Fault(Delay(1)))
    asking = asyncio.create_task(case.event())
    waiting = case.gateway._pools["sandbox"]._waiting
    arrived = 0
    for expected in (1, 8, 8, 8, 8, 8, 8, 1):  # 1 until the first answer, then as many as are allowed
        arrived += expected
        await eventually(
            lambda arrived=arrived: (len(case.arrivals), len(waiting)) == (arrived, 50 - arrived)
        )
        (connection,) = case.connected
        assert connection._http2.open_streams == expected
        await case.clock.advance(1)
    assert await asking == (50, 0, 0)
    assert len(case.journal.entries("apns", "connection_opened")) == 1
    assert case.journal.entries("apns", "stream_refused") == []


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


# Sizes.


async def test_C163_a_payload_that_is_too_large_is_cut_beforehand_and_never_sent_twice(
    case: RelayCase, caplog: pytest.LogCaptureFixture
) -> None:
    token = await case.phone()
    for title in ("x" * 60_000, "🦊" * 15_000):
        assert await case.event(title=title) == SENT
        assert 3900 < len(case.arrivals[-1].request.body) <= 4096
        shown = case.received[-1].payload["aps"]["alert"]["title"]
        assert shown == title[: len(shown) - 1] + "…"

    assert await case.gateway.send(case.push(token, size=4097)) == answered(
        413, "PayloadTooLarge", apns_env="sandbox"
    )
    assert len(case.arrivals) == 2  # it did not even leave the relay
    assert await case.gateway.send(case.push(token, size=4096)) == answered(200, apns_env="sandbox")

    case.sandbox.faults.add(Fault(AnswerWith("PayloadTooLarge"), times=1))
    assert await case.event() == FAILED
    assert len(for_the_operator(caplog, "reason=PayloadTooLarge")) == 1
    await case.turn(DAY)
    assert case.statuses() == [200, 200, 200, 413]
    assert await case.device_tokens() == {token}
