"""What an outcome of a push, and its outcome in the other environment, mean for the activity: every verdict."""

import pytest

from activity_values import NOW
from relay.apns.push import Answered, MaybeSent, NotSent, Outcome
from relay.apns.reasons import REASONS, Verdict, judge
from relay.server.live_activities.settlement import _WORDS, Answer, Word, answer

BAD_TOKEN = Answered(400, "BadDeviceToken")
BAD_KEY = Answered(403, "BadEnvironmentKeyInToken")

OUTCOMES: dict[str, tuple[Outcome, Word]] = {
    "delivered": (Answered(200), "sent"),
    "unregistered": (Answered(410, "Unregistered", NOW - 7), "dead"),
    "expired": (Answered(410, "ExpiredToken", NOW - 9), "dead"),
    "not for the topic": (Answered(400, "DeviceTokenNotForTopic"), "dead"),
    "server error": (Answered(503, "ServiceUnavailable"), "later"),
    "too many requests": (Answered(429, "TooManyRequests"), "later"),
    "not sent": (NotSent("connection refused"), "not sent"),
    "paused": (NotSent("paused", retry_after=42.0), "not sent"),
    "maybe sent": (MaybeSent("connection lost"), "maybe sent"),
    "provider token expired": (Answered(403, "ExpiredProviderToken"), "later"),
    "key refused": (Answered(403, "InvalidProviderToken"), "later"),
    "our fault": (Answered(400, "BadTopic"), "refused"),
}
"""Outcomes that speak for themselves; the two of a wrong environment are below."""


def of(outcome: Outcome, other: Outcome | None = None) -> Answer:
    return answer(outcome, other, apns_env="production", other_env="sandbox")


def test_the_tables_have_every_verdict() -> None:
    alone = {judge(outcome).verdict for outcome, _ in OUTCOMES.values()}
    assert alone == set(_WORDS) == set(Verdict) - {Verdict.WRONG_ENVIRONMENT}
    assert {judge(one).verdict for one in (BAD_TOKEN, BAD_KEY)} == {Verdict.WRONG_ENVIRONMENT}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_alone(name: str) -> None:
    outcome, word = OUTCOMES[name]
    said = of(outcome)
    assert (said.word, said.apns_env) == (word, "production")


@pytest.mark.parametrize("first", [BAD_TOKEN, BAD_KEY])
@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_of_the_other_environment(name: str, first: Outcome) -> None:
    """What the other environment answered counts, and the activity stays with it."""
    outcome, word = OUTCOMES[name]
    said = of(first, outcome)
    assert (said.word, said.apns_env) == (word, "sandbox")


NEITHER: list[tuple[Outcome, Outcome | None, Word]] = [
    (BAD_TOKEN, None, "dead"),
    (BAD_TOKEN, BAD_TOKEN, "dead"),
    (BAD_TOKEN, BAD_KEY, "refused"),
    (BAD_KEY, BAD_TOKEN, "refused"),
    (BAD_KEY, BAD_KEY, "refused"),
    (BAD_KEY, None, "refused"),
]


@pytest.mark.parametrize(("first", "other", "word"), NEITHER)
def test_a_token_is_dead_only_if_both_environments_could_tell(
    first: Outcome, other: Outcome | None, word: Word
) -> None:
    assert of(first, other) == Answer(word=word, apns_env="production")


def test_410_tells_since_when() -> None:
    assert of(OUTCOMES["unregistered"][0]).dead_since == NOW - 7
    assert of(BAD_TOKEN, OUTCOMES["expired"][0]).dead_since == NOW - 9
    assert of(OUTCOMES["not for the topic"][0]).dead_since is None


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_apns_has_an_answer(reason: str) -> None:
    row = REASONS[reason]
    said = of(Answered(row.status, reason))
    if row.verdict is Verdict.WRONG_ENVIRONMENT:
        assert said.word == ("refused" if row.advice else "dead")
    else:
        assert said.word == _WORDS[row.verdict]
