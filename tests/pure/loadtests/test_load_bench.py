import math
from typing import Any

import pytest

from loadtests import bench

GOOD = {"refused": 0, "lost": 0, "doubled": 0, "miscounted": 0}


def rounds(comparison: str, column: str, figures: dict[Any, list[float]]) -> list[dict[str, Any]]:
    return [
        {"comparison": comparison, column: variant, "round": turn, "events_per_second": figure, **GOOD}
        for variant, values in figures.items()
        for turn, figure in enumerate(values)
    ]


def verdicts(rows: list[dict[str, Any]]) -> dict[str, tuple[float, bool]]:
    return {one.what: (one.value, one.held) for one in bench.thresholds(rows)}


def lookup(last: float) -> list[dict[str, Any]]:
    return [
        {"comparison": "rows", "rows": count, "lookup_us": us} for count, us in ((1000, 100), (10**6, last))
    ]


def transports(lean: float) -> list[dict[str, Any]]:
    row = {"comparison": "transport", "in_flight": 200, "round": 0}
    return [
        row | {"client": name, "pushes_per_core": figure}
        for name, figure in (("lean", lean), ("aioapns", 100))
    ]


def processes(two: float) -> list[dict[str, Any]]:
    return [row | {"share_of_core": 0.25} for row in rounds("processes", "processes", {1: [100], 2: [two]})]


def builds(*relay: float, naive: tuple[float, ...] = (100,)) -> list[dict[str, Any]]:
    return rounds("builds", "build", {"relay": list(relay), "naive": list(naive)})


BUILDS = "events a second, relay / naive"
PROCESSES = "events a second on MariaDB, two processes / one, each a quarter of a core"
ROWS = "lookup with 1,000,000 rows / with 1,000"
TRANSPORT = "pushes a second and core with 200 in flight, lean / stock transport"


@pytest.mark.parametrize(
    ("rows", "what", "verdict"),
    [
        (builds(700, 350, 900, naive=(200, 100, 100)), BUILDS, (3.5, True)),
        (builds(340), BUILDS, (3.4, False)),
        (builds(400, 900), BUILDS, (4.0, True)),  # of the second round half is missing
        (processes(130), PROCESSES, (1.3, True)),
        (processes(129), PROCESSES, (1.29, False)),
        (lookup(150), ROWS, (1.5, True)),
        (lookup(151), ROWS, (1.51, False)),
        (transports(1500), TRANSPORT, (15, True)),
        (transports(1400), TRANSPORT, (14, False)),
    ],
)
def test_every_ratio_has_its_threshold(
    rows: list[dict[str, Any]], what: str, verdict: tuple[float, bool]
) -> None:
    assert verdicts(rows)[what] == verdict


@pytest.mark.parametrize(("cores", "shares"), [(2, [0.25]), (4, [0.25]), (5, [0.25, 1.0]), (16, [0.25, 1.0])])
def test_two_free_processes_are_measured_where_every_part_has_a_core(cores: int, shares: list[float]) -> None:
    assert list(bench.shares_with_threshold(cores)) == shares


@pytest.mark.parametrize("fault", bench.FAULTS)
def test_one_event_that_went_wrong_fails_the_run(fault: str) -> None:
    rows: list[dict[str, Any]] = [{"comparison": "phones", "phones": 1, **GOOD, fault: 1}]
    assert verdicts(rows) == {"events refused, lost, doubled or miscounted": (1, False)}


def test_sizes_grow_by_tens() -> None:
    assert bench.powers(10_000, 1) == [1, 10, 100, 1000, 10_000]
    assert bench.powers(5000, 1000) == [1000]


def test_no_rounds_are_no_ratio() -> None:
    assert math.isnan(bench.times([], "build", "relay", "naive", "events_per_second"))
