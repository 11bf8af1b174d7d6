"""Pure: an event, the phones that are registered and the time -> the pushes to make."""

import hashlib
import uuid

from relay.apns.payload import alert_payload
from relay.apns.push import Push
from relay.contract import ALERT_TYPES, EVENT_KINDS, Event, session_link
from relay.server.delivery import Delivery, Recipient

ALERT_SECONDS = 24 * 3600
"""How long APNs keeps trying a phone that is off: a day later nobody wants it any more."""

_NAMESPACE = uuid.UUID("6f1d9c52-6d1e-5b0e-9b2e-5f0d1b7c3a11")


def plan(
    event: Event, *, event_id: str, secret_hash: str, recipients: list[Recipient], now_ms: int
) -> list[Delivery]:
    """The alerts of one event: one for every phone, none for start and progress.

    The same event planned again gives pushes with the same apns-id and collapse-id, so a resend is harmless: the row
    exists already, and a push that was sent twice all the same shows once on the phone.
    """
    if event.event_type not in ALERT_TYPES:
        return []
    payload = _alert(event)
    collapse_id = hashlib.sha256(f"{secret_hash}|{event_id}".encode()).hexdigest()[:32]
    return [
        Delivery(
            push=_push(recipient, event_id, secret_hash, collapse_id, payload, now_ms),
            secret_hash=secret_hash,
            event_id=event_id,
            event_type=event.event_type,
            session_id=event.session_id,
            device_id=recipient.device_id,
            created_at=now_ms,
            registered_at=recipient.registered_at,
        )
        for recipient in recipients
    ]


def _alert(event: Event) -> bytes:
    kind = EVENT_KINDS[event.event_type]
    return alert_payload(
        title=event.title or kind.title,
        body=event.body or kind.body,
        event_type=event.event_type,
        session_id=event.session_id,
        server_id=event.server_id,
        url=session_link(event.session_id),
    )


def _push(
    recipient: Recipient, event_id: str, secret_hash: str, collapse_id: str, payload: bytes, now_ms: int
) -> Push:
    name = f"{secret_hash}|{event_id}|{recipient.device_token}|alert"
    return Push(
        apns_id=str(uuid.uuid5(_NAMESPACE, name)),
        device_token=recipient.device_token,
        apns_env=recipient.apns_env,
        topic=recipient.bundle_id,
        push_type="alert",
        priority=10,
        expiration=now_ms // 1000 + ALERT_SECONDS,
        collapse_id=collapse_id,
        payload=payload,
    )
