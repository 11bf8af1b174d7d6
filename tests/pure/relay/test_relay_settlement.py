"""Every verdict: how the delivery, its token and its environment go on."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome, Push
from relay.apns.reasons import REASONS, Verdict
from relay.server.alerts.planner import Delivery
from relay.server.alerts.settlement import FIRST_RETRY, LONGEST_RETRY, Settlement, settle

NOW = 1_800_000_000_000
DAY = 86_400

OUTCOMES: dict[str, Outcome] = {
    "delivered": answered(200),
    "token dead": answered(410, "Unregistered", 1_700_000_000_000),
    "token dead, no time": answered(400, "DeviceTokenNotForTopic"),
    "retry later": answered(503, "ServiceUnavailable"),
    "not sent": not_sent("connection refused"),
    "maybe sent": maybe_sent("connection lost"),
    "new provider token": answered(403, "ExpiredProviderToken"),
    "key refused": answered(403, "InvalidProviderToken"),
    "our fault": answered(400, "BadTopic"),
}

STATUS = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "failed",
    Verdict.RETRY_LATER: "queued",
    Verdict.NEW_PROVIDER_TOKEN: "queued",
    Verdict.KEY_REFUSED: "queued",
    Verdict.OUR_FAULT: "failed",
}


def delivery(apns_env: Any = "production", *, attempts: int = 0, expires_in: float = DAY) -> Delivery:
    push = Push(
        apns_id="i",
        device_token="ab",
        apns_env=apns_env,
        topic="t",
        push_type="alert",
        priority=10,
        expiration=NOW // 1000 + int(expires_in),
        collapse_id="c",
        payload=b"{}",
    )
    return Delivery(
        push=push,
        secret_hash="s",
        event_id="e",
        event_type="complete",
        session_id="s",
        device_id="d",
        created_at=NOW,
        registered_at=NOW - 1000,
        attempts=attempts,
    )


def settled(outcome: Outcome, **changes: Any) -> Settlement:
    jitter = changes.pop("jitter", 0.0)
    return settle(delivery(**changes), outcome, now_ms=NOW, jitter=jitter)


def test_the_table_here_has_every_verdict() -> None:
    assert (
        {outcome.verdict for outcome in OUTCOMES.values()}
        == set(STATUS)
        == set(Verdict) - {Verdict.WRONG_ENVIRONMENT}
    )


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_alone(name: str) -> None:
    outcome = OUTCOMES[name]
    result = settled(outcome)
    assert result.status == STATUS[outcome.verdict]
    assert result.apns_env == "production"
    assert result.forget_token == name.startswith("token dead")
    assert not result.moved
    assert bool(result.due_at) == (result.status == "queued")
    assert result.advice == outcome.advice


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_of_the_other_environment(name: str) -> None:
    outcome = replace(OUTCOMES[name], apns_env="sandbox")
    result = settled(outcome)
    assert result.status == STATUS[outcome.verdict]
    assert result.moved == (outcome.verdict is Verdict.DELIVERED)
    assert result.apns_env == ("production" if result.status == "queued" else "sandbox")


def test_410_tells_since_when() -> None:
    assert settled(OUTCOMES["token dead"]).dead_since == 1_700_000_000_000
    assert settled(OUTCOMES["token dead, no time"]).dead_since is None


@pytest.mark.parametrize("reason", REASONS)
def test_what_apns_said_is_kept(reason: str) -> None:
    status = REASONS[reason].status
    assert settled(answered(status, reason)).told == (status, reason, None)


def test_what_apns_did_not_say_is_told_in_our_words_and_fits_the_table() -> None:
    assert settled(not_sent("x" * 5000)).told == (None, None, "x" * 1024)
    assert settled(answered(400, "R" * 100)).told == (400, "R" * 64, None)
    assert settled(answered(500, "")).told == (500, None, None)


@pytest.mark.parametrize(
    ("attempts", "pause"), [(0, 1), (1, 2), (2, 4), (3, 8), (10, 1024), (11, 2048), (12, 3600), (40, 3600)]
)
def test_pauses_double_when_apns_cannot_be_reached(attempts: int, pause: int) -> None:
    assert settled(not_sent("x"), attempts=attempts).due_at == NOW + pause * 1000


@pytest.mark.parametrize(
    ("reason", "pauses"),
    [
        ("ServiceUnavailable", [900, 1800, 3600, 3600]),
        ("TooManyProviderTokenUpdates", [1200, 2400, 3600]),
        ("TooManyRequests", [60, 120, 240]),
        ("Shutdown", [1, 2, 4]),
    ],
)
def test_pauses_begin_with_what_the_reason_asks_for(reason: str, pauses: list[int]) -> None:
    outcome = answered(REASONS[reason].status, reason)
    assert [settled(outcome, attempts=n).due_at - NOW for n in range(len(pauses))] == [
        p * 1000 for p in pauses
    ]


def test_a_pause_beyond_the_expiry_is_a_failure() -> None:
    assert settled(not_sent("x"), expires_in=2).status == "queued"
    late = settled(not_sent("refused"), expires_in=1)
    assert (late.status, late.due_at, late.told) == ("failed", 0, (None, None, "refused"))
    assert settled(answered(503, "ServiceUnavailable"), expires_in=900).status == "failed"
    assert not late.forget_token


@given(
    attempts=st.integers(0, 500),
    jitter=st.floats(0, 1),
    expires_in=st.integers(-10, 2 * DAY),
    outcome=st.sampled_from(
        [outcome for outcome in OUTCOMES.values() if outcome.verdict is Verdict.RETRY_LATER]
    ),
)
def test_retries_are_bounded(attempts: int, jitter: float, expires_in: int, outcome: Outcome) -> None:
    result = settled(outcome, attempts=attempts, jitter=jitter, expires_in=expires_in)
    least = outcome.retry_after or FIRST_RETRY
    if result.status == "queued":
        pause = (result.due_at - NOW) / 1000
        assert least - 0.001 <= pause <= LONGEST_RETRY * 1.5
        assert pause < expires_in
    else:
        assert result.status == "failed"
        assert least <= LONGEST_RETRY


@given(jitter=st.floats(0, 1))
def test_jitter_only_lengthens_the_pause_by_up_to_a_half(jitter: float) -> None:
    pause = settled(not_sent("x"), attempts=5, jitter=jitter).due_at - NOW
    assert 32_000 <= pause <= 48_000


def test_a_pause_that_is_known_is_kept_to() -> None:
    assert settled(not_sent("paused", retry_after=60.0), attempts=5, jitter=1.0).due_at == NOW + 60_000
