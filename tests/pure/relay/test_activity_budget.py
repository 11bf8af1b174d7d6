"""Whose start may go to a phone that shows five cards and takes ten starts an hour (developer forum 799505)."""

from dataclasses import replace
from typing import Any

import pytest

from activity_values import HOUR, MINUTE, NOW, SECOND, activity, state
from relay.contract import Status
from relay.server.live_activities.activity import Activity
from relay.server.live_activities.push import ASK_AGAIN_MS, StartBudget, start_due_at

BUDGET = StartBudget()


def card(number: int, stage: Any = "active", **about: Any) -> Activity:
    return activity(**{"id": f"card {number}", "stage": stage} | about)


def waiting(number: int, status: Status = "working", **about: Any) -> Activity:
    known = {"id": f"waits {number}", "stage": "starting", "due_at": NOW, "state": state(status)}
    return activity(**known | {"began_at": NOW - HOUR + number} | about)


ME = waiting(5)
FOUR, FIVE = [card(n) for n in range(4)], [card(n) for n in range(5)]
STARTS = tuple(NOW - n * MINUTE for n in range(10))

# What else there is on the phone -> whether the start may go.
PHONES: dict[str, tuple[list[Activity], bool]] = {
    "nothing": ([], True),
    "room for one": (FOUR, True),
    "no room": (FIVE, False),
    "cards that are over": ([card(n, "ended") for n in range(9)], True),
    "cards that the person swiped away": ([card(n, "dismissed") for n in range(9)], True),
    "started, no token yet": ([*FOUR, card(9, "started")], False),
    "started in vain, and the run is over": ([*FOUR, card(9, "started", ends=True)], True),
    "room for one, and a question waits": ([*FOUR, waiting(9, "permission")], False),
    "room for one, and one waits longer": ([*FOUR, waiting(1)], False),
    "room for one, and one waits less long": ([*FOUR, waiting(9)], True),
    "one that waits longer is not due: APNs asked for patience": ([*FOUR, waiting(1, due_at=NOW + MINUTE)], True),
    "ten starts within the hour": ([card(1, "ended", starts_at=STARTS)], False),
    "nine": ([card(1, "ended", starts_at=STARTS[:9])], True),
    "nine, and a question waits": ([card(1, "ended", starts_at=STARTS[:9]), waiting(9, "permission")], False),
    "ten, an hour ago": ([card(1, "ended", starts_at=tuple(at - HOUR for at in STARTS))], True),
}  # fmt: skip


@pytest.mark.parametrize("name", PHONES)
def test_whose_turn_it_is(name: str) -> None:
    others, goes = PHONES[name]
    due_at = start_due_at(ME, [*others, ME], BUDGET, NOW)
    assert (due_at == NOW) == goes
    assert goes or due_at >= NOW + ASK_AGAIN_MS


def test_a_question_goes_before_all_that_wait() -> None:
    asks = waiting(99, "permission")
    assert start_due_at(asks, [*FOUR, *(waiting(n) for n in range(5)), asks], BUDGET, NOW) == NOW


def test_when_the_hour_is_spent_it_waits_for_its_end() -> None:
    spent = card(1, "ended", starts_at=tuple(at - 45 * MINUTE for at in STARTS))
    assert start_due_at(ME, [spent, ME], BUDGET, NOW) == spent.starts_at[-1] + HOUR
    more = replace(spent, starts_at=(*spent.starts_at, NOW - 59 * MINUTE))
    assert start_due_at(ME, [more, ME], BUDGET, NOW) == spent.starts_at[-1] + HOUR
    assert start_due_at(ME, [replace(spent, starts_at=STARTS), ME], BUDGET, NOW) == NOW + 15 * MINUTE
    assert start_due_at(ME, [*FIVE, ME], BUDGET, NOW) == NOW + 5 * SECOND


def test_a_row_without_a_state_goes_last() -> None:
    assert start_due_at(ME, [*FOUR, waiting(1, state=None), ME], BUDGET, NOW) == NOW


def test_a_budget_is_a_value() -> None:
    assert start_due_at(ME, [*FIVE, ME], StartBudget(cards=6), NOW) == NOW
