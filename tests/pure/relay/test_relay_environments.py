"""Either environment is asked, the other one once, and only if APNs says that the token is of the other: every verdict."""

from dataclasses import replace

import pytest

from fake_gateway import FakeGateway
from outcomes import ALERT, answered, maybe_sent, not_sent
from relay.apns.gateway import OTHER, Environments
from relay.apns.push import Outcome
from relay.apns.reasons import Verdict
from relay.contract import ApnsEnv

BAD_TOKEN = answered(400, "BadDeviceToken", 7)
BAD_KEY = answered(403, "BadEnvironmentKeyInToken")

OUTCOMES: dict[str, Outcome] = {
    "delivered": answered(200),
    "token dead": answered(410, "Unregistered", 1_700_000_000_000),
    "retry later": answered(503, "ServiceUnavailable"),
    "not sent": not_sent("connection refused", retry_after=42.0),
    "maybe sent": maybe_sent("connection lost"),
    "new provider token": answered(403, "ExpiredProviderToken"),
    "key refused": answered(403, "InvalidProviderToken"),
    "token of another app": answered(400, "DeviceTokenNotForTopic"),
    "our fault": answered(400, "BadTopic"),
}
"""What counts wherever it is said."""


async def ask(*answers: Outcome | Exception, apns_env: ApnsEnv = "production") -> tuple[Outcome, list[str]]:
    """The outcome, and which environments were asked."""
    gateway = FakeGateway()
    gateway.answers.extend(answers)
    outcome = await Environments(gateway).send(replace(ALERT, apns_env=apns_env))
    return outcome, [push.apns_env for push in gateway.sent]


def test_the_tables_have_every_verdict() -> None:
    wrong = {BAD_TOKEN.verdict, BAD_KEY.verdict}
    assert wrong == {Verdict.WRONG_ENVIRONMENT}
    assert wrong | {outcome.verdict for outcome in OUTCOMES.values()} == set(Verdict)


@pytest.mark.parametrize("name", OUTCOMES)
async def test_every_outcome_of_the_environment_that_is_known(name: str) -> None:
    assert await ask(OUTCOMES[name]) == (OUTCOMES[name], ["production"])


@pytest.mark.parametrize("apns_env", ["sandbox", "production"])
@pytest.mark.parametrize("first", [BAD_TOKEN, BAD_KEY], ids=["token", "key"])
@pytest.mark.parametrize("name", OUTCOMES)
async def test_every_outcome_of_the_other_environment(name: str, first: Outcome, apns_env: ApnsEnv) -> None:
    outcome, asked = await ask(first, OUTCOMES[name], apns_env=apns_env)
    assert outcome == replace(OUTCOMES[name], apns_env=OTHER[apns_env])
    assert asked == [apns_env, OTHER[apns_env]]


NEITHER = {
    "bad token in both": (BAD_TOKEN, BAD_TOKEN, Verdict.TOKEN_DEAD),
    "the other is not for this key": (BAD_TOKEN, BAD_KEY, Verdict.OUR_FAULT),
    "the first is not for this key": (BAD_KEY, BAD_TOKEN, Verdict.OUR_FAULT),
    "neither is for this key": (BAD_KEY, BAD_KEY, Verdict.OUR_FAULT),
}


@pytest.mark.parametrize("name", NEITHER)
async def test_a_token_is_dead_only_if_both_environments_could_know(name: str) -> None:
    first, other, verdict = NEITHER[name]
    outcome, asked = await ask(first, other)
    assert asked == ["production", "sandbox"]
    assert (outcome.verdict, outcome.apns_env, outcome.timestamp) == (verdict, "production", None)
    assert (outcome.status, outcome.reason) == (first.status, first.reason)
    assert bool(outcome.advice) == (verdict is Verdict.OUR_FAULT)


@pytest.mark.parametrize("before", [[], [BAD_TOKEN]], ids=["known", "other"])
async def test_a_gateway_that_breaks_is_an_outcome(before: list[Outcome]) -> None:
    outcome, _ = await ask(*before, ZeroDivisionError("x"))
    assert (outcome.verdict, outcome.transmission) == (Verdict.RETRY_LATER, "maybe_sent")
    assert outcome.error == "the relay is at fault: ZeroDivisionError"
