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
    state,
)
from relay.apns.push import Push
from relay.contract import ContentState, EventType, Status
from relay.server.live_activities.activity import Activity
from relay.server.live_activities.life import opened, timed_out
from relay.server.live_activities.push import DISMISS_SECONDS, STALE_SECONDS, push

NOW_S = NOW // 1000
START = opened(news("start"), phone(apns_env="sandbox"), secret_hash=SECRET, session_id=SESSION, now_ms=NOW)
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
    "start": (START, 10, 3600, START.id),
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
