"""The clock of the relay's machine was wrong, and is set right: node-apn/node-apn#590, ostinelli/apnotic#109."""

from collections.abc import AsyncIterator

import pytest

from relay_case import RelayCase, relay_case

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SENT, QUEUED = (1, 0, 0), (0, 0, 1)


@pytest.fixture
async def case() -> AsyncIterator[RelayCase]:
    async with relay_case() as running:
        yield running


@pytest.mark.parametrize("ahead", [DAY, HOUR, 10 * MINUTE])
async def test_a_clock_that_was_ahead_holds_nothing_back_once_it_is_right(
    case: RelayCase, ahead: float
) -> None:
    await case.phone()
    case.relays_clock.ahead = ahead
    assert await case.event() == QUEUED
    assert {each.reason for each in case.arrivals} == {"InvalidProviderToken"}
    case.relays_clock.ahead = 0.0
    await case.turn(2 * MINUTE)  # the pause was one of a minute
    assert await case.event("error") == SENT


async def test_a_clock_that_was_behind_holds_nothing_back_once_it_is_right(case: RelayCase) -> None:
    await case.phone()
    case.relays_clock.ahead = -2 * HOUR
    assert await case.event() == QUEUED
    assert {each.reason for each in case.arrivals} == {"ExpiredProviderToken"}
    case.relays_clock.ahead = 0.0
    await case.turn(21 * MINUTE)  # Apple: a new token at most every twenty minutes
    assert await case.event("error") == SENT


@pytest.mark.parametrize("ahead", [DAY, HOUR, 10 * MINUTE, -HOUR, -DAY])
async def test_a_clock_that_is_set_while_the_key_is_refused_changes_no_pause(
    case: RelayCase, ahead: float
) -> None:
    await case.phone()
    case.refuse_key()
    assert await case.event() == QUEUED
    case.relays_clock.ahead = ahead
    await case.event("error")
    asked = len(case.arrivals)
    await case.turn(50)
    assert len(case.arrivals) == asked  # not sooner, with a clock that was set forward
    await case.turn(35)
    assert len(case.arrivals) > asked  # nor later, with one that was set back
