"""What time does to Live Activities, and who owns the Dynamic Island."""

import pytest

from phone_pushes import T0, Kit, expo, push, whats

HOUR = 3_600


@pytest.fixture
def kit() -> Kit:
    kit = Kit()
    kit.start()
    return kit


def outcome(kit: Kit) -> list[tuple[float, str]]:
    return [(one.at - T0, one.what) for one in kit.happened if one.what != "budget reset"]


@pytest.mark.parametrize("stale_date", [None, T0 + 1_000])
def test_an_update_makes_it_fresh_again(kit: Kit, stale_date: float | None) -> None:
    kit.update(stale_date=T0 + 60)
    kit.pass_time(61)
    kit.update("two", **({} if stale_date is None else {"stale_date": stale_date}))
    assert (kit.newest.state, kit.newest.stale_date) == ("active", stale_date)


def test_a_stale_date_in_the_past_is_stale_at_once(kit: Kit) -> None:
    kit.now += 100
    kit.update(stale_date=T0 + 60)
    assert [(one.at, one.what) for one in kit.pass_time(0)] == [(T0 + 100, "stale")]


def test_all_at_once_happens_in_order(kit: Kit) -> None:
    kit.changes(bright=False)
    kit.change(push("update", T0 + 1, priority=5, stale_date=T0 + 300))  # it does not lengthen the 8 hours
    kit.pass_time(24 * HOUR)
    assert outcome(kit)[1:] == [
        (0, "deferred"),
        (120, "updated"),
        (300, "stale"),
        (8 * HOUR, "ended"),
        (12 * HOUR, "dismissed"),
    ]


def test_what_waits_when_it_ends_is_lost() -> None:
    kit = Kit(bright=False)
    kit.start()
    kit.pass_time(8 * HOUR - 60)
    late = push("update", kit.now, priority=5)
    kit.change(late)
    happened = [one for one in kit.pass_time(60) if one.what != "budget reset"]
    assert [(one.what, one.why) for one in happened] == [
        ("ended", "8 hours are over"),
        ("dropped", "the activity has ended"),
    ]
    assert happened[1].push is late
    assert kit.pass_time(600) == []


def test_the_order_of_several_activities() -> None:
    kit = Kit()
    kit.start(push("start", stale_date=T0 + 100))
    kit.start(push("start", stale_date=T0 + 50))
    kit.start(push("start", stale_date=T0 + 100))
    happened = kit.pass_time(200)
    assert [one.activity and one.activity.id for one in happened] == [
        "activity-2",
        "activity-1",
        "activity-3",
    ]


# What the eye sees.


def test_drawing_is_slower_than_holding(kit: Kit) -> None:
    kit.now += 20
    for step in range(3):
        kit.update(step)
        kit.pass_time(4)
    assert (kit.newest.drawn, kit.newest.content_state) == (expo(0), expo(2))
    kit.pass_time(2)
    assert kit.newest.drawn == expo(0)
    kit.pass_time(1)
    assert kit.newest.drawn == expo(2)
    kit.profile.set("render_min_interval", 0)
    kit.update("at once")
    assert kit.newest.drawn == expo("at once")


@pytest.mark.parametrize(("event", "more"), [("update", {"alert": "look"}), ("end", {})])
def test_what_a_person_must_see_is_drawn_at_once(kit: Kit, event: str, more: dict[str, str]) -> None:
    kit.change(push(event, T0, content_state=expo("now"), **more))
    assert kit.newest.drawn == expo("now")


# The person.


def test_swiped_away(kit: Kit) -> None:
    kit.start()
    (happened,) = kit.activities.swipe(kit.now)
    assert (happened.what, happened.why, happened.activity) == ("dismissed", "swiped away", kit.newest)
    assert not kit.newest.visible
    assert kit.update()[0].why == "the activity has ended"
    assert kit.activities.swipe(kit.now)[0].activity is kit.activities.all[0]
    assert kit.activities.swipe(kit.now) == []


def test_what_waits_is_lost_with_a_swipe() -> None:
    kit = Kit(bright=False)
    kit.start()
    kit.change(push("update", T0, priority=5))
    assert whats(kit.activities.swipe(kit.now)) == ["dismissed", "dropped"]


@pytest.mark.parametrize(("remove", "state"), [(False, "ended"), (True, "dismissed")])
def test_the_system_ends_all(remove: bool, state: str) -> None:
    kit = Kit()
    for _ in range(3):
        kit.start()
    kit.activities.swipe(kit.now)
    happened = kit.activities.end_all(kit.now, "because", remove=remove)
    assert [one.why for one in happened] == ["because"] * (4 if remove else 2)
    assert [activity.state for activity in kit.activities.all] == [state, state, "dismissed"]


# The Dynamic Island.


def owner(kit: Kit) -> list[str]:
    kit.activities.share_island(kit.phone)
    return [activity.id for activity in kit.activities.all if activity.island]


def test_the_most_relevant_owns_the_island() -> None:
    kit = Kit()
    assert owner(kit) == []
    for score in (1, 5, 5, 2):
        kit.start(push("start", relevance_score=score))
    assert owner(kit) == ["activity-2"]
    kit.activities.all[1].end(kit.now)
    assert owner(kit) == ["activity-3"]
    kit.update(relevance_score=9)
    assert owner(kit) == ["activity-4"]
    kit.changes(dynamic_island=False)
    assert owner(kit) == []


@pytest.mark.parametrize(
    ("left_out", "score", "island"), [("kept", 9, "activity-2"), ("reset", 0, "activity-1")]
)
def test_an_update_without_a_relevance_score_keeps_the_old_one_or_not(
    left_out: str, score: float, island: str
) -> None:
    """Apple's text does not say which ("Starting and updating Live Activities with ActivityKit push notifications")."""
    kit = Kit()
    kit.profile.set("relevance_left_out", left_out)
    for relevance in (1, 9):
        kit.start(push("start", relevance_score=relevance))
    kit.update()
    assert (kit.newest.relevance_score, owner(kit)) == (score, [island])
    kit.update(relevance_score=0)
    assert (kit.newest.relevance_score, owner(kit)) == (0, ["activity-1"])


# What is stale when it comes.


@pytest.mark.parametrize(
    ("stale_in", "presented"), [(-22 * 3600, False), (-1, False), (0, False), (1, True), (None, True)]
)
def test_what_is_stale_when_it_comes_is_never_presented(stale_in: float | None, presented: bool) -> None:
    """nalu-development/nalu#222, measured: created in the state stale, no insert on the lock screen, nothing rendered."""
    kit = Kit()
    happened = kit.start(push("start", stale_date=None if stale_in is None else T0 + stale_in))
    assert whats(happened) == (["started"] if presented else ["started", "stale"])
    assert kit.newest.state == ("active" if presented else "stale")
    assert (kit.newest.visible, owner(kit)) == (presented, ["activity-1"] if presented else [])
    assert kit.newest.running


def test_an_update_that_is_not_stale_presents_what_came_stale() -> None:
    kit = Kit()
    kit.start(push("start", stale_date=T0 - 1))
    kit.update("still late", stale_date=T0 - 1)
    assert (kit.newest.visible, whats(kit.pass_time(1))) == (False, ["stale"])
    kit.update("in time", stale_date=T0 + 60)
    assert (kit.newest.visible, kit.newest.state, owner(kit)) == (True, "active", ["activity-1"])
    kit.pass_time(60)
    assert (kit.newest.visible, kit.newest.state) == (True, "stale")


def test_the_system_takes_away_what_was_never_presented_too() -> None:
    kit = Kit()
    kit.start(push("start", stale_date=T0 - 1))
    assert whats(kit.activities.end_all(kit.now, "off", remove=True)) == ["ended", "dismissed"]
