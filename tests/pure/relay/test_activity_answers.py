"""What an outcome of a push means for the activity: every verdict."""

from dataclasses import replace

import pytest

from activity_values import NOW
from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.apns.reasons import REASONS, Verdict
from relay.contract import ApnsEnv
from relay.server.live_activities.settlement import _WORDS, Word, answer

OUTCOMES: dict[str, tuple[Outcome, Word]] = {
    "delivered": (answered(200), "sent"),
    "unregistered": (answered(410, "Unregistered", NOW - 7), "dead"),
    "expired": (answered(410, "ExpiredToken", NOW - 9), "dead"),
    "not for the topic": (answered(400, "DeviceTokenNotForTopic"), "dead"),
    "server error": (answered(503, "ServiceUnavailable"), "later"),
    "too many requests": (answered(429, "TooManyRequests"), "later"),
    "not sent": (not_sent("connection refused"), "not sent"),
    "paused": (not_sent("paused", retry_after=42.0), "not sent"),
    "maybe sent": (maybe_sent("connection lost"), "maybe sent"),
    "provider token expired": (answered(403, "ExpiredProviderToken"), "later"),
    "key refused": (answered(403, "InvalidProviderToken"), "later"),
    "our fault": (answered(400, "BadTopic"), "refused"),
}


def test_the_tables_have_every_verdict() -> None:
    verdicts = {outcome.verdict for outcome, _ in OUTCOMES.values()}
    assert verdicts == set(_WORDS) == set(Verdict) - {Verdict.WRONG_ENVIRONMENT}


@pytest.mark.parametrize("apns_env", ["production", "sandbox"])
@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome(name: str, apns_env: ApnsEnv) -> None:
    outcome, word = OUTCOMES[name]
    said = answer(replace(outcome, apns_env=apns_env))
    assert (said.word, said.apns_env) == (word, apns_env)


def test_410_tells_since_when() -> None:
    assert answer(OUTCOMES["unregistered"][0]).dead_since == NOW - 7
    assert answer(OUTCOMES["expired"][0]).dead_since == NOW - 9
    assert answer(OUTCOMES["not for the topic"][0]).dead_since is None


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_apns_has_an_answer(reason: str) -> None:
    row = REASONS[reason]
    if row.verdict is not Verdict.WRONG_ENVIRONMENT:
        assert answer(answered(row.status, reason)).word == _WORDS[row.verdict]
