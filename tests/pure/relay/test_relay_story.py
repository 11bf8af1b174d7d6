"""A delivery in words, for `relay log` and /admin."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.server import story
from relay.server.delivery import PastAttempt
from relay.server.log_command import log_lines, story_lines
from relay.server.store.log import Logged
from relay.usage import period

AT = 1_800_000_000_000
"""2027-01-15 08:00:00Z."""
LOGGED = Logged(
    id="3f2a1b9c-0000-5000-8000-000000000000", secret_hash="1a2b3c4d5e6f" + "0" * 52, event_id="evt_1", event_type="permission",
    session_id="ses_1", device_id="d1", token_suffix="0a1b2c3d", apns_env="production", topic="com.example.app", push_type="alert",
    priority=10, status="sent", attempts=1, http_status=200, reason=None, error=None, latency_ms=43, due_at=0, created_at=AT,
    updated_at=AT + 250, past_attempts=(),
)  # fmt: skip


def logged(**changes: Any) -> Logged:
    return replace(LOGGED, **changes)


def past(number: int, **changes: Any) -> PastAttempt:
    one = PastAttempt(number, AT + number * 1000, "production", 503, "ServiceUnavailable", None, 40)
    return one._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"status": "queued", "attempts": 0, "http_status": None}, []),
        ({}, [1]),
        ({"attempts": 3, "past_attempts": (past(1), past(2))}, [1, 2, 3]),
        ({"status": "queued", "attempts": 2, "past_attempts": (past(1), past(2))}, [1, 2]),
        # By a relay that did not remember them: the last is in the row.
        ({"status": "queued", "attempts": 5}, [5]),
        ({"status": "failed", "attempts": 2, "past_attempts": (past(1), past(2)), "error": "the phone unregistered"}, [1, 2]),
        ({"attempts": 30, "past_attempts": tuple(past(n) for n in range(10, 30))}, list(range(10, 31))),
    ],
)  # fmt: skip
def test_which_attempts_there_were(changes: dict[str, Any], numbers: list[int]) -> None:
    assert [each.number for each in story.attempts(logged(**changes))] == numbers


REFUSED = {"status": "failed", "http_status": 410, "reason": "Unregistered"}
WAITS = {"status": "queued", "attempts": 0, "http_status": None, "latency_ms": None, "due_at": AT}
GONE = {"status": "failed", "error": "the phone unregistered", "http_status": 503, "reason": "ServiceUnavailable", "attempts": 1,
        "past_attempts": (past(1),)}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"attempts": 2, "past_attempts": (past(1),)}, ["    attempt 2"]),
        (REFUSED, ["    410 Unregistered: The device token is inactive for the specified topic."]),
        (REFUSED | {"reason": "NewOne"}, ["    410 NewOne"]),
        (WAITS, []),
        (GONE, ["    the phone unregistered"]),
        ({"status": "failed", "attempts": 0, "error": "the phone unregistered"}, ["    the phone unregistered"]),
        ({"status": "failed", "http_status": None, "error": "no connection"}, ["    no connection"]),
        ({"status": "failed", "http_status": None}, ["    no answer"]),
        ({"status": "failed", "http_status": 500}, ["    500"]),
    ],
)  # fmt: skip
def test_a_line_of_the_log_and_why(changes: dict[str, Any], said: list[str]) -> None:
    line, *why = log_lines(logged(**changes), {})
    status = changes.get("status", "sent")
    assert line == f"01-15 08:00:00Z  {status:<6}  alert  permission  1a2b3c4d5e6f…  …0a1b2c3d  3f2a1b9c"
    assert why == said


def test_the_story_of_one_that_took_two_attempts() -> None:
    one = logged(attempts=2, past_attempts=(past(1),), updated_at=AT + 61_000)
    assert story_lines(one, {}, registered=True) == [
        "alert 3f2a1b9c-0000-5000-8000-000000000000  sent",
        "  event    permission, evt_1",
        "  session  ses_1",
        "  secret   1a2b3c4d5e6f…",
        "  phone    …0a1b2c3d, registered",
        "  app      com.example.app (production)",
        "  planned  2027-01-15 08:00:00Z",
        "    1. 2027-01-15 08:00:01Z  503 ServiceUnavailable (production, 40 ms)",
        "       The service is unavailable.",
        '       [Apple, "Handling notification responses from APNs"]',
        "    2. 2027-01-15 08:01:01Z  200, APNs took it (production, 43 ms)",
        "  It was sent 1 min after the event.",
    ]


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        (WAITS | {"due_at": AT + 5000}, "It waits; the next attempt is due at 2027-01-15 08:00:05Z."),
        (REFUSED, "It failed and is not tried again."),
        (GONE, "It failed without a further attempt: the phone unregistered."),
        ({"updated_at": AT + 1250}, "It was sent 1.2 s after the event."),
        ({"updated_at": AT - 1}, "It was sent 0 ms after the event."),
    ],
)
def test_how_it_goes_on(changes: dict[str, Any], end: str) -> None:
    assert story.then(logged(**changes)) == end


def test_what_apple_does_not_say_is_not_apples() -> None:
    observed, unknown = story.meaning("BadEnvironmentKeyInToken"), story.meaning("NewOne")
    assert observed and unknown  # noqa: PT018
    assert (observed.sentence, observed.source, unknown.sentence, unknown.source) == (
        *("", story.OBSERVED),
        *("", story.UNKNOWN),
    )
    assert "developer.apple.com" in observed.advice
    assert story.meaning(None) is None


def test_as_json_it_has_the_names_of_the_log() -> None:
    found = story.as_json(logged(attempts=2, past_attempts=(past(1, error="x"),)))
    assert {"apnsID", "eventID", "sessionID", "token", "status", "apnsEnv"} <= set(found)
    first, last = found["attempts"]
    assert (first["reason"], first["meaning"], first["source"]) == (
        *("ServiceUnavailable", "The service is unavailable."),
        story.SOURCE,
    )
    assert last == {
        "attempt": 2, "at": "2027-01-15T08:00:00.250Z", "apnsEnv": "production", "httpStatus": 200, "latencyMs": 43,
    }  # fmt: skip
    assert "dueAt" in story.as_json(logged(**WAITS))
    assert story.as_json(logged(**GONE))["error"] == "the phone unregistered"
    assert story.as_json(logged(), "alice")["secretName"] == "alice"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (7_300_000, "2 h"), (200_000_000, "2 d"), (-5, "0 s")],
)
def test_how_long_ago(ms: int, words: str) -> None:
    assert story.ago(AT, AT + ms) == words


def test_how_long_it_took() -> None:
    assert [story.seconds(ms) for ms in (None, 0, 999, 1500, 59_999, 60_000)] == [
        *("", "0 ms", "999 ms", "1.5 s", "60.0 s", "1 min"),
    ]


@given(st.integers(1, 999_999), st.sampled_from("smhdSMHD"))
def test_a_period_is_a_number_and_a_unit(number: int, unit: str) -> None:
    assert period(f" {number}{unit}") == number * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit.lower()]


@pytest.mark.parametrize("text", ["", "1", "h", "1w", "-1h", "1.5h", "1h1", "٣h", "1234567s"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="^" + text.replace(".", r"\.") + "$"):
        period(text)
