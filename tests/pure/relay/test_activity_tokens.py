"""Phones register and unregister update tokens: which activity is meant, and what becomes of it."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from activity_values import (
    HOUR,
    MINUTE,
    NEW_TOKEN,
    NOW,
    OTHER_PHONE,
    PHONE,
    QUESTION,
    SECOND,
    SECRET,
    SESSION,
    TOKEN,
    activity,
    registered,
    registration,
    row,
    state,
)
from relay.server.live_activities.activity import Activity, Alert, Stage, activity_id
from relay.server.live_activities.tokens import OVER, dismissed, named

OTHER_TOKEN = "03" * 80


def test_an_app_started_its_own_before_the_first_event_of_the_session() -> None:
    where = registration(apns_env="sandbox", activity_format="expo-widgets")
    assert registered([], where, NOW) == (
        row(
            apns_env="sandbox",
            activity_format="expo-widgets",
            stage="active",
            event_type="start",
            began_at=NOW,
            updated_at=NOW,
            activity_token=TOKEN,
            registered_at=NOW,
        ),
        None,
    )


# A row of the phone in every stage: its stage then, when it is due, whether its state stays.
AT = NOW - 200
ROWS: dict[str, tuple[Activity, int | None, bool]] = {
    "starting": (activity(stage="starting", due_at=NOW, alert=Alert("Session Started", "…")), 0, True),
    "start under way": (activity(stage="started", pushed_at=AT, lease_owner="relay#1", lease_until=NOW + 9), 800, True),
    "started": (activity(stage="started", pushed_at=NOW - HOUR, alert=QUESTION), 0, True),
    "started, over": (activity(stage="started", pushed_at=NOW - HOUR, ends=True, state=state("complete")), 0, True),
    "active, nothing new": (activity(pushed_at=AT, pushed_status="working"), None, True),
    "active, due": (activity(pushed_at=AT, pushed_status="working", due_at=NOW + 11_800), 11_800, True),
    "ended": (
        activity(stage="ended", ends=True, ended_at=NOW - MINUTE, state=state("complete"), pushed_status="complete end"),
        None, False,
    ),
    "over before it could be said": (
        activity(stage="ended", ends=True, ended_at=NOW - MINUTE, state=state("complete")), 2_000, True,
    ),
    "over long before": (activity(stage="ended", ends=True, ended_at=NOW - HOUR, state=state("complete")), None, False),
    "lost": (activity(stage="lost", pushed_at=NOW - MINUTE), 0, True),
    "lost, over": (activity(stage="lost", pushed_at=AT, ends=True, state=state("complete")), 800, True),
    "dismissed": (activity(stage="dismissed"), 0, True),
}  # fmt: skip


def test_the_table_has_every_stage() -> None:
    assert {one.stage for one, _, _ in ROWS.values()} == set(get_args(Stage))


@pytest.mark.parametrize("token", [TOKEN, NEW_TOKEN])
@pytest.mark.parametrize("name", ROWS)
def test_the_phone_registers_a_token(name: str, token: str) -> None:
    """Kept states go out at once, but not in the second in which the start began; a card the app began anew has its own.
    What was said already is said again to a token that rotated, in its turn.
    """
    before, due, keeps = ROWS[name]
    if name == "active, nothing new" and token == NEW_TOKEN:
        due = 11_800
    where = registration(
        activity_token=token, bundle_id="com.example.new", apns_env="sandbox", activity_format="expo-widgets"
    )
    after, gone = registered([before], where, NOW)
    assert gone is None
    assert (after.stage, after.activity_token, after.registered_at) == ("active", token, NOW)
    assert (after.bundle_id, after.apns_env, after.activity_format) == (
        "com.example.new",
        "sandbox",
        "expo-widgets",
    )
    assert after.due_at == (None if due is None else NOW + due)
    assert after.state == (before.state if keeps else None)
    assert after.ends == (before.ends and keeps)
    assert after.began_at == (NOW if before.stage in OVER else before.began_at)
    assert after.alert == (
        QUESTION if name == "started" else None
    )  # a start's own words are not said on a card
    assert (after.id, after.revision, after.timestamp) == (before.id, before.revision, before.timestamp)
    assert (after.lease_owner, after.lease_until) == (before.lease_owner, before.lease_until)


def test_a_card_that_the_app_began_anew_has_a_clean_record() -> None:
    before = activity(
        stage="ended", ends=True, ended_at=NOW, alert=QUESTION, attempts=3, retry_at=NOW + HOUR,
        pushed_status="complete end", pushed_at=NOW - SECOND, timestamp=9, priority_10_at=(NOW,),
    )  # fmt: skip
    after, _ = registered([before], registration(), NOW)
    assert (after.alert, after.attempts, after.retry_at, after.ended_at) == (None, 0, 0, 0)
    assert after.pushed_status is None
    # What Apple counts goes on: timestamps, the second between two pushes, the budget of the hour.
    assert (after.timestamp, after.pushed_at, after.priority_10_at) == (9, NOW - SECOND, (NOW,))


def test_a_rotated_token_goes_on_with_the_throttle_and_the_eight_hours() -> None:
    before = activity(
        pushed_status="working", pushed_at=AT, timestamp=7, began_at=NOW - HOUR, priority_10_at=(AT,)
    )
    after, _ = registered([before], registration(activity_token=NEW_TOKEN), NOW)
    assert after == replace(
        before, activity_token=NEW_TOKEN, registered_at=NOW, updated_at=NOW, due_at=AT + 12 * SECOND,
        former_tokens=((TOKEN, 0),),
    )  # fmt: skip


def test_a_rotated_token_without_a_state_has_nothing_to_push() -> None:
    after, _ = registered([activity(state=None)], registration(activity_token=NEW_TOKEN), NOW)
    assert after.due_at is None


# Which activity is meant. The rows that are there, the registration, the key of the row after it, and the row that goes.
NAMELESS = activity(device_token="", activity_token=TOKEN)
MINE = activity(activity_token=TOKEN)
THEIRS = activity(device_token=OTHER_PHONE, activity_token=OTHER_TOKEN)
AWAITING = activity(stage="started")
THEIRS_AWAITING = activity(stage="starting", device_token=OTHER_PHONE)
OTHER_APP = activity(stage="started", bundle_id="com.example.other")

NO_NAME = {"device_token": ""}
PLACES: dict[str, tuple[list[Activity], dict[str, Any], str, Activity | None]] = {
    "the plan's key": ([], NO_NAME, "", None),
    "the nameless row, rotated": ([NAMELESS, THEIRS], NO_NAME | {"activity_token": NEW_TOKEN}, "", None),
    "the nameless row before one that waits": ([NAMELESS, AWAITING], NO_NAME | {"activity_token": NEW_TOKEN}, "", None),
    "nameless: the only one that waits": ([THEIRS, AWAITING], NO_NAME | {"activity_token": NEW_TOKEN}, PHONE, None),
    "nameless: the one of its app that waits": (
        [OTHER_APP, THEIRS_AWAITING], NO_NAME | {"activity_token": NEW_TOKEN}, OTHER_PHONE, None,
    ),
    "nameless: the only one": ([MINE], NO_NAME | {"activity_token": NEW_TOKEN}, PHONE, None),
    "nameless: none waits, several are there": (
        [MINE, THEIRS], NO_NAME | {"activity_token": NEW_TOKEN}, "", None,
    ),
    "nameless, the same token again": ([MINE, THEIRS_AWAITING], NO_NAME, PHONE, None),
    "two phones": ([THEIRS], {}, PHONE, None),
    "two phones, each its own": ([THEIRS, AWAITING], {}, PHONE, None),
    "the same token again": ([MINE, THEIRS], {}, PHONE, None),
    "the phone's token changed": ([MINE], {"device_token": OTHER_PHONE}, OTHER_PHONE, MINE),
    "the phone's token changed, and a start is on its way to the new one": (
        [MINE, THEIRS_AWAITING], {"device_token": OTHER_PHONE}, OTHER_PHONE, MINE,
    ),
    "the app began to name its phone": ([NAMELESS], {}, PHONE, NAMELESS),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_which_activity_is_meant(name: str) -> None:
    there, who, place, gone = PLACES[name]
    after, forgotten = registered(there, registration(**who), NOW)
    assert after.device_token == place
    assert after.id == activity_id(SECRET, SESSION, place)
    assert after.activity_token == registration(**who).activity_token
    assert after.stage == "active"
    assert forgotten == gone
    before = next((one for one in there if one.id == after.id), None)
    assert after.revision == (before.revision if before else 0)


def test_what_is_taken_over_takes_its_life_along() -> None:
    mine = replace(MINE, state=state("retry"), timestamp=9, due_at=NOW + 5, began_at=NOW - HOUR, revision=4)
    new = replace(THEIRS_AWAITING, revision=2)
    after, gone = registered([mine, new], registration(device_token=OTHER_PHONE), NOW)
    assert gone is mine
    assert after == replace(
        mine, id=new.id, device_token=OTHER_PHONE, revision=2, registered_at=NOW, updated_at=NOW
    )  # fmt: skip


# Unregistering.

MEANT: dict[str, tuple[list[Activity], str, list[Activity]]] = {
    "the phone's": ([MINE, THEIRS], PHONE, [MINE]),
    "a phone that has none": ([THEIRS, NAMELESS], PHONE, []),
    "nameless: its own": ([MINE, NAMELESS], "", [NAMELESS]),
    "nameless: all, as the plan's key means": ([MINE, THEIRS], "", [MINE, THEIRS]),
    "nothing is there": ([], "", []),
}


@pytest.mark.parametrize("name", MEANT)
def test_which_activities_end_on_the_phone(name: str) -> None:
    there, device_token, meant = MEANT[name]
    assert named(there, device_token) == meant


@pytest.mark.parametrize("name", ROWS)
def test_unregistered(name: str) -> None:
    before = replace(ROWS[name][0], alert=QUESTION)
    after = dismissed(before, NOW)
    over = before.ends or before.stage == "ended"
    assert (after.stage, after.activity_token, after.due_at, after.alert) == (
        "ended" if over else "dismissed",
        None,
        None,
        None,
    )
    assert after.updated_at == NOW
