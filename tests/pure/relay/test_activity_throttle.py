"""When the newest state of an activity may go out, and at which priority."""

from dataclasses import replace
from typing import Any

import pytest

from activity_values import HOUR, MINUTE, NOW, QUESTION, SECOND, activity, state
from relay.contract import ContentState
from relay.server.live_activities.activity import (
    EQUAL_PHASE_MS,
    LONGEST_PAUSE_MS,
    PHASE_MS,
    PRIORITY_10_AN_HOUR,
    Activity,
    due_at,
    priority,
    within_hour,
)
from relay.server.live_activities.settlement import retry_pause

WORKING, ASKING = state("working"), state("permission")


def pushed(at: int, **changes: Any) -> Activity:
    """One whose last push was at that time, of an agent that works."""
    return activity(**{"pushed_status": "working", "pushed_at": at} | changes)


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
    assert due_at(pushed(NOW - since, state=ASKING), NOW) == NOW + change
    assert due_at(pushed(NOW - since), NOW) == NOW + equal


def test_the_first_push_goes_at_once() -> None:
    assert due_at(activity(), NOW) == NOW


@pytest.mark.parametrize("newest", [WORKING, ASKING])
def test_a_pause_after_a_failure_holds_for_every_phase(newest: ContentState) -> None:
    failed = pushed(NOW - MINUTE, state=newest)
    assert due_at(replace(failed, retry_at=NOW + 5 * SECOND), NOW) == NOW + 5 * SECOND
    assert due_at(replace(failed, retry_at=NOW - SECOND), NOW) == NOW


@pytest.mark.parametrize("back", [1, SECOND, HOUR, 1000 * HOUR])
def test_a_clock_that_was_set_back_holds_nothing_longer_than_a_pause(back: int) -> None:
    assert due_at(pushed(NOW + back, state=ASKING), NOW) == NOW + PHASE_MS
    assert due_at(pushed(NOW + back), NOW) == NOW + EQUAL_PHASE_MS
    assert due_at(activity(retry_at=NOW + LONGEST_PAUSE_MS + back), NOW) == NOW + LONGEST_PAUSE_MS


def test_an_hour_later_the_budget_is_free_again() -> None:
    ten = tuple(NOW + n * SECOND for n in range(PRIORITY_10_AN_HOUR))
    asking = activity(state=ASKING, alert=QUESTION, priority_10_at=ten)
    assert priority(asking, NOW + HOUR - 1) == 5
    assert priority(asking, NOW + HOUR) == 10
    assert within_hour(ten, NOW + HOUR) == ten[1:]


# Failures in a row -> seconds until the next try.
PAUSES = {0: 12, 1: 24, 2: 48, 3: 96, 4: 192, 5: 384, 6: 768, 7: 900, 8: 900, 500: 900}


@pytest.mark.parametrize("attempts", PAUSES)
def test_pauses_double_up_to_a_quarter_of_an_hour(attempts: int) -> None:
    assert retry_pause(12 * SECOND, attempts) == PAUSES[attempts] * SECOND
