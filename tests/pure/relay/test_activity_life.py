"""Every stage of a Live Activity x every event: where it stands then, when its push is due, and whether it ends."""

from dataclasses import replace
from typing import get_args

import pytest

from activity_values import (
    HOUR,
    MINUTE,
    NOW,
    OTHER_PHONE,
    PHONE,
    QUESTION,
    SECOND,
    SECRET,
    SESSION,
    STATUS,
    TOKEN,
    activity,
    news,
    phone,
    row,
    state,
)
from relay.contract import EventType
from relay.server.live_activities.activity import Activity, Alert, Stage, activity_id
from relay.server.live_activities.life import ADOPTION_MS, observe, opened, with_start_token

STARTED_ALERT = Alert("Session Started", "OpenCode is working on: Fix")

# Where an activity may stand; the times before now are those that the rules speak of.
STANDS: dict[str, Activity] = {
    "starting": activity(stage="starting", alert=STARTED_ALERT, due_at=NOW),
    "start refused": activity(stage="starting", alert=STARTED_ALERT, due_at=NOW + MINUTE, retry_at=NOW + MINUTE),
    "started": activity(stage="started", pushed_status="working", pushed_at=NOW - 2 * SECOND),
    "started, over": activity(
        stage="started", pushed_status="working", pushed_at=NOW - 3 * SECOND, ends=True, ended_at=NOW - 2 * SECOND
    ),
    "started, over since 12 s": activity(
        stage="started", pushed_status="working", pushed_at=NOW - MINUTE, ends=True, ended_at=NOW - 12 * SECOND
    ),
    "registered": activity(state=None, event_id=None),
    "pushed 400 ms ago": activity(pushed_status="working", pushed_at=NOW - 400),
    "pushed 2 s ago": activity(pushed_status="working", pushed_at=NOW - 2 * SECOND),
    "pushed 12 s ago": activity(pushed_status="working", pushed_at=NOW - 12 * SECOND),
    "failed": activity(pushed_status="working", pushed_at=NOW - 2 * SECOND, retry_at=NOW + MINUTE),
    "asking": activity(state=state("permission"), pushed_status="permission", pushed_at=NOW - 2 * SECOND),
    "ending": activity(
        ends=True, ended_at=NOW - 2 * SECOND, pushed_status="complete end", pushed_at=NOW - 2 * SECOND,
        due_at=NOW + 20 * SECOND,
    ),
    "ending since 12 s": activity(
        ends=True, ended_at=NOW - 12 * SECOND, pushed_status="complete end", pushed_at=NOW - 12 * SECOND,
        due_at=NOW + 20 * SECOND,
    ),
    "ended 11.999 s ago": activity(stage="ended", ends=True, ended_at=NOW - 11_999),
    "ended 12 s ago": activity(stage="ended", ends=True, ended_at=NOW - 12_000),
    "ended, APNs troubled": activity(stage="ended", ends=True, ended_at=NOW - HOUR, retry_at=NOW + MINUTE),
    "lost": activity(stage="lost"),
    "lost, over": activity(stage="lost", ends=True, ended_at=NOW - 2 * SECOND),
    "lost, over since 12 s": activity(stage="lost", ends=True, ended_at=NOW - 12 * SECOND),
    "dismissed": activity(stage="dismissed", ended_at=0),
}  # fmt: skip

Next = tuple[Stage, int | None, bool]
"""Its stage, in how many milliseconds its push is due (None: not), and whether it ends."""

SAME = None
"""It stays as it was."""

EVENTS: tuple[EventType, ...] = ("start", "progress", "permission", "complete", "error")
TABLE: dict[str, list[Next | None]] = {
    "starting": [*[("starting", 0, False)] * 3, *[("ended", None, True)] * 2],
    "start refused": [*[("starting", MINUTE, False)] * 3, *[("ended", None, True)] * 2],
    "started": [*[("started", None, False)] * 3, *[("started", None, True)] * 2],
    # Never adopted: another start, unless the card's token comes in these two seconds (kylebshr/luka-ios#146).
    "started, over": [("starting", 2 * SECOND, False), *[SAME] * 4],
    "started, over since 12 s": [*[("starting", 0, False)] * 3, *[SAME] * 2],
    "registered": [*[("active", 0, False)] * 3, *[("active", 0, True)] * 2],
    "pushed 400 ms ago": [*[("active", 11_600, False)] * 2, ("active", 600, False), *[("active", 600, True)] * 2],
    "pushed 2 s ago": [*[("active", 10_000, False)] * 2, ("active", 0, False), *[("active", 0, True)] * 2],
    "pushed 12 s ago": [*[("active", 0, False)] * 3, *[("active", 0, True)] * 2],
    "failed": [*[("active", MINUTE, False)] * 3, *[("active", MINUTE, True)] * 2],
    "asking": [*[("active", 0, False)] * 2, ("active", 10_000, False), *[("active", 0, True)] * 2],
    "ending": [("active", 0, False), *[SAME] * 4],
    "ending since 12 s": [*[("active", 0, False)] * 3, *[SAME] * 2],
    "ended 11.999 s ago": [("starting", 0, False), *[SAME] * 4],
    "ended 12 s ago": [*[("starting", 0, False)] * 3, *[SAME] * 2],
    "ended, APNs troubled": [*[("starting", MINUTE, False)] * 3, *[SAME] * 2],
    "lost": [("starting", 0, False), *[("lost", None, False)] * 2, *[("lost", None, True)] * 2],
    "lost, over": [("starting", 0, False), *[SAME] * 4],
    "lost, over since 12 s": [*[("starting", 0, False)] * 3, *[SAME] * 2],
    "dismissed": [("starting", 0, False), *[("dismissed", None, False)] * 2, *[("ended", None, True)] * 2],
}  # fmt: skip
"""After each of `EVENTS`, in their order."""
CELLS = [
    (stands, event_type, expected)
    for stands, row in TABLE.items()
    for event_type, expected in zip(EVENTS, row, strict=True)
]


def test_the_table_has_every_stage_and_every_event() -> None:
    assert set(TABLE) == set(STANDS)
    assert {one.stage for one in STANDS.values()} == set(get_args(Stage))
    assert set(EVENTS) == set(get_args(EventType))


@pytest.mark.parametrize(("stands", "event_type", "expected"), CELLS)
def test_every_stage_and_every_event(stands: str, event_type: EventType, expected: Next | None) -> None:
    before = STANDS[stands]
    after = observe(before, news(event_type), can_start=True, now_ms=NOW)
    if expected is SAME:
        assert after is before
        return
    due = None if after.due_at is None else after.due_at - NOW
    assert (after.stage, due, after.ends) == expected
    assert after.state == state(STATUS[event_type], "News")
    assert (after.event_id, after.event_type, after.updated_at) == ("evt_2", event_type, NOW)
    assert after.ended_at == (NOW if after.ends else 0)
    assert after.stage != "ended" or after.alert is None
    resent = observe(after, news(event_type), can_start=True, now_ms=NOW + 90 * SECOND)
    assert resent is after


OVER = [stands for stands, one in STANDS.items() if one.stage == "ended"]


@pytest.mark.parametrize("event_type", get_args(EventType))
@pytest.mark.parametrize("stands", OVER)
def test_what_is_over_stays_so_on_a_phone_that_cannot_be_started(stands: str, event_type: EventType) -> None:
    before = STANDS[stands]
    assert observe(before, news(event_type), can_start=False, now_ms=NOW + HOUR) is before


def test_a_lost_one_keeps_the_newest_state_on_a_phone_that_cannot_be_started() -> None:
    """Its token died; the next that the phone registers is news."""
    for stands in ("lost", "lost, over"):
        after = observe(STANDS[stands], news("start"), can_start=False, now_ms=NOW)
        assert (after.stage, after.due_at, after.ends, after.state) == (
            "lost",
            None,
            False,
            state("working", "News"),
        )


@pytest.mark.parametrize("stands", STANDS)
def test_a_silent_end_ends_like_complete(stands: str) -> None:
    """Progress with status complete: the person stopped the run. Never the beginning of another."""
    before = STANDS[stands]
    stopped = observe(before, news("progress", status="complete"), can_start=True, now_ms=NOW)
    completed = observe(before, news("complete"), can_start=True, now_ms=NOW)
    assert stopped == (before if completed is before else replace(completed, event_type="progress"))


def test_a_start_that_is_the_end_begins_nothing() -> None:
    before = STANDS["ended 12 s ago"]
    assert observe(before, news("start", status="error"), can_start=True, now_ms=NOW) is before


# The alert that waits on the activity after an event: what its next push says aloud.


@pytest.mark.parametrize("stands", ["started", "pushed 2 s ago", "asking"])
@pytest.mark.parametrize("event_type", get_args(EventType))
def test_only_a_question_is_said_aloud(stands: str, event_type: EventType) -> None:
    after = observe(STANDS[stands], news(event_type), can_start=True, now_ms=NOW)
    assert after.alert == (QUESTION if event_type == "permission" else None)


def test_a_question_keeps_its_words_while_it_stands() -> None:
    """Progress with status permission follows on the question and does not silence it; work that goes on does."""
    asked = observe(STANDS["pushed 2 s ago"], news("permission"), can_start=True, now_ms=NOW)
    still = observe(asked, news("progress", "evt_3", status="permission"), can_start=True, now_ms=NOW)
    assert still.alert == QUESTION
    assert observe(still, news("progress", "evt_4"), can_start=True, now_ms=NOW).alert is None


def test_a_start_always_has_words() -> None:
    """iOS 26 drops a start without an alert (observed)."""
    for stands in ("starting", "ended 12 s ago"):
        for event_type, words in (("progress", STARTED_ALERT), ("permission", QUESTION)):
            after = observe(STANDS[stands], news(event_type), can_start=True, now_ms=NOW)  # type: ignore[arg-type]
            assert after.alert == words


# How an activity begins.


@pytest.mark.parametrize("event_type", ["start", "progress", "permission"])
def test_opened_with_the_first_news(event_type: EventType) -> None:
    where = phone(device_token=OTHER_PHONE, apns_env="sandbox", activity_format="expo-widgets")
    one = opened(news(event_type), where, (SECRET, SESSION), NOW)
    assert one == row(
        OTHER_PHONE,
        apns_env="sandbox",
        activity_format="expo-widgets",
        stage="starting",
        event_type=event_type,
        event_id="evt_2",
        state=state(STATUS[event_type], "News"),
        alert=QUESTION if event_type == "permission" else STARTED_ALERT,
        status_at=NOW,
        due_at=NOW,
        began_at=NOW,
        updated_at=NOW,
    )


def test_the_key_is_of_secret_session_and_phone_and_minds_case() -> None:
    keys = [
        (SECRET, SESSION, PHONE),
        (SECRET, "SES_1", PHONE),
        (SECRET, SESSION, OTHER_PHONE),
        ("6" * 64, SESSION, PHONE),
    ]
    assert len({activity_id(*key) for key in keys}) == len(keys)


def test_begun_anew_it_forgets_the_last_run_and_keeps_what_apple_counts() -> None:
    """The new card counts its own 8 hours; timestamps go on growing, and the hour's budget is the phone's."""
    before = activity(
        stage="ended", ends=True, ended_at=NOW - HOUR, began_at=NOW - 2 * HOUR, pushed_status="complete end",
        pushed_at=NOW - HOUR, timestamp=NOW // 1000, priority_10_at=(NOW - MINUTE,), revision=7, activity_token=TOKEN,
    )  # fmt: skip
    after = observe(before, news("start"), can_start=True, now_ms=NOW)
    assert (after.stage, after.activity_token, after.pushed_status) == ("starting", None, None)
    assert (after.began_at, after.ended_at, after.ends, after.due_at) == (NOW, 0, False, NOW)
    assert (after.id, after.timestamp, after.priority_10_at, after.revision) == (
        before.id,
        before.timestamp,
        before.priority_10_at,
        before.revision,
    )


@pytest.mark.parametrize(
    ("ago", "late"), {11_999: True, 0: True, -50: True, 12_000: False, -HOUR: False}.items()
)
def test_how_long_news_after_an_end_are_late(ago: int, late: bool) -> None:
    """-50 ms: another relay's clock is ahead. -1 h: this one's was set back, and the end may be long ago."""
    over = activity(stage="ended", ends=True, state=state("complete"), ended_at=NOW - ago)
    after = observe(over, news("progress"), can_start=True, now_ms=NOW)
    assert after.stage == ("ended" if late else "starting")


def expected_card(stage: Stage, ends: bool, event_type: EventType) -> bool:
    """What is over begins anew with whatever says that the session works again; what the phone ended, or lost amid the run, with a
    `start` alone.
    """
    if stage == "ended" or (stage in ("lost", "started") and ends):
        return True
    return stage in ("dismissed", "lost") and event_type == "start"


@pytest.mark.parametrize("stage", get_args(Stage))
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("event_type", ["start", "progress", "permission"])
def test_which_news_bring_a_new_card(stage: Stage, ends: bool, event_type: EventType) -> None:
    """An hour after the last news, on a phone that can be started by push."""
    before = activity(stage=stage, ends=ends, ended_at=NOW - HOUR if ends else 0)
    after = observe(before, news(event_type), can_start=True, now_ms=NOW)
    begins = after.stage == "starting" and after.began_at == NOW
    assert begins == expected_card(stage, ends, event_type)


@pytest.mark.parametrize("stands", STANDS)
def test_another_start_token_makes_only_a_start_again_that_nobody_adopted(stands: str) -> None:
    """Not beside a card whose token comes with the same launch of the app; what is over or has its card stays as it is."""
    before = STANDS[stands]
    after = with_start_token(before, NOW)
    if before.stage == "started" and not before.ends:
        assert (after.stage, after.due_at) == ("starting", NOW + ADOPTION_MS)
    else:
        assert after is before
