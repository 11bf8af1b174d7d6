"""The headers and dates of a Live Activity's push."""

import json
import uuid
from dataclasses import replace
from typing import Any, get_args

import pytest

from activity_values import (
    BUNDLE,
    HOUR,
    NEW_TOKEN,
    NOW,
    QUESTION,
    SECRET,
    SESSION,
    TOKEN,
    activity,
    news,
    phone,
    pushing,
    registered,
    registration,
    state,
)
from relay.apns.push import Push
from relay.contract import ContentState, EventType, Status
from relay.server.live_activities.activity import Activity
from relay.server.live_activities.life import observe, opened, timed_out
from relay.server.live_activities.push import DISMISS_SECONDS, STALE_SECONDS, push

NOW_S = NOW // 1000
START = opened(news("start"), phone(apns_env="sandbox"), (SECRET, SESSION), NOW)
UPDATE = activity(due_at=NOW, began_at=NOW - HOUR, timestamp=NOW_S)
QUESTION_ASKED = replace(UPDATE, state=state("permission"), alert=QUESTION)
END = replace(UPDATE, state=state("complete"), ends=True, event_type="complete")


def push_of(before: Activity, token: str = TOKEN) -> Push:
    return push(before, pushing(before), token)


def aps_of(before: Activity) -> dict[str, Any]:
    aps: dict[str, Any] = json.loads(push_of(before).payload)["aps"]
    return aps


# What is due -> priority, seconds until which APNs keeps it, collapse id.
HEADERS: dict[str, tuple[Activity, int, int, str]] = {
    "start": (START, 10, 900, START.id),
    "start with a question": (
        replace(START, state=state("permission"), alert=QUESTION),
        10,
        3600,
        START.id,
    ),
    "update": (UPDATE, 5, 7 * 3600, ""),
    "question": (QUESTION_ASKED, 10, 7 * 3600, ""),
    "end": (END, 10, 7 * 3600, ""),
    "end after eight hours": (replace(END, began_at=NOW - 8 * HOUR), 10, 3600, ""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    before, priority, expires_in, collapse_id = HEADERS[name]
    one = push_of(before)
    assert (one.push_type, one.topic) == ("liveactivity", f"{BUNDLE}.push-type.liveactivity")
    assert (one.priority, one.expiration - NOW_S, one.collapse_id) == (priority, expires_in, collapse_id)
    assert (one.device_token, one.apns_env) == (TOKEN, before.apns_env)
    assert len(one.collapse_id.encode()) <= 64  # Apple: at most 64 bytes
    assert str(uuid.UUID(one.apns_id)) == one.apns_id
    assert aps_of(before)["timestamp"] == pushing(before).timestamp


def test_every_push_has_an_id_of_its_own_and_the_same_push_the_same() -> None:
    again = replace(UPDATE, timestamp=NOW_S + 1)
    pushes = [UPDATE, again, replace(UPDATE, activity_token=NEW_TOKEN), START]
    assert len({push_of(one).apns_id for one in pushes}) == len(pushes)
    assert push_of(UPDATE).apns_id == push_of(replace(UPDATE, state=state("retry"))).apns_id


# Seconds from the push on: until an update is stale, and until a card goes after its end.
STALE: dict[Status, int] = {"working": 900, "retry": 900, "permission": 3600, "complete": 900, "error": 900}
STAYS: dict[Status, int] = {"complete": 900, "error": 14_400, "working": 300, "retry": 300, "permission": 300}


@pytest.mark.parametrize("status", get_args(Status))
def test_every_start_and_update_has_a_stale_date(status: Status) -> None:
    for before in (START, UPDATE):
        aps = aps_of(replace(before, state=state(status)))
        assert aps["stale-date"] == NOW_S + STALE[status]
        if before is START:  # what is stale as it arrives is never presented (nalu#222)
            assert push_of(replace(before, state=state(status))).expiration <= aps["stale-date"]
        assert "dismissal-date" not in aps


def test_a_card_of_which_nobody_knows_what_goes_on_is_stale_at_once() -> None:
    """Apple: once the stale date is reached the system marks the activity (documented); a start that is stale as it comes is
    not presented (nalu#222)."""
    unknown = ContentState(status="retry", session_title="Fix", last_message="Connection lost", stale=True)
    assert aps_of(replace(UPDATE, state=unknown))["stale-date"] == NOW_S
    assert aps_of(replace(START, state=unknown))["stale-date"] == NOW_S + STALE["retry"]
    assert "stale" not in aps_of(replace(UPDATE, state=unknown))["content-state"]


@pytest.mark.parametrize("event_type", ["complete", "error"])
@pytest.mark.parametrize("status", get_args(Status))
def test_every_end_has_a_dismissal_date_within_four_hours(status: Status, event_type: EventType) -> None:
    """Apple: the system removes an ended activity after four hours at the latest (documented)."""
    aps = aps_of(replace(END, state=state(status), event_type=event_type))
    assert aps["dismissal-date"] == NOW_S + STAYS[status]
    assert 0 < STAYS[status] <= 4 * 3600
    assert "stale-date" not in aps


def test_the_tables_have_every_status() -> None:
    assert set(STALE_SECONDS) == set(DISMISS_SECONDS) == set(get_args(Status))


def test_who_stopped_the_run_does_not_need_the_card() -> None:
    stopped = replace(END, event_type="progress", state=state("complete", "Stopped"))
    assert aps_of(stopped)["dismissal-date"] == NOW_S + 60


def test_a_card_that_timed_out_goes_soon() -> None:
    aps = aps_of(timed_out(UPDATE, NOW))
    assert aps["event"] == "end"
    assert aps["dismissal-date"] == NOW_S + 300
    assert aps["content-state"]["lastMessage"] == "Timed out"


# One of several cards has the Dynamic Island: that of the highest relevance-score (Apple, documented).


def score(**changes: Any) -> float:
    relevance: float = aps_of(replace(UPDATE, **changes))["relevance-score"]
    return relevance


def test_what_a_person_must_see_first_is_the_most_relevant_and_of_equals_the_newest() -> None:
    order: list[Status] = ["permission", "error", "retry", "working", "complete"]
    assert set(order) == set(get_args(Status))
    scores = [
        score(state=state(status), status_at=NOW - ago)
        for status in order
        for ago in (0, 1_000, 365 * 24 * HOUR)
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_an_update_does_not_take_the_island_from_another_of_the_same_status() -> None:
    """The fraction is since when it has its status: two agents that work would else change places every few seconds."""
    later = observe(UPDATE, news("progress"), can_start=True, now_ms=NOW + HOUR)
    assert later.status_at == UPDATE.status_at
    asked = observe(UPDATE, news("permission"), can_start=True, now_ms=NOW + HOUR)
    assert asked.status_at == NOW + HOUR


def test_a_start_has_a_score_and_so_has_an_end_for_the_lock_screen_orders_ended_cards_too() -> None:
    assert aps_of(START)["relevance-score"] == 1 + round(NOW / 10**13, 10)
    assert 0 <= aps_of(END)["relevance-score"] < 1


# The phone's clock.


@pytest.mark.parametrize(("behind", "expected"), [(120, 120), (-120, 0), (10**9, 86_400)])
def test_dates_are_by_the_clock_of_the_phone_that_began_the_card(behind: int, expected: int) -> None:
    """A relay two minutes behind: the phone would drop a question as older than its card (customerio/customerio-android#723)."""
    at_phone = NOW_S + behind
    card, _ = registered([], registration(timestamp=at_phone), NOW)
    asked = observe(card, news("permission"), can_start=False, now_ms=NOW)
    aps = aps_of(asked)
    assert aps["timestamp"] == NOW_S + expected
    assert aps["stale-date"] == NOW_S + expected + 3600
    rotated, _ = registered([card], registration(activity_token=NEW_TOKEN), NOW)
    assert rotated.clock_ahead == expected  # an app that does not say the time


def test_an_end_is_a_little_ahead_of_any_clock() -> None:
    assert aps_of(END)["timestamp"] == NOW_S + 180
    assert aps_of(END)["dismissal-date"] == NOW_S + 900
    assert aps_of(replace(END, clock_ahead=600))["timestamp"] == NOW_S + 600


# One of alert and card lights the screen (OneSignal/react-native-onesignal#1800).


def test_a_question_that_rings_as_an_alert_is_silent_on_the_card() -> None:
    loud, quiet = (
        push(QUESTION_ASKED, pushing(QUESTION_ASKED), TOKEN, quiet=quiet) for quiet in (False, True)
    )
    assert json.loads(loud.payload)["aps"]["alert"] == {"title": QUESTION.title, "body": QUESTION.body}
    assert "alert" not in json.loads(quiet.payload)["aps"]
    assert (loud.priority, quiet.priority) == (10, 10)


def test_a_start_keeps_its_words_and_is_passive() -> None:
    """iOS 26 drops a start without an alert; `interruption-level: passive` keeps it quiet (both observed)."""
    asking = replace(START, state=state("permission"), alert=QUESTION)
    aps = json.loads(push(asking, pushing(asking), TOKEN, quiet=True).payload)["aps"]
    assert (aps["alert"]["title"], aps["interruption-level"]) == (QUESTION.title, "passive")
    assert "interruption-level" not in aps_of(asking)
