"""When the newest state of an activity may go out, and at which priority."""

import pytest

from activity_values import HOUR, MINUTE, NOW, SECOND
from relay.server.live_activities.throttle import (
    EQUAL_PHASE_MS,
    LONGEST_PAUSE_MS,
    PHASE_MS,
    PRIORITY_10_AN_HOUR,
    LastPush,
    due_at,
    priority,
    retry_pause,
    within_hour,
)

NEVER = LastPush(None, 0)

# How long after the last push -> milliseconds that a change of phase, and an equal phase, still wait.
WAITS = {
    0: (1_000, 12_000),
    1: (999, 11_999),
    400: (600, 11_600),
    999: (1, 11_001),
    1_000: (0, 11_000),
    11_999: (0, 1),
    12_000: (0, 0),
    HOUR: (0, 0),
}


@pytest.mark.parametrize("since", WAITS)
def test_wait_by_the_time_since_the_last_push(since: int) -> None:
    change, equal = WAITS[since]
    last = LastPush("working", NOW - since)
    assert due_at("permission", last, retry_at=0, now_ms=NOW) == NOW + change
    assert due_at("working", last, retry_at=0, now_ms=NOW) == NOW + equal


def test_the_first_push_goes_at_once() -> None:
    assert due_at("working", NEVER, retry_at=0, now_ms=NOW) == NOW


@pytest.mark.parametrize("status", ["working", "permission"])
def test_a_pause_after_a_failure_holds_for_every_phase(status: str) -> None:
    last = LastPush("working", NOW - MINUTE)
    assert due_at(status, last, retry_at=NOW + 5 * SECOND, now_ms=NOW) == NOW + 5 * SECOND
    assert due_at(status, last, retry_at=NOW - SECOND, now_ms=NOW) == NOW


@pytest.mark.parametrize("back", [1, SECOND, HOUR, 1000 * HOUR])
def test_a_clock_that_was_set_back_holds_nothing_longer_than_a_pause(back: int) -> None:
    last = LastPush("working", NOW + back)
    assert due_at("permission", last, retry_at=0, now_ms=NOW) == NOW + PHASE_MS
    assert due_at("working", last, retry_at=0, now_ms=NOW) == NOW + EQUAL_PHASE_MS
    assert (
        due_at("working", NEVER, retry_at=NOW + LONGEST_PAUSE_MS + back, now_ms=NOW) == NOW + LONGEST_PAUSE_MS
    )


def test_an_hour_later_the_budget_is_free_again() -> None:
    ten = tuple(NOW + n * SECOND for n in range(PRIORITY_10_AN_HOUR))
    assert priority(True, ten, NOW + HOUR - 1) == 5
    assert priority(True, ten, NOW + HOUR) == 10
    assert within_hour(ten, NOW + HOUR) == ten[1:]


# Failures in a row -> seconds until the next try.
PAUSES = {0: 12, 1: 24, 2: 48, 3: 96, 4: 192, 5: 384, 6: 768, 7: 900, 8: 900, 500: 900}


@pytest.mark.parametrize("attempts", PAUSES)
def test_pauses_double_up_to_a_quarter_of_an_hour(attempts: int) -> None:
    assert retry_pause(12 * SECOND, attempts) == PAUSES[attempts] * SECOND
