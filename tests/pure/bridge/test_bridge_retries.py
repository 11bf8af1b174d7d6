"""A model that keeps a session waiting: said once, in people's units, for subagents under their root.

Waits of hours and of weeks: anomalyco/opencode#8170 ("447.231667 hours"), #15988, #22015.
"""

import pytest

from pure.bridge.wire import created, status
from relay.bridge.notify.mapping import Sender, waiting_event
from relay.bridge.notify.source import Change, Retry
from relay.bridge.notify.text import duration
from relay.bridge.notify.throttle import RetryAlerts
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Event
from relay.contract import ContentState

HOUR = 3_600_000.0
SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"), (0, "0s"), (7.2, "8s"), (90, "90s"), (91, "2 min"), (300, "5 min"), (3599, "1 h"), (3600, "1 h"),
        (5400, "1 h 30 min"), (7200, "2 h"), (172_740, "47 h 59 min"), (172_800, "2 days"), (1_610_034, "18 days 16 h"),
    ],
)  # fmt: skip
def test_how_long_that_is(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def waits(session: str, attempt: int, until_ms: float) -> Event:
    return status(session, "retry", attempt=attempt, message="Rate limit reached", next=until_ms)


def test_what_a_child_waits_for_shows_on_its_roots_card() -> None:
    sessions = Sessions()
    for one in (created("a"), status("a", "busy"), created("child", "a"), status("child", "busy")):
        sessions.fold(one)
    changes = sessions.fold(waits("child", 1, 2 * HOUR))
    assert [(one.kind, one.session_id) for one in changes] == [("progress", "a")]
    assert changes[0].retry == Retry(1, 2 * HOUR, "Rate limit reached")
    state = sessions.state("a", 0.0)
    assert state
    assert (state.status, state.last_message, state.retry_info) == (
        "retry",
        "Rate limit reached",
        "Retry 1 in 2 h",
    )
    sessions.fold(waits("a", 3, 8000.0))
    own = sessions.state("a", 0.0)
    assert own
    assert own.retry_info == "Retry 3 in 8s"  # its own goes first
    for one in (status("a", "busy"), status("child", "busy")):
        assert [change.kind for change in sessions.fold(one)] == ["progress"]
    working = sessions.state("a", 0.0)
    assert working
    assert (working.status, working.retry_info) == ("working", None)


def test_of_several_children_the_longest_wait_is_shown_and_a_stopped_one_no_more() -> None:
    sessions = Sessions()
    for one in (created("a"), status("a", "busy"), created("b", "a"), created("c", "a"), created("other")):
        sessions.fold(one)
    for one in (waits("b", 1, HOUR), waits("c", 1, 2 * HOUR), waits("other", 1, 3 * HOUR)):
        sessions.fold(one)
    state = sessions.state("a", 0.0)
    assert state
    assert state.retry_info == "Retry 1 in 2 h"
    sessions.fold(status("c", "idle"))
    state = sessions.state("a", 0.0)
    assert state
    assert state.retry_info == "Retry 1 in 1 h"


def due(alerts: RetryAlerts, *attempts: tuple[float, int, float | None]) -> list[bool]:
    return [alerts.due("a", Retry(attempt, until, ""), now) for now, attempt, until in attempts]


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([(0, 1, 2 * HOUR), (2 * HOUR, 2, 4 * HOUR)], [True, False]),  # one row of attempts
        ([(0, 1, 2000), (2000, 2, 6000), (6000, 3, 14_000)], [False, False, False]),
        (
            [(0, 1, 200_000), (200_000, 2, 400_000), (400_000, 3, 600_000)],
            [False, True, False],
        ),  # together too long
        (
            [(0, 1, 2 * HOUR), (5, 1, 2 * HOUR), (9, 1, 3 * HOUR)],
            [True, False, False],
        ),  # several children at once
        ([(0, 1, 2 * HOUR), (3 * HOUR, 1, 5 * HOUR)], [True, True]),  # it went on between them
        (
            [(0, 1, 200_000), (100_000, 1, 200_000), (200_000, 2, 400_000)],
            [False, False, True],
        ),  # the same one again
        ([(0, 2, 2 * HOUR)], [True]),  # generation 2 counts from 2
        ([(0, 1, None), (400_000, 2, None)], [False, True]),
    ],
)
def test_it_is_said_once_a_row_of_attempts(
    attempts: list[tuple[float, int, float | None]], said: list[bool]
) -> None:
    assert due(RetryAlerts(300), *attempts) == said
    assert not any(due(RetryAlerts(0), *attempts))


def test_each_run_may_say_it() -> None:
    alerts = RetryAlerts(300)
    assert due(alerts, (0, 1, HOUR)) == [True]
    alerts.end("a")
    assert due(alerts, (1, 1, HOUR)) == [True]


def test_what_the_phone_gets() -> None:
    state = ContentState(
        status="retry", session_title="Fix it", last_message="Rate limit", retry_info="Retry 1 in 2 h"
    )
    change = Change("progress", "ses_a", "evt_1")

    def sent(
        reason: str, until: float | None = 2 * HOUR, title: str | None = "Fix it"
    ) -> tuple[str | None, str | None]:
        event = waiting_event(change, Retry(1, until, reason), title, state, 0.0, SENDER)
        assert (event.event_type, event.content_state) == ("error", state)
        assert len(event.body or "") <= 140
        return event.title, event.body

    assert sent("Rate limit reached.") == ("Waiting: Fix it", "Rate limit reached. Next try in 2 h.")
    assert sent("", None, None) == ("Waiting: Session", "The model does not answer. Next try.")
    assert (sent("why " * 99)[1] or "").endswith("…. Next try in 2 h.")
