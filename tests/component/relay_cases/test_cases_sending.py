"""Acceptance cases C159 to C161 and C163: when a push is sent again, over which connection, and how large it may be."""

import asyncio
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from component.relay_cases.cases import (
    CASES,
    DAY,
    FAILED,
    MINUTE,
    QUEUED,
    SENT,
    for_the_operator,
    state,
)
from outcomes import answered
from relay_case import RelayCase
from simulator.apns.faults import AnswerWith, Delay, Fault, GoAway
from waiting import eventually


def test_every_case_of_the_group_has_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert set(re.findall(r"def test_(C[0-9]+)_", tests)) == set(CASES)


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
