"""What a Live Activity learns from an event: the server's content state as given, or one derived from title and body."""

from typing import Any, get_args

import pytest

from activity_values import state
from relay.contract import FINAL_STATUSES, ContentState, Event, EventType, Status
from relay.server.live_activities.activity import DEFAULT_TITLE, Alert, News, news_of, start_alert

GIVEN = state("retry", "Trying again", title="Fix auth bug", retry="Retry 2 in 8s")
KNOWN = state("working", "Reading files", title="Known title")


def event(event_type: EventType, **fields: Any) -> Event:
    return Event(secret="0123456789abcdef", session_id="ses_1", event_type=event_type, **fields)


def state_of(event_type: EventType, known: ContentState | None = None, **fields: Any) -> ContentState:
    return news_of(event(event_type, **fields), "evt_1", known).state


# What an old server's event says without title and body: status, message.
DERIVED: dict[EventType, tuple[Status, str]] = {
    "start": ("working", "Starting..."),
    "progress": ("working", "Working..."),
    "permission": ("permission", "Needs your decision"),
    "complete": ("complete", "Done"),
    "error": ("error", "Failed"),
}


def test_the_table_here_has_every_event_type() -> None:
    assert set(DERIVED) == set(get_args(EventType))


@pytest.mark.parametrize("event_type", DERIVED)
def test_derived_from_title_and_body_or_what_is_known_or_the_event_type_alone(event_type: EventType) -> None:
    status, message = DERIVED[event_type]
    assert state_of(event_type, KNOWN, title="T", body="B") == state(status, "B", title="T")
    assert state_of(event_type, KNOWN) == state(status, message, title="Known title")
    assert state_of(event_type) == state(status, message, title=DEFAULT_TITLE)


@pytest.mark.parametrize("event_type", DERIVED)
def test_a_content_state_is_taken_as_given(event_type: EventType) -> None:
    assert state_of(event_type, KNOWN, title="T", body="B", content_state=GIVEN) == GIVEN


def test_news_name_their_event() -> None:
    found = news_of(event("progress", content_state=GIVEN), "evt_7", None)
    assert found == News("evt_7", "progress", GIVEN)


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("event_type", DERIVED)
def test_a_run_ends_by_the_event_or_by_the_state_that_comes_with_progress(
    event_type: EventType, status: Status
) -> None:
    """Progress with status complete is a silent end: the person stopped the run and needs no alert."""
    found = news_of(event(event_type, content_state=state(status)), "evt_1", None)
    # An error that is tried again rings, and the run goes on (anomalyco/opencode#8170: waits of hours).
    failed = event_type in ("complete", "error") and status != "retry"
    assert found.ends == (failed or status in FINAL_STATUSES)


@pytest.mark.parametrize("event_type", DERIVED)
def test_only_a_question_lights_up_the_screen(event_type: EventType) -> None:
    asked = news_of(
        event(event_type, title="Run make?", body="In /src", content_state=GIVEN), "evt_1", None
    ).alert
    assert asked == (Alert("Run make?", "In /src") if event_type == "permission" else None)


def test_a_question_without_words_has_the_session_and_the_plans_sentence() -> None:
    found = news_of(event("permission", content_state=GIVEN), "evt_1", None)
    assert found.alert == Alert("Fix auth bug", "Needs your decision")


def test_a_start_has_the_plans_words() -> None:
    found = news_of(event("start", content_state=GIVEN), "evt_1", None)
    assert start_alert(found) == Alert("Session Started", "OpenCode is working on: Fix auth bug")


def test_a_start_by_a_question_asks_it() -> None:
    found = news_of(event("permission", title="Run make?", body="In /src"), "evt_1", None)
    assert start_alert(found) == Alert("Run make?", "In /src")
