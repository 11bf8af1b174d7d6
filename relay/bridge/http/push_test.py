"""A push that tries the whole way to the phones: what is asked for, the event that is sent, and what is replied. Pure.

Request and replies are those of the first implementation, with the relay's counts added. There `ok` meant that the push
was queued; here it means that the relay took it.
"""

from typing import Any

from relay import contract
from relay.bridge.notify.mapping import Sender, event_id
from relay.bridge.notify.relay_client import Answer
from relay.contract import ContentState, EventType, Message, Name

TITLE = "Push test"
BODY = "Pushes from OpenCode reach this phone."


class PushTest(Message, frozen=True, kw_only=True):
    """Body of POST /experimental/push/test."""

    secret: str
    session_id: Name | None = None
    event_type: EventType = "permission"


class PushEnabled(Message, frozen=True, kw_only=True):
    """Reply of GET /experimental/push. A bridge has both, or it would not run."""

    enabled: bool = True
    relay_secret_set: bool = True


class PushTested(Message, frozen=True, kw_only=True):
    """The relay took it, and so many pushes were accepted by APNs, refused, or are still being tried."""

    ok: bool = True
    enabled: bool = True
    sent: int | None
    failed: int | None
    queued: int | None


class PushNotTested(Message, frozen=True, kw_only=True):
    """The relay's envelope, and beside it the fields of the first implementation."""

    ok: bool = False
    error: str
    code: str
    data: PushEnabled = PushEnabled()
    errors: list[dict[str, str]]
    success: bool = False


def push_test_event(
    sender: Sender, now_ms: int, *, event_type: EventType = "permission", session_id: str | None = None
) -> contract.Event:
    """The event that rings. Its state is a final one, so that it begins no Live Activity of a session that is none."""
    session_id = session_id or f"test-{now_ms}"
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type=event_type,
        session_id=session_id,
        title=TITLE,
        body=BODY,
        content_state=ContentState(status="complete", session_title=TITLE, last_message=BODY),
        event_id=event_id(sender.server_id, session_id, "test", str(now_ms)),
    )


def push_test_reply(answer: Answer) -> tuple[PushTested | PushNotTested, int]:
    """What became of it, with the HTTP status."""
    if answer.verdict == "delivered":
        counts: dict[str, Any] = answer.counts or {}
        tested = PushTested(sent=counts.get("sent"), failed=counts.get("failed"), queued=counts.get("queued"))
        return tested, 200
    if answer.verdict == "refused":
        return not_tested(f"The relay refused the test push ({answer.reason})", "relay_refused"), 502
    return not_tested(f"The relay did not take the test push ({answer.reason})", "relay_unavailable"), 502


def not_tested(sentence: str, code: str) -> PushNotTested:
    """Why there was no push."""
    return PushNotTested(error=sentence, code=code, errors=[{"message": sentence}])
