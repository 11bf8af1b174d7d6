"""Updates and ends by push: what is applied, what waits, what is ignored."""

from random import Random
from typing import Any

import pytest

from phone_pushes import T0, Kit, expo, push, whats
from simulator.phone.activitykit.refusals import AGAINST_CHANGE, LARGEST
from simulator.phone.profile import profile
from simulator.phone.push import ActivityMessage

HOUR = 3_600


@pytest.fixture
def kit() -> Kit:
    """One activity, started at T0 with that timestamp."""
    kit = Kit()
    kit.start()
    return kit


def dark(**parameters: Any) -> Kit:
    kit = Kit(bright=False)
    for key, value in parameters.items():
        kit.profile.set(key, value)
    kit.start()
    return kit


def test_an_update(kit: Kit) -> None:
    kit.now += 20
    sent = push("update", kit.now, content_state=expo("two"), stale_date=kit.now + 60, relevance_score=7)
    (happened,) = kit.change(sent)
    assert (happened.what, happened.at, happened.push, happened.activity) == (
        "updated",
        kit.now,
        sent,
        kit.newest,
    )
    assert (kit.phase, kit.newest.timestamp) == ("two", kit.now)
    assert (kit.newest.stale_date, kit.newest.relevance_score) == (kit.now + 60, 7)


@pytest.mark.parametrize(
    ("seconds", "applied"), [(-100, False), (-1, False), (0, True), (1, True), (1e6, True)]
)
def test_the_order_of_timestamps(kit: Kit, seconds: float, applied: bool) -> None:
    happened = kit.update("two", T0 + seconds)
    assert (kit.phase == "two") is applied
    assert happened[0].why == ("" if applied else "its timestamp is older than the last")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"event": "start"}, "it is neither update nor end"),
    ({"event": None}, "it is neither update nor end"),
    ({"timestamp": None}, "it has no timestamp"),
    ({"timestamp": T0 - 1}, "its timestamp is older than the last"),
    ({"content-state": None}, "its content-state cannot be decoded"),
    ({"content-state": {"name": "Run"}}, "its content-state cannot be decoded"),
    ({"content-state": {"name": "Run", "props": 7}, "event": "end"}, "its content-state cannot be decoded"),
    (
        {"content-state": {"name": "Run", "props": "x" * LARGEST}},
        "attributes and content-state are over 4 KB",
    ),
]


@pytest.mark.parametrize(("change", "why"), REFUSED)
def test_what_changes_nothing(kit: Kit, change: dict[str, Any], why: str) -> None:
    sent = push("update", T0 + 1)
    sent.payload["aps"].update(change)
    (happened,) = kit.change(sent)
    assert (happened.what, happened.why) == ("dropped", why)
    assert kit.newest.content_state == expo("start")
    assert kit.newest.state == "active"


def test_every_reason_against_a_change_is_tested() -> None:
    tested = {why for _, why in REFUSED} | {"the activity is about to end"}
    assert tested == {why for why, _ in AGAINST_CHANGE}


def test_an_update_lights_up_only_with_an_alert(kit: Kit) -> None:
    kit.newest.alerts.clear()
    kit.update("two")
    assert kit.newest.alerts == []
    kit.now += 5
    kit.update("three", alert={"title": "T", "body": "B", "sound": "default"})
    assert kit.newest.alerts == [T0 + 5]


# The end.


@pytest.mark.parametrize(
    ("dismissal", "leaves_after"),
    [(None, 4 * HOUR), (-60, 0), (0, 0), (60, 60), (4 * HOUR, 4 * HOUR), (5 * HOUR, 4 * HOUR)],
)
def test_when_an_ended_activity_leaves(kit: Kit, dismissal: float | None, leaves_after: float) -> None:
    date = {} if dismissal is None else {"dismissal_date": T0 + dismissal}
    assert whats(kit.change(push("end", T0, **date))) == ["ended"]
    assert (kit.newest.state, kit.newest.running, kit.newest.leaves_at) == ("ended", False, T0 + leaves_after)
    if leaves_after:
        assert "dismissed" not in whats(kit.pass_time(leaves_after - 1))
        assert kit.newest.visible
        kit.pass_time(1)
    else:
        kit.pass_time(0)
    assert (kit.newest.state, kit.newest.visible) == ("dismissed", False)
    assert kit.happened[-1].at == T0 + leaves_after


def test_an_end_without_a_state_keeps_the_last(kit: Kit) -> None:
    kit.change(push("end", T0 + 1, without=("content-state",)))
    assert (kit.newest.state, kit.phase) == ("ended", "start")


@pytest.mark.parametrize("event", ["update", "end"])
def test_nothing_comes_after_the_end(kit: Kit, event: str) -> None:
    kit.change(push("end", T0 + 1))
    (happened,) = kit.change(push(event, T0 + 2, content_state=expo("late")))
    assert (happened.what, happened.why) == ("dropped", "the activity has ended")
    assert kit.phase == "end"


# Power.


@pytest.mark.parametrize(("bright", "delay"), [(True, 0), (False, 120)])
def test_priority_5_waits_for_power(bright: bool, delay: int) -> None:
    kit = Kit(bright=bright)
    kit.start()
    happened = kit.change(push("update", T0 + 1, priority=5))
    assert whats(happened) == ["updated" if delay == 0 else "deferred"]
    if delay:
        assert (happened[0].why, happened[0].until) == ("priority 5", T0 + delay)
        assert kit.pass_time(delay - 1) == []
        assert whats(kit.pass_time(1)) == ["updated"]
    assert kit.newest.content_state == expo("update")
    assert kit.activities.remaining("update", kit.phone) == 240


@pytest.mark.parametrize(
    ("stamp", "phase", "whys"),
    [
        (101, "newer", ["priority 5", "a newer one waits"]),
        (1, "newer", ["priority 5", "a newer one waits"]),  # of the same second
        (0, "older", ["a newer one waits"]),
    ],
)
def test_of_two_that_wait_the_newer_is_applied_when_the_first_was_due(
    stamp: int, phase: str, whys: list[str]
) -> None:
    kit = dark()
    kit.change(push("update", T0 + 1, priority=5, content_state=expo("older")))
    kit.now += 100
    happened = kit.change(push("update", T0 + stamp, priority=5, content_state=expo("newer")))
    assert [one.why for one in happened] == whys
    assert [one.until for one in happened if one.what == "deferred"] == [T0 + 120] * (len(whys) - 1)
    kit.pass_time(20)
    assert kit.phase == phase


@pytest.mark.parametrize(("stamp", "left"), [(5, None), (4, None), (6, "later")])
def test_what_waits_is_overtaken(stamp: int, left: str | None) -> None:
    kit = dark()
    kit.change(push("update", T0 + stamp, priority=5, content_state=expo("later")))
    happened = kit.update("urgent", T0 + 5)
    assert (kit.newest.waiting is None) is (left is None)
    assert [one.why for one in happened[1:]] == ([] if left else ["a newer one came first"])
    kit.pass_time(120)
    assert kit.phase == (left or "urgent")


def test_the_screen_goes_off_and_nothing_waits_longer_for_it() -> None:
    kit = dark(delay_screen_on=profile("strict").delay_screen_on)
    kit.changes(bright=True)
    kit.change(push("update", T0 + 1, priority=5))
    kit.changes(bright=False)
    kit.activities.power(kit.phone, kit.now)
    assert kit.newest.waiting is not None
    assert kit.newest.waiting.due == T0 + 30


def test_a_seeded_delay() -> None:
    kit = Kit(random=Random(1), bright=False)
    kit.start()
    (happened,) = kit.change(push("update", T0 + 1, priority=5))
    assert happened.until is not None
    assert 30 <= happened.until - T0 <= 120


# The budget.


@pytest.mark.parametrize(("frequent", "capacity"), [(True, 240), (False, 15)])
def test_each_activity_has_a_budget_that_is_full_again_after_an_hour(frequent: bool, capacity: int) -> None:
    kit = Kit(frequent_updates=frequent)
    assert kit.activities.remaining("update", kit.phone) == capacity
    for _ in range(2):
        kit.start()
        assert kit.activities.remaining("update", kit.phone) == capacity
        kit.now += 10
        kit.update()
    assert kit.activities.remaining("update", kit.phone) == capacity - 1
    resets = [(one.at - T0, one.why) for one in kit.pass_time(HOUR) if one.what == "budget reset"]
    assert resets == [(HOUR, "push-to-start"), (HOUR + 10, "update"), (HOUR + 20, "update")]
    assert kit.activities.remaining("update", kit.phone) == capacity


@pytest.mark.parametrize(
    ("name", "refill", "budget", "bright", "waits"),
    [
        ("strict", "window", 2, True, HOUR),
        ("strict", "bucket", 2, True, HOUR / 2),
        ("strict", "window", 0, True, HOUR),
        ("default", "window", 0, True, 0),  # with the screen on there is an opportunity at once
        ("default", "window", 15, False, 120),
    ],
)
def test_an_update_over_the_budget(name: str, refill: str, budget: int, bright: bool, waits: float) -> None:
    kit = Kit(profile(name), bright=bright)
    kit.profile.set("refill", refill)
    kit.profile.set("update_budget", budget)
    kit.start()
    for step in range(budget):
        assert whats(kit.update(step, T0 + step)) == ["updated"]
    (happened,) = kit.update("over", T0 + 99)
    assert (happened.what, happened.until) == (("deferred", T0 + waits) if waits else ("updated", None))
    assert kit.activities.remaining("update", kit.phone) == 0
    if waits:
        assert happened.why == "the update budget is used up"
        kit.activities.power(kit.phone, kit.now)
        assert kit.pass_time(waits - 1) == []
        kit.pass_time(1)
    assert kit.phase == "over"


# An end that waits.


@pytest.mark.parametrize(("dismissal", "waits"), [(-5, 0), (60, 60), (600, 120)])
def test_an_end_waits_no_longer_than_its_dismissal(dismissal: int, waits: int) -> None:
    kit = dark()
    happened = kit.change(push("end", T0, priority=5, dismissal_date=T0 + dismissal))
    assert whats(happened) == (["ended"] if waits == 0 else ["deferred"])
    kit.pass_time(waits)
    assert kit.newest.state == ("ended" if waits == 120 else "dismissed")


def test_strict_ends_wait_like_updates() -> None:
    kit = Kit(profile("strict"))
    kit.profile.set("update_budget", 0)
    kit.start()
    (happened,) = kit.change(push("end", T0 + 9, dismissal_date=T0 - 1))
    assert (happened.what, happened.until) == ("deferred", T0 + HOUR)


def test_no_update_overtakes_an_end_that_waits() -> None:
    kit = dark()
    kit.change(push("end", T0 + 1, priority=5))
    assert kit.update("late", T0 + 2)[0].why == "the activity is about to end"
    kit.pass_time(120)
    assert (kit.newest.state, kit.phase) == ("ended", "end")


def test_an_end_overtakes_an_update_that_waits() -> None:
    kit = dark()
    kit.change(push("update", T0 + 5, priority=5))
    happened = kit.change(push("end", T0 + 1))
    assert [(one.what, one.why) for one in happened] == [("ended", ""), ("dropped", "a newer one came first")]
    assert kit.pass_time(600) == []


# By the app.


@pytest.mark.parametrize(
    ("stamp", "content_state", "why"),
    [
        (T0 + 1, expo("mine"), ""),
        (T0 - 1, expo("mine"), "its timestamp is older than the last"),
        (T0, {}, "its content-state cannot be decoded"),
    ],
)
def test_the_app_changes_its_own_at_once(stamp: float, content_state: dict[str, Any], why: str) -> None:
    kit = dark()
    message = ActivityMessage("update", stamp, raw_content_state=content_state, stale_date=T0 + 9)
    (happened,) = kit.activities.change_by_app(kit.newest, message, kit.now)
    assert (happened.what, happened.why) == ("dropped" if why else "updated", why)
    assert (kit.phase, kit.newest.stale_date) == (("start", None) if why else ("mine", T0 + 9))
    assert kit.activities.remaining("update", kit.phone) == 240


def test_a_local_change_can_be_newer_than_what_waits() -> None:
    kit = dark()
    kit.change(push("update", T0 + 50, priority=5, content_state=expo("pushed")))
    kit.newest.timestamp = T0 + 60
    (happened,) = kit.pass_time(120)
    assert (happened.what, happened.why) == ("dropped", "its timestamp is older than the last")
    assert kit.newest.content_state == expo("start")
