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


def test_a_ratio_is_of_single_rounds() -> None:
    rows = rounds("builds", "build", {"relay": [700, 350, 900], "naive": [200, 100, 100]})
    assert verdicts(rows)["events a second, relay / naive"] == (3.5, True)


def test_a_relay_that_is_too_slow_is_reported() -> None:
    rows = rounds("builds", "build", {"relay": [340], "naive": [100]})
    assert verdicts(rows)["events a second, relay / naive"] == (3.4, False)


@pytest.mark.parametrize(("two", "held"), [(130, True), (129, False)])
def test_two_processes_beside_one(two: float, held: bool) -> None:
    rows = [row | {"share_of_core": 0.25} for row in rounds("processes", "processes", {1: [100], 2: [two]})]
    name = "events a second on MariaDB, two processes / one, each a quarter of a core"
    assert verdicts(rows)[name] == (two / 100, held)


@pytest.mark.parametrize(("cores", "shares"), [(2, [0.25]), (4, [0.25]), (5, [0.25, 1.0]), (16, [0.25, 1.0])])
def test_two_free_processes_are_measured_where_every_part_has_a_core(cores: int, shares: list[float]) -> None:
    assert list(bench.shares_with_threshold(cores)) == shares


@pytest.mark.parametrize(("last", "held"), [(150, True), (151, False)])
def test_the_lookup_is_flat(last: float, held: bool) -> None:
    rows = [
        {"comparison": "rows", "rows": 1000, "lookup_us": 100},
        {"comparison": "rows", "rows": 10**6, "lookup_us": last},
    ]
    assert verdicts(rows)["lookup with 1,000,000 rows / with 1,000"][1] is held


@pytest.mark.parametrize("fault", bench.FAULTS)
def test_one_event_that_went_wrong_fails_the_run(fault: str) -> None:
    rows: list[dict[str, Any]] = [{"comparison": "phones", "phones": 1, **GOOD, fault: 1}]
    assert verdicts(rows) == {"events refused, lost, doubled or miscounted": (1, False)}


def test_sizes_grow_by_tens() -> None:
    assert bench.powers(10_000, 1) == [1, 10, 100, 1000, 10_000]
    assert bench.powers(5000, 1000) == [1000]


@pytest.mark.parametrize(("lean", "held"), [(1500, True), (1400, False)])
def test_the_lean_transport_beside_stock(lean: float, held: bool) -> None:
    rows = [
        {"comparison": "transport", "client": client, "in_flight": 200, "round": 0, "pushes_per_core": figure}
        for client, figure in {"lean": lean, "aioapns": 100}.items()
    ]
    name = "pushes a second and core with 200 in flight, lean / stock transport"
    assert verdicts(rows)[name] == (lean / 100, held)


def test_a_round_of_which_half_is_missing_does_not_count() -> None:
    rows = rounds("builds", "build", {"relay": [400, 900], "naive": [100]})
    assert verdicts(rows)["events a second, relay / naive"] == (4.0, True)


def test_no_rounds_are_no_ratio() -> None:
    assert math.isnan(bench.times([], "build", "relay", "naive", "events_per_second"))
