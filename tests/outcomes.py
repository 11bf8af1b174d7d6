"""Alerts, their deliveries and what becomes of a push, in the words of the tests: of the production environment, unless they say otherwise."""

import uuid
from dataclasses import replace
from typing import Any

from relay.apns import push
from relay.apns.push import Outcome, Push
from relay.contract import ApnsEnv
from relay.server.delivery import Delivery

ALERT = Push(
    apns_id="i", device_token="ab" * 32, apns_env="production", topic="com.example.app", push_type="alert", priority=10,
    expiration=0, collapse_id="c", payload=b"{}",
)  # fmt: skip


def delivery(at_ms: int, *, push: Push = ALERT, expires_in: int = 86_400, **changes: Any) -> Delivery:
    """Of an alert with an id of its own, planned at this time (UTC ms); it expires so many seconds later."""
    planned = Delivery(
        push=replace(push, apns_id=str(uuid.uuid4()), expiration=at_ms // 1000 + expires_in),
        secret_hash="a" * 64,
        event_id="e1",
        event_type="complete",
        session_id="ses_1",
        device_id="d1",
        created_at=at_ms,
        registered_at=at_ms,
    )
    return replace(planned, **changes)


def answered(
    status: int, reason: str | None = None, timestamp: int | None = None, apns_env: ApnsEnv = "production"
) -> Outcome:
    return push.answered(apns_env, status, reason, timestamp)


def not_sent(error: str, retry_after: float | None = None, apns_env: ApnsEnv = "production") -> Outcome:
    return push.not_sent(apns_env, error, retry_after)


def maybe_sent(error: str, apns_env: ApnsEnv = "production") -> Outcome:
    return push.maybe_sent(apns_env, error)
