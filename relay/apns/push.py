"""A push and what became of it, as data."""

import json
import re
from dataclasses import dataclass
from typing import Final, Literal

from relay.apns.reasons import UNANSWERED, Verdict, judge
from relay.contract import ApnsEnv

Transmission = Literal["answered", "not_sent", "maybe_sent"]
"""`not_sent`: it certainly was not processed: no connection, a refused stream, or above a GOAWAY's last stream (RFC 9113
6.8). `maybe_sent`: it went out, and the connection or the deadline ended before the answer came.
"""
LATEST: Final = 2**53
"""Milliseconds; more is no time and would not fit a table."""
_REASON: Final = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One request to APNs.

    `expiration` is UNIX seconds; `collapse_id` '' sends none; `payload` is the JSON as it goes onto the wire.
    """

    apns_id: str
    device_token: str
    apns_env: ApnsEnv
    topic: str
    push_type: str
    priority: int
    expiration: int
    collapse_id: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a push, with what the relay makes of it: `reasons.py`, asked once, where the answer is read.

    `apns_env` is where the token belongs, as far as is known now. `status`, `reason` and `timestamp` (for a 410: UNIX
    milliseconds since when the token is known to be invalid) are APNs'; `error` is our own words where it gave no answer.
    `retry_after`: seconds in which another try would be in vain. `advice`: what the operator should do.
    """

    verdict: Verdict
    transmission: Transmission
    apns_env: ApnsEnv
    status: int | None = None
    reason: str | None = None
    timestamp: int | None = None
    error: str | None = None
    retry_after: float | None = None
    advice: str = ""


def answered(
    apns_env: ApnsEnv, status: int, reason: str | None = None, timestamp: int | None = None
) -> Outcome:
    """APNs answered."""
    row = judge(status, reason)
    return Outcome(
        verdict=row.verdict,
        transmission="answered",
        apns_env=apns_env,
        status=status,
        reason=reason,
        timestamp=timestamp,
        retry_after=row.retry_after,
        advice=row.advice,
    )


def not_sent(apns_env: ApnsEnv, error: str, retry_after: float | None = None) -> Outcome:
    """It certainly was not processed."""
    return Outcome(
        verdict=UNANSWERED, transmission="not_sent", apns_env=apns_env, error=error, retry_after=retry_after
    )


def maybe_sent(apns_env: ApnsEnv, error: str) -> Outcome:
    """It went out, and nobody knows whether it was processed."""
    return Outcome(verdict=UNANSWERED, transmission="maybe_sent", apns_env=apns_env, error=error)


def read_answer(apns_env: ApnsEnv, status: int, body: bytes) -> Outcome:
    """`{"reason": "...", "timestamp": ms}` (Apple, "Handling notification responses from APNs"); a body that is not
    of this form is passed over.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return answered(apns_env, status)
    reason, timestamp = fields.get("reason"), fields.get("timestamp")
    return answered(
        apns_env,
        status,
        reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None,
        timestamp if type(timestamp) is int and 0 < timestamp < LATEST else None,
    )
