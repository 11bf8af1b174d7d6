"""A push, what APNs is sure to refuse of it, and what became of it: as data. Pure."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from relay.alert_payload import MAX_PAYLOAD
from relay.apns.reasons import REASONS, UNANSWERED, Verdict, judge
from relay.contract import ApnsEnv

Transmission = Literal["answered", "not_sent", "maybe_sent"]
"""`not_sent`: it certainly was not processed: no connection, a refused stream, or above a GOAWAY's last stream (RFC 9113
6.8). `maybe_sent`: it went out, and the connection or the deadline ended before the answer came.
"""
LATEST: Final = 2**53
"""Seconds or milliseconds; more is no time and would not fit a table."""
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


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request: its response, or why there is none."""

    transmission: Transmission
    status: int = 0
    body: bytes = b""
    error: str = ""


OK: Final = Result("answered", 200)
"""The response to nearly every push; of a 200, the body says nothing."""


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


_DELIVERED: Final[dict[ApnsEnv, Outcome]] = {
    "sandbox": answered("sandbox", 200),
    "production": answered("production", 200),
}
"""What nearly every push becomes, made once."""


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
    if status == 200:
        return _DELIVERED[apns_env]
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


# --- What APNs is known to refuse is refused here, with APNs' own answer, before a stream is opened ---------------
#
# Source: Apple, "Sending notification requests to APNs" (the headers) and "Generating a remote notification" (the size of
# a payload). A value that could break out of its header (CR, LF, NUL: RFC 9113 8.2.1) fits none of these forms.

MAX_COLLAPSE_ID: Final = 64
"""Bytes of UTF-8."""
PRIORITIES: Final = frozenset({1, 5, 10})
MAX_TOKEN: Final = 512
"""Bytes. Apple: "don't assume a size"; seen are 32 and 80, and this bound keeps a request in one frame."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_PLAIN: Final = re.compile(r"[\x21-\x7e]{0,64}").fullmatch
_TOPIC: Final = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_PUSH_TYPE: Final = re.compile(r"[a-z]{0,32}").fullmatch  # empty: left out, and APNs assumes its default


def refusal(push: Push) -> Outcome | None:
    """The answer that APNs would give, if it is certain to refuse this push; else None."""
    reason = _fault(push) or _fault_of_kind(push.topic, push.push_type, push.priority)
    return answered(push.apns_env, REASONS[reason].status, reason) if reason else None


def _fault(push: Push) -> str:
    if not _is_token(push.device_token):
        return "BadDeviceToken"
    if not _UUID(push.apns_id):
        return "BadMessageId"
    if not 0 <= push.expiration < LATEST:
        return "BadExpirationDate"
    if not _is_collapse_id(push.collapse_id):
        return "BadCollapseId"
    if not push.payload:
        return "PayloadEmpty"
    return "PayloadTooLarge" if len(push.payload) > MAX_PAYLOAD else ""


@lru_cache(maxsize=1024)
def _fault_of_kind(topic: str, push_type: str, priority: int) -> str:
    """The same for what many pushes share."""
    if priority not in PRIORITIES:
        return "BadPriority"
    if not _PUSH_TYPE(push_type):
        return "InvalidPushType"
    if not topic:
        return "MissingTopic"
    return "" if _TOPIC(topic) else "BadTopic"


def _is_token(text: str) -> bool:
    try:
        size = len(bytes.fromhex(text))
    except ValueError:
        return False
    return 0 < size <= MAX_TOKEN and len(text) == 2 * size  # fromhex would also take spaces


def _is_collapse_id(text: str) -> bool:
    return _PLAIN(text) is not None or (
        text.isprintable() and text == text.strip() and len(text.encode()) <= MAX_COLLAPSE_ID
    )
