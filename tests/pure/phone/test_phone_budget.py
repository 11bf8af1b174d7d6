"""Budgets and profiles."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.phone.profile import AT_ONCE, PROFILES, UNLIMITED, Budget, Profile, Refill, profile


def test_another_capacity_counts_at_once() -> None:
    budget = Budget()
    for _ in range(3):
        budget.spend(0.0, 15)
    assert budget.remaining(240) == 237
    assert not budget.spend(0.0, 3)


@given(st.lists(st.sampled_from(["spend", "reset"])), st.integers(0, 5))
def test_spending_never_overdraws(acts: list[str], capacity: int) -> None:
    budget = Budget()
    for act in acts:
        before = budget.remaining(capacity)
        if act == "reset":
            budget.reset()
        else:
            assert budget.spend(0.0, capacity) is (before > 0)
        assert 0 <= budget.remaining(capacity) <= capacity


# How it comes back.


def used(budget: Budget, at: list[float], capacity: int, refill: Refill, window: float = 3600) -> list[bool]:
    """Spend one at each of these times, after what came back by then; whether one was left."""
    left = []
    for now in at:
        while (refills_at := budget.refills_at(window, refill)) is not None and refills_at <= now:
            budget.refill(window, refill)
        left.append(budget.spend(now, capacity))
    return left


@pytest.mark.parametrize(
    ("refill", "capacity", "counted", "at", "left"),
    [
        ("window", 3, 0, [0, 10, 20, 3599, 3600, 3601, 3602], [1, 1, 1, 0, 1, 1, 1]),
        ("bucket", 3, 0, [0, 10, 20, 1199, 1200, 1201, 2399, 2400], [1, 1, 1, 0, 1, 0, 0, 1]),
        ("bucket", 3, 5, [2400, 3599, 3600], [0, 0, 1]),  # overdrawn
        ("bucket", 0, 1, [1, 3600, 7200], [0, 0, 0]),
    ],
)
def test_how_it_comes_back(
    refill: Refill, capacity: int, counted: int, at: list[float], left: list[bool]
) -> None:
    budget = Budget()
    for _ in range(counted):
        budget.count(0.0, capacity)
    assert used(budget, at, capacity, refill) == left


@given(st.lists(st.integers(0, 20_000), max_size=60), st.integers(1, 10))
def test_below_the_capacity_nothing_is_refused(times: list[int], capacity: int) -> None:
    """In any window, wherever it begins: then both ways take the same."""
    kept: list[float] = []
    for now in sorted(times):
        if sum(now - at < 3600 for at in kept) < capacity:
            kept.append(now)
    for refill in get_args(Refill):
        assert all(used(Budget(), kept, capacity, refill))


# Profiles.


def test_the_default_profile() -> None:
    assert profile() == profile("default") == Profile()


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_one_s_own(name: str) -> None:
    profile(name).set("start_capacity", 1)
    assert profile(name).start_capacity != 1


def test_lenient_has_no_budget_and_no_delay() -> None:
    lenient = profile("lenient")
    assert (
        lenient.start_capacity == lenient.updates_an_hour(True) == lenient.updates_an_hour(False) == UNLIMITED
    )
    assert lenient.delay_screen_on == lenient.delay_screen_off == AT_ONCE


def test_strict_is_never_looser() -> None:
    strict, default = profile("strict"), profile("default")
    assert strict.start_capacity < default.start_capacity
    assert strict.start_window > default.start_window
    assert strict.update_capacity < default.update_capacity
    assert strict.update_capacity_frequent < default.update_capacity_frequent
    assert strict.delay_screen_off.usual > default.delay_screen_off.usual


def test_setting_a_parameter() -> None:
    changed = Profile()
    changed.set("la_allow_gate", True)
    changed.set("update_budget", 3)
    assert changed.la_allow_gate
    assert changed.updates_an_hour(True) == changed.updates_an_hour(False) == 3


@pytest.mark.parametrize("key", ["token_grace_s", "", "set"])
def test_setting_what_there_is_not(key: str) -> None:
    with pytest.raises(ValueError, match="the phone's profile has no"):
        Profile().set(key, 1)
