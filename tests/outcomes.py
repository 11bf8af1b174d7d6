"""Outcomes of a push in the words of the tests: of the production environment, unless they say otherwise."""

from relay.apns import push
from relay.apns.push import Outcome
from relay.contract import ApnsEnv


def answered(
    status: int, reason: str | None = None, timestamp: int | None = None, apns_env: ApnsEnv = "production"
) -> Outcome:
    return push.answered(apns_env, status, reason, timestamp)


def not_sent(error: str, retry_after: float | None = None, apns_env: ApnsEnv = "production") -> Outcome:
    return push.not_sent(apns_env, error, retry_after)


def maybe_sent(error: str, apns_env: ApnsEnv = "production") -> Outcome:
    return push.maybe_sent(apns_env, error)
