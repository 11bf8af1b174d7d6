"""A delivery as a row of delivery_log, and a row as a delivery. Pure."""

from typing import Any

import msgspec

from relay.apns.push import Push
from relay.server.delivery import Delivery, DeliveryResult, PastAttempt
from relay.server.store.shards import shard_of

SAVED = ("apns_env", "payload", "status", "attempts", "http_status", "reason", "error", "latency_ms", "due_at", "expires_at",
            "lease_owner", "lease_until", "updated_at", "past_attempts")  # fmt: skip
"""The columns that an attempt changes."""
LONGEST_REASON, LONGEST_ERROR = 64, 1024
"""Characters that fit the columns."""
MOST_PAST, LONGEST_PAST_ERROR = 20, 200
"""Attempts of a delivery that are remembered, the newest, and of each so much of our own words."""


def row_of(delivery: Delivery, claim: str | None, lease_until: int) -> dict[str, Any]:
    """The row of a new delivery; `claim`: whose it is, until `lease_until` (UTC ms)."""
    push = delivery.push
    return {
        "id": push.apns_id,
        "secret_hash": delivery.secret_hash,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "session_id": delivery.session_id,
        "device_id": delivery.device_id,
        "token_suffix": push.device_token[-8:],
        "apns_env": push.apns_env,
        "topic": push.topic,
        "push_type": push.push_type,
        "priority": push.priority,
        "collapse_id": push.collapse_id,
        "expires_at": push.expiration * 1000,
        "payload": push.payload.decode(),
        "status": "queued",
        "attempts": delivery.attempts,
        "http_status": None,
        "reason": None,
        "error": None,
        "latency_ms": None,
        "due_at": delivery.created_at,
        "lease_owner": claim,
        "lease_until": lease_until,
        "created_at": delivery.created_at,
        "updated_at": delivery.created_at,
        "shard": shard_of(delivery.secret_hash),
    }


def saved_row(result: DeliveryResult) -> dict[str, Any]:
    """The row after an attempt; a settled delivery keeps no text."""
    row = row_of(result.delivery, None, 0)
    return row | {
        "apns_env": result.apns_env,
        "payload": row["payload"] if result.status == "queued" else None,
        "status": result.status,
        "attempts": result.delivery.attempts + 1,
        "http_status": result.outcome.status,
        "reason": _fitting(result.outcome.reason, LONGEST_REASON),
        "error": _fitting(result.outcome.error, LONGEST_ERROR),
        "latency_ms": result.latency_ms,
        "due_at": result.due_at,
        "updated_at": result.at,
        "past_attempts": _past(result),
    }


def _past(result: DeliveryResult) -> str | None:
    """As JSON. Of a settled delivery the last attempt is in the row itself."""
    past = result.delivery.past_attempts
    if result.status == "queued":
        outcome = result.outcome
        past += (
            PastAttempt(
                result.delivery.attempts + 1,
                result.at,
                result.outcome.apns_env,
                outcome.status,
                _fitting(outcome.reason, LONGEST_REASON),
                _fitting(outcome.error, LONGEST_PAST_ERROR),
                result.latency_ms,
            ),
        )
    return msgspec.json.encode(past[-MOST_PAST:]).decode() if past else None


def _fitting(text: str | None, limit: int) -> str | None:
    """What a column takes: so long, and no lone surrogates, which JSON can carry and no database stores."""
    return text[:limit].encode(errors="replace").decode() if text else None


def delivery_of(row: dict[str, Any]) -> Delivery:
    """The delivery of a row that was claimed, with the token of its phone."""
    push = Push(
        apns_id=row["id"],
        device_token=row["device_token"],
        apns_env=row["apns_env"],
        topic=row["topic"],
        push_type=row["push_type"],
        priority=row["priority"],
        expiration=row["expires_at"] // 1000,
        collapse_id=row["collapse_id"],
        payload=row["payload"].encode(),
    )
    return Delivery(
        push=push,
        secret_hash=row["secret_hash"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        session_id=row["session_id"],
        device_id=row["device_id"],
        created_at=row["created_at"],
        registered_at=row["registered_at"],
        attempts=row["attempts"],
        past_attempts=past_attempts(row["past_attempts"]),
    )


def past_attempts(text: str | None) -> tuple[PastAttempt, ...]:
    """What `past_attempts` of a row says, the oldest first."""
    return tuple(msgspec.json.decode(text, type=list[PastAttempt])) if text else ()
