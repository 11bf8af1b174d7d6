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


def test_priority_5_is_free() -> None:
    kit = Kit()
    kit.start()
    for second in range(500):
        kit.change(push("update", T0 + second, priority=5))
    assert kit.activities.remaining("update", kit.phone) == 240


def test_of_two_that_wait_the_newest_is_applied_when_the_first_was_due() -> None:
    kit = dark()
    kit.change(push("update", T0 + 1, priority=5, content_state=expo("one")))
    kit.now += 100
    happened = kit.change(push("update", T0 + 101, priority=5, content_state=expo("two")))
    assert [(one.what, one.why) for one in happened] == [
        ("deferred", "priority 5"),
        ("dropped", "a newer one waits"),
    ]
    assert happened[0].until == T0 + 120
    kit.pass_time(20)
    assert kit.phase == "two"


def test_an_older_one_does_not_replace_what_waits() -> None:
    kit = dark()
    kit.change(push("update", T0 + 9, priority=5, content_state=expo("newer")))
    assert kit.change(push("update", T0 + 8, priority=5))[0].why == "a newer one waits"
    kit.pass_time(120)
    assert kit.phase == "newer"


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


def test_over_the_budget_is_like_priority_5() -> None:
    kit = dark(update_budget=15)
    for step in range(15):
        assert whats(kit.update(step, T0 + step)) == ["updated"]
    assert kit.activities.remaining("update", kit.phone) == 0
    (happened,) = kit.update("over", T0 + 99)
    assert (happened.what, happened.why) == ("deferred", "the update budget is used up")
    assert kit.activities.remaining("update", kit.phone) == 0
    assert kit.phase == "14"
    kit.pass_time(120)
    assert kit.phase == "over"


@pytest.mark.parametrize(("frequent", "capacity"), [(True, 240), (False, 15)])
def test_the_budget_of_an_activity(frequent: bool, capacity: int) -> None:
    kit = Kit(frequent_updates=frequent)
    kit.start()
    kit.update()
    assert kit.activities.remaining("update", kit.phone) == capacity - 1


def test_each_activity_has_its_own_budget() -> None:
    kit = Kit()
    kit.start()
    kit.update()
    kit.start()
    assert kit.activities.remaining("update", kit.phone) == 240
    assert Kit().activities.remaining("update", kit.phone) == 240


def test_the_budget_is_full_again_after_an_hour() -> None:
    kit = Kit()
    kit.start()
    kit.now += 10
    kit.update()
    happened = kit.pass_time(HOUR)
    resets = [(one.at, one.why, one.activity) for one in happened if one.what == "budget reset"]
    assert resets == [(T0 + HOUR, "push-to-start", None), (T0 + 10 + HOUR, "update", kit.newest)]
    assert kit.activities.remaining("update", kit.phone) == 240


def strict() -> Kit:
    kit = Kit(profile("strict"))
    kit.profile.set("update_budget", 2)
    kit.start()
    for step in range(2):
        kit.update(step, T0 + step)
    return kit


# An end that waits.


@pytest.mark.parametrize(("dismissal", "waits"), [(-5, 0), (60, 60), (600, 120)])
def test_an_end_waits_no_longer_than_its_dismissal(dismissal: int, waits: int) -> None:
    kit = dark()
    happened = kit.change(push("end", T0, priority=5, dismissal_date=T0 + dismissal))
    assert whats(happened) == (["ended"] if waits == 0 else ["deferred"])
    kit.pass_time(waits)
    assert kit.newest.state == ("ended" if waits == 120 else "dismissed")


def test_strict_ends_wait_like_updates() -> None:
    kit = strict()
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


def test_the_app_changes_its_own() -> None:
    kit = dark()
    message = ActivityMessage("update", T0 + 1, raw_content_state=expo("mine"), stale_date=T0 + 9)
    assert whats(kit.activities.change_by_app(kit.newest, message, kit.now)) == ["updated"]
    assert (kit.phase, kit.newest.stale_date) == ("mine", T0 + 9)
    assert kit.activities.remaining("update", kit.phone) == 240


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (
            ActivityMessage("update", T0 - 1, raw_content_state=expo("x")),
            "its timestamp is older than the last",
        ),
        (ActivityMessage("update", T0, raw_content_state={}), "its content-state cannot be decoded"),
    ],
)
def test_what_the_app_cannot_change(kit: Kit, message: ActivityMessage, why: str) -> None:
    assert kit.activities.change_by_app(kit.newest, message, kit.now)[0].why == why


def test_a_local_change_can_be_newer_than_what_waits() -> None:
    kit = dark()
    kit.change(push("update", T0 + 50, priority=5, content_state=expo("pushed")))
    kit.newest.timestamp = T0 + 60
    (happened,) = kit.pass_time(120)
    assert (happened.what, happened.why) == ("dropped", "its timestamp is older than the last")
    assert kit.newest.content_state == expo("start")


# Over the budget: when the next update is applied, by the profile's way to fill it again.


@pytest.mark.parametrize(
    ("name", "refill", "budget", "waits"),
    [
        ("strict", "window", 2, HOUR),
        ("strict", "bucket", 2, HOUR / 2),
        ("strict", "window", 0, HOUR),
        ("default", "window", 0, 0),  # with the screen on there is an opportunity at once
    ],
)
def test_an_update_over_the_budget(name: str, refill: str, budget: int, waits: float) -> None:
    kit = Kit(profile(name))
    kit.profile.set("refill", refill)
    kit.profile.set("update_budget", budget)
    kit.start()
    for step in range(budget):
        kit.update(step, T0 + step)
    (happened,) = kit.update("over", T0 + 9)
    assert (happened.what, happened.until) == (("deferred", T0 + waits) if waits else ("updated", None))
    if waits:
        kit.activities.power(kit.phone, kit.now)
        assert kit.pass_time(waits - 1) == []
        kit.pass_time(1)
    assert kit.phase == "over"
