"""Starts, updates and ends in any order, with any timestamps and pauses: what always holds."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from phone_pushes import T0, Kit, expo, push
from simulator.phone.profile import PROFILES, profile

HOUR = 3_600

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(-60, 60)),
        st.tuples(
            st.sampled_from(["update", "end"]),
            st.integers(-300, 300),
            st.sampled_from([1, 5, 10]),
            st.integers(0, 3),
            st.sampled_from([None, -60, 0, 60, 20_000]),
        ),
        st.tuples(st.just("pass"), st.sampled_from([0, 1, 30, 121, 1_800, HOUR, 5 * HOUR])),
        st.tuples(st.just("screen"), st.booleans()),
        st.tuples(st.just("swipe")),
        st.tuples(st.just("end all"), st.booleans()),
    ),
    max_size=40,
)


def play(kit: Kit, step: Any, number: int) -> None:
    match step:
        case ("start", offset):
            kit.start(push("start", kit.now + offset))
        case ("pass", seconds):
            kit.pass_time(seconds)
        case ("screen", bright):
            kit.changes(bright=bright)
            kit.activities.power(kit.phone, kit.now)
        case ("swipe",):
            kit.happened += kit.activities.swipe(kit.now)
        case ("end all", remove):
            kit.happened += kit.activities.end_all(kit.now, "all", remove=remove)
        case (event, offset, priority, which, date) if kit.activities.all:
            keys: dict[str, Any] = {"content_state": expo(number)}
            if date is not None:
                keys["dismissal_date" if event == "end" else "stale_date"] = kit.now + date
            activity = kit.activities.all[which % len(kit.activities.all)]
            kit.change(push(event, kit.now + offset, priority, **keys), activity)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(sorted(PROFILES)), st.booleans(), st.integers(0, 3))
def test_what_always_holds(steps: list[Any], name: str, frequent: bool, seed: int) -> None:
    kit = Kit(profile(name), random.Random(seed) if seed else None, frequent_updates=frequent)
    kit.profile.set("update_budget", 3)
    stamps: dict[str, float] = {}
    seen = 0
    for number, step in enumerate(steps):
        play(kit, step, number)
        kit.happened += kit.activities.run_due(kit.now)
        kit.activities.share_island(kit.phone)
        for activity in kit.activities.all:
            assert activity.timestamp >= stamps.get(activity.id, 0.0), "an older timestamp was applied"
            stamps[activity.id] = activity.timestamp
            assert activity.budget.remaining(3) >= 0, "the update budget was overdrawn"
            assert not activity.running or kit.now < activity.started_at + 8 * HOUR
            assert not activity.visible or kit.now < activity.started_at + 12 * HOUR
            assert activity.running or activity.waiting is None, (
                "something waits for an activity that is over"
            )
            assert activity.waiting is None or activity.waiting.due > kit.now
            assert activity.running or not activity.island
        assert sum(activity.island for activity in kit.activities.all) == bool(kit.activities.running)
        times = [one.at for one in kit.happened[seen:] if one.what != "budget reset"]
        assert times == sorted(times), "something was outcome out of order"
        assert all(at <= kit.now for at in times)
        seen = len(kit.happened)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_every_push_has_one_outcome(steps: list[Any]) -> None:
    """Started, updated, ended or dropped, exactly once; deferred at most once before; or still waiting."""
    kit = Kit()
    for number, step in enumerate(steps):
        play(kit, step, number)
    outcomes: dict[int, list[str]] = {}
    for one in kit.happened:
        if one.push is not None:
            outcomes.setdefault(id(one.push), []).append(one.what)
    waiting = {id(one.waiting.message.push) for one in kit.activities.all if one.waiting is not None}
    for found, outcome in outcomes.items():
        assert outcome.count("deferred") <= 1
        final = [what for what in outcome if what != "deferred"]
        assert len(final) == (0 if found in waiting else 1)


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(8)))
def test_the_newest_wins_in_any_order(order: list[int]) -> None:
    kit = Kit()
    kit.start()
    for stamp in order:
        kit.update(stamp, T0 + stamp)
    assert kit.phase == "7"


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(8)), st.lists(st.sampled_from([5, 10]), min_size=8, max_size=8))
def test_the_newest_wins_in_any_order_with_delays(order: list[int], priorities: list[int]) -> None:
    kit = Kit(bright=False)
    kit.start()
    for stamp, priority in zip(order, priorities, strict=True):
        kit.change(push("update", T0 + stamp, priority, content_state=expo(stamp)))
    kit.pass_time(121)
    assert kit.phase == "7"


@given(st.integers(1, 60), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_starts_are_counted_however_they_come(count: int, pause: int) -> None:
    kit = Kit()
    kit.profile.set("max_activities", 1_000)
    for _ in range(count):
        kit.start()
        kit.pass_time(pause)
    first_hour = sum(activity.started_at < T0 + HOUR for activity in kit.activities.all)
    assert first_hour == min(10, count, -(-HOUR // pause))
