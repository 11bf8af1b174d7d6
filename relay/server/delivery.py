"""One push of one event to one phone: the phone, the delivery, an attempt at it, and how that attempt ended."""

import logging
from dataclasses import dataclass
from typing import Literal

from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict
from relay.contract import ActivityFormat, ApnsEnv
from relay.log import line

log = logging.getLogger("relay.delivery")

DeliveryStatus = Literal["queued", "sent", "failed"]

LONGEST_REASON, LONGEST_ERROR = 64, 1024
"""Characters that fit the columns of `delivery_log`."""
MAX_LATENCY = 2**31 - 1
"""Milliseconds that fit the column; a clock that is set while a push is in flight can make more."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A phone that is registered for the events of a secret. `registered_at` is UTC milliseconds."""

    device_id: str
    device_token: str
    bundle_id: str
    apns_env: ApnsEnv
    registered_at: int
    push_to_start_token: str | None = None
    activity_format: ActivityFormat = "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One push of one event to one phone. `created_at` is UTC milliseconds; `attempts` counts those that have ended."""

    push: Push
    secret_hash: str
    event_id: str
    event_type: str
    session_id: str
    device_id: str
    created_at: int
    registered_at: int
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """A delivery that this relay has claimed.

    `send_before` (UTC ms): later its lease may run out while APNs is asked. None: it is sent whenever its turn comes.
    """

    delivery: Delivery
    send_before: int | None = None

    @property
    def key(self) -> str:
        """What the claim is for: while it is held, this relay makes no other attempt of that key."""
        return self.delivery.push.apns_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """How an attempt ended at `at` (UTC ms). `due_at` (UTC ms): when the next one is due, for `queued` only."""

    delivery: Delivery
    outcome: Outcome
    status: DeliveryStatus
    at: int
    due_at: int = 0
    latency_ms: int = 0

    @property
    def apns_env(self) -> ApnsEnv:
        """Where the token belongs; the next attempt begins where this one did."""
        return self.delivery.push.apns_env if self.status == "queued" else self.outcome.apns_env

    @property
    def moved(self) -> bool:
        """Whether the other environment took the push."""
        return self.status == "sent" and self.outcome.apns_env != self.delivery.push.apns_env

    @property
    def token_dead(self) -> bool:
        """Whether the token is to be forgotten; `outcome.timestamp` is since when it is dead, where APNs said so."""
        return self.outcome.verdict is Verdict.TOKEN_DEAD

    @property
    def reason(self) -> str | None:
        """APNs' word, as it fits the table."""
        return _text(self.outcome.reason, LONGEST_REASON)

    @property
    def error(self) -> str | None:
        """Our own words where APNs gave no answer, as they fit the table."""
        return _text(self.outcome.error, LONGEST_ERROR)


def _text(text: str | None, limit: int) -> str | None:
    """What a column takes: so long, and no lone surrogates, which JSON can carry and no database stores."""
    return text[:limit].encode(errors="replace").decode() if text else None


def expired(push: Push, now_ms: int) -> Outcome | None:
    """The outcome of a push whose expiration has passed: APNs need not be asked."""
    if now_ms < push.expiration * 1000:
        return None
    return Outcome(
        verdict=Verdict.OUR_FAULT,
        transmission="not_sent",
        apns_env=push.apns_env,
        error="it expired before it could be sent",
    )


def log_result(result: DeliveryResult) -> None:
    """One line for each attempt; an error, with what to do, where the operator must act. Of tokens only the end is shown."""
    delivery, outcome = result.delivery, result.outcome
    push = delivery.push
    text = line(
        "delivery",
        status=result.status,
        apnsID=push.apns_id,
        eventID=delivery.event_id,
        eventType=delivery.event_type,
        sessionID=delivery.session_id,
        token=f"…{push.device_token[-8:]}",
        pushType=push.push_type,
        priority=push.priority,
        topic=push.topic if outcome.advice else None,
        apnsEnv=result.apns_env,
        attempt=delivery.attempts + 1,
        httpStatus=outcome.status,
        reason=result.reason,
        error=result.error,
        latencyMs=result.latency_ms,
        advice=outcome.advice or None,
    )
    log.log(logging.ERROR if outcome.advice else logging.INFO, text)
