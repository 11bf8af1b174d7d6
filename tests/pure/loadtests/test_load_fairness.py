"""What the load test of fairness judges."""

import math
from typing import Any

import pytest

from loadtests import fairness


def rows(
    alone: float, flood: float, phones: float, longest: float = 100.0, **faults: int
) -> list[dict[str, Any]]:
    good = dict.fromkeys(fairness.FAULTS, 0) | {
        "round": 0,
        "others_ms_p95": 10_000.0,
        "alert_ms_longest": longest,
    }
    found = {"alone": alone, "flood": flood, "phones": phones}
    return [good | faults | {"case": case, "alert_ms_median": value} for case, value in found.items()]


FLOOD, PHONES = (fairness.WHAT[case] for case in fairness.GOALS)
LONGEST = "the longest quiet alert beside an event with very many phones / that event to its phones"
FAULTS = "alerts refused, lost or doubled"
GOOD = {FLOOD: True, PHONES: True, LONGEST: True, FAULTS: True}


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        (rows(10, 10 * fairness.GOALS["flood"], 10 * fairness.GOALS["phones"]), set()),
        (rows(10, 10 * fairness.GOALS["flood"] + 1, 10), {FLOOD}),
        (rows(10, 10, 10 * fairness.GOALS["phones"] + 1), {PHONES}),
        (rows(10, 10, 10, longest=10_000 * fairness.SHARE + 10), {LONGEST}),
        (rows(10, 10, 10, lost=1), {FAULTS}),
        ([], {FLOOD, PHONES, LONGEST}),
    ],
)
def test_a_quiet_alert_that_waits_for_others_fails_the_run(
    found: list[dict[str, Any]], missed: set[str]
) -> None:
    verdicts = {one.what: one.held for one in fairness.thresholds(found)}
    assert verdicts == GOOD | dict.fromkeys(missed, False)


def test_what_was_not_measured_has_no_ratio() -> None:
    assert all(math.isnan(one.value) for one in fairness.thresholds([]) if one.what != FAULTS)
