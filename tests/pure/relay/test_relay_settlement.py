"""Every verdict: how the delivery, its token and its environment go on."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import answered, delivery, maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.apns.reasons import REASONS, Verdict
from relay.server.alerts import FIRST_RETRY, LONGEST_RETRY, STATUS, result_of
from relay.server.delivery import DeliveryResult
from relay.server.engine import expired

NOW = 1_800_000_000_000
DAY = 86_400
DEAD_SINCE = 1_700_000_000_000

TABLE: dict[str, tuple[Outcome, str, bool]] = {
    "delivered": (answered(200), "sent", False),
    "token dead": (answered(410, "Unregistered", DEAD_SINCE), "failed", True),
    "token dead, no time": (answered(410), "failed", True),
    "token of another app": (answered(400, "DeviceTokenNotForTopic"), "failed", False),
    "retry later": (answered(503, "ServiceUnavailable"), "queued", False),
    "not sent": (not_sent("connection refused"), "queued", False),
    "maybe sent": (maybe_sent("connection lost"), "queued", False),
    "new provider token": (answered(403, "ExpiredProviderToken"), "queued", False),
    "key refused": (answered(403, "InvalidProviderToken"), "queued", False),
    "our fault": (answered(400, "BadTopic"), "failed", False),
}
"""By outcome the status, and whether the token is forgotten."""


def settled(outcome: Outcome, jitter: float = 0.0, **changes: Any) -> DeliveryResult:
    return result_of(delivery(NOW, **changes), outcome, at=NOW, jitter=jitter)


def test_both_tables_have_every_verdict() -> None:
    verdicts = {outcome.verdict for outcome, *_ in TABLE.values()}
    assert verdicts == set(STATUS) == set(Verdict) - {Verdict.WRONG_ENVIRONMENT}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("moved", [False, True], ids=["own environment", "the other environment"])
def test_every_outcome(name: str, moved: bool) -> None:
    outcome, status, dead = TABLE[name]
    result = settled(replace(outcome, apns_env="sandbox" if moved else "production"))
    assert (result.status, result.token_dead) == (status, dead)
    assert bool(result.due_at) == (status == "queued")
    assert result.moved == (moved and status == "sent")
    assert result.apns_env == ("sandbox" if moved and status != "queued" else "production")


PAUSES: list[tuple[Outcome, list[int]]] = [
    (not_sent("refused"), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]),
    (answered(503, "ServiceUnavailable"), [900, 1800, 3600, 3600]),
    (answered(429, "TooManyProviderTokenUpdates"), [1200, 2400, 3600]),
    (answered(429, "TooManyRequests"), [60, 120, 240]),
    (answered(503, "Shutdown"), [1, 2, 4]),
    (answered(403, "InvalidProviderToken"), [60, 60, 60]),  # the whole environment pauses, ever longer
    (answered(403, "ExpiredProviderToken"), [1200, 2400]),
]


@pytest.mark.parametrize(("outcome", "pauses"), PAUSES, ids=lambda it: getattr(it, "reason", None))
def test_pauses_begin_with_what_the_reason_asks_for_and_double(outcome: Outcome, pauses: list[int]) -> None:
    due = [settled(outcome, attempts=attempts).due_at for attempts in range(len(pauses))]
    assert due == [NOW + pause * 1000 for pause in pauses]


def test_a_pause_that_is_known_is_kept_to() -> None:
    assert settled(not_sent("paused", retry_after=60.0), attempts=5, jitter=1.0).due_at == NOW + 60_000


def test_a_pause_beyond_the_expiry_is_a_failure() -> None:
    assert settled(not_sent("refused"), expires_in=2).status == "queued"
    late = settled(not_sent("refused"), expires_in=1)
    assert (late.status, late.due_at, late.outcome.error, late.token_dead) == ("failed", 0, "refused", False)
    assert settled(answered(503, "ServiceUnavailable"), expires_in=900).status == "failed"


@pytest.mark.parametrize(("expires_in", "late"), [(-1, True), (0, True), (1, False)])
def test_what_expired_is_not_sent_and_has_failed(expires_in: int, late: bool) -> None:
    outcome = expired(delivery(NOW, expires_in=expires_in).push, NOW)
    assert (outcome is not None) == late
    assert outcome is None or settled(outcome).status == "failed"


@given(
    attempts=st.integers(0, 500),
    jitter=st.floats(0, 1),
    expires_in=st.integers(-10, 2 * DAY),
    reason=st.sampled_from([name for name, row in REASONS.items() if row.verdict is Verdict.RETRY_LATER]),
)
def test_retries_are_bounded(attempts: int, jitter: float, expires_in: int, reason: str) -> None:
    outcome = answered(REASONS[reason].status, reason)
    result = settled(outcome, attempts=attempts, jitter=jitter, expires_in=expires_in)
    least = outcome.retry_after or FIRST_RETRY
    if result.status == "queued":
        pause = (result.due_at - NOW) / 1000
        shortest = min(least * 2 ** min(attempts, 12), LONGEST_RETRY)
        assert shortest - 0.001 <= pause <= shortest * 1.5
        assert pause < expires_in
    else:
        assert result.status == "failed"
        assert expires_in <= LONGEST_RETRY * 1.5
