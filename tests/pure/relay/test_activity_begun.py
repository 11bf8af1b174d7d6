"""An activity's push as it goes out: its kind, its priority, its lease and its timestamp; and activities that time out."""

from typing import Any

import pytest

from activity_values import (
    HOUR,
    LEASE_MS,
    MINUTE,
    NOW,
    QUESTION,
    SECOND,
    TOKEN,
    activity,
    news,
    pushing,
    state,
)
from relay.contract import ContentState, Status
from relay.server.live_activities.activity import Activity, Alert, due_at, kind, priority
from relay.server.live_activities.life import LONGEST_MS, TIMED_OUT_MS, observe, timed_out
from relay.server.live_activities.push import begun

STARTED_ALERT = Alert("Session Started", "OpenCode is working on: Fix")
STARTING = activity(stage="starting", due_at=NOW, alert=STARTED_ALERT)
TEN = tuple(NOW - n * SECOND for n in range(10))

# What is due -> what its push is, and at which priority.
PUSHES: dict[str, tuple[Activity, str, int]] = {
    "start": (STARTING, "start", 10),
    "start with a question": (activity(stage="starting", due_at=NOW, alert=QUESTION), "start", 10),
    "start when the budget is spent": (
        activity(stage="starting", due_at=NOW, alert=STARTED_ALERT, priority_10_at=TEN), "start", 10,
    ),
    "progress": (activity(due_at=NOW, lease_owner="dead#1", lease_until=NOW), "update", 5),
    "progress of a fresh hour": (activity(due_at=NOW, priority_10_at=TEN), "update", 5),
    "question": (activity(due_at=NOW, alert=QUESTION, state=state("permission")), "update", 10),
    "question when the budget is spent": (
        activity(due_at=NOW, alert=QUESTION, state=state("permission"), priority_10_at=TEN), "update", 5,
    ),
    "end": (activity(due_at=NOW, ends=True, state=state("complete")), "end", 10),
    "end when the budget is spent": (
        activity(due_at=NOW, ends=True, state=state("complete"), priority_10_at=TEN), "end", 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUSHES)
def test_kind_and_priority(name: str) -> None:
    one, expected_kind, expected_priority = PUSHES[name]
    assert (kind(one), priority(one, NOW)) == (expected_kind, expected_priority)


@pytest.mark.parametrize("name", PUSHES)
def test_a_push_under_way_is_leased_and_counted(name: str) -> None:
    before, expected_kind, expected_priority = PUSHES[name]
    after = pushing(before)
    assert (after.lease_owner, after.lease_until) == ("relay#1", NOW + LEASE_MS)
    ahead = 180 if expected_kind == "end" else 0
    assert (after.timestamp, after.pushed_at, after.alert) == (NOW // 1000 + ahead, NOW, None)
    counts = expected_kind != "start" and expected_priority == 10
    assert after.priority_10_at == (*before.priority_10_at, *[NOW] * counts)
    if expected_kind == "start":  # is not sent again by itself: it may have arrived
        assert (after.stage, after.due_at, after.began_at) == ("started", None, NOW)
    else:  # is due again if this relay dies
        assert (after.stage, after.due_at, after.began_at) == ("active", NOW + LEASE_MS, before.began_at)


# Why nothing goes out.
NOT_DUE: dict[str, dict[str, Any]] = {
    "nothing new": {"due_at": None},
    "its window is not over": {"due_at": NOW + 1},
    "another relay has it": {"due_at": NOW, "lease_owner": "other#1", "lease_until": NOW + 1},
}


@pytest.mark.parametrize("why", NOT_DUE)
def test_nothing_goes_out(why: str) -> None:
    assert begun(activity(**NOT_DUE[why]), claim="relay#1", lease_until=NOW + LEASE_MS, now_ms=NOW) is None


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (0, NOW // 1000),
        (NOW // 1000 - 1, NOW // 1000),
        (NOW // 1000, NOW // 1000 + 1),
        (NOW // 1000 + 90, NOW // 1000 + 91),
    ],
)
def test_the_timestamp_is_now_and_later_than_the_last(last: int, expected: int) -> None:
    """Also in the same second, and when the clock was set back: the phone ignores what is older (Apple, documented)."""
    assert pushing(activity(due_at=NOW, timestamp=last)).timestamp == expected


def test_only_the_last_hour_of_the_budget_is_kept() -> None:
    after = pushing(activity(due_at=NOW, alert=QUESTION, priority_10_at=(NOW - HOUR, NOW - MINUTE)))
    assert after.priority_10_at == (NOW - MINUTE, NOW)


def test_news_while_a_push_is_under_way_wait_for_its_window() -> None:
    under_way = pushing(activity(due_at=NOW))
    later = observe(under_way, news("progress"), can_start=True, now_ms=NOW + SECOND)
    assert (later.due_at, later.lease_until) == (NOW + 12 * SECOND, NOW + LEASE_MS)
    asked = observe(under_way, news("permission"), can_start=True, now_ms=NOW + 200)
    assert asked.due_at == NOW + SECOND


def test_an_end_is_a_change_of_phase_even_of_the_same_status() -> None:
    """A card that times out ends within a second of its last progress."""
    under_way = pushing(activity(due_at=NOW))
    assert under_way.pushed_status == "working"
    assert due_at(timed_out(under_way, NOW + 400), NOW + 400) == NOW + SECOND


@pytest.mark.parametrize("stage", ["starting", "started", "lost", "ended", "dismissed"])
def test_without_a_token_a_state_is_kept(stage: Any) -> None:
    assert due_at(activity(stage=stage), NOW) is None


def test_without_a_state_there_is_nothing_to_push() -> None:
    assert due_at(activity(state=None), NOW) is None
    assert due_at(activity(state=None, ends=True), NOW) is None


# The system's limit of 8 hours.


@pytest.mark.parametrize("status", ["working", "retry", "permission"])
def test_an_active_one_says_that_it_timed_out(status: Status) -> None:
    before = activity(state=state(status, "Still at it", retry="Retry 2 in 8s"), alert=QUESTION)
    after = timed_out(before, NOW)
    assert after.state == ContentState(status=status, session_title="Fix", last_message="Timed out")
    assert (after.stage, after.ends, after.ended_at, after.due_at, after.alert) == (
        "active",
        True,
        NOW,
        NOW,
        None,
    )
    assert (kind(after), after.activity_token) == ("end", TOKEN)


def test_one_without_a_state_times_out_too() -> None:
    after = timed_out(activity(state=None), NOW)
    assert after.state == ContentState(
        status="working", session_title="OpenCode session", last_message="Timed out"
    )
    assert pushing(after).pushed_status == "working end"


@pytest.mark.parametrize("stage", ["starting", "started", "lost"])
def test_one_without_a_token_is_over_when_the_system_has_ended_its_card(stage: Any) -> None:
    """Nothing can be said on it, and a second card beside it would be one too many."""
    before = activity(stage=stage, began_at=NOW - LONGEST_MS + 1)
    assert timed_out(before, NOW) is before
    after = timed_out(before, NOW + 1)
    assert (after.stage, after.ends, after.ended_at, after.due_at) == ("ended", True, NOW + 1, None)


def test_the_relay_ends_it_before_the_system_does() -> None:
    assert TIMED_OUT_MS == 7 * HOUR + 55 * MINUTE
    assert LONGEST_MS == 8 * HOUR
