"""What the bridge's own routes reply: its health, and a test push that goes all the way to the phones. Pure.

The test push has request and replies of the first implementation, with the relay's counts added. There `ok` meant that the
push was queued; here it means that the relay took it.
"""

from typing import Any, Literal

from relay import contract
from relay.bridge.notify.mapping import Sender, event_id
from relay.bridge.notify.relay_client import PostResult, Verdict
from relay.bridge.notify.source import SourceHealth
from relay.contract import ContentState, EventType, Message
from relay.fields import Name

StreamState = Literal["connected", "waiting"]


class RelayReply(Message, frozen=True, kw_only=True):
    """What the relay replied last. `at` is in UNIX milliseconds; `reason` is empty when it took the event."""

    verdict: Verdict
    at: int
    reason: str = ""


class BridgeHealth(Message, frozen=True, kw_only=True):
    """Reply of the bridge's GET /health. `ok`: OpenCode's events are coming in.

    `version` is OpenCode's; `last_event_at` is in UNIX milliseconds; `outbox` counts events that the relay has not
    taken yet. None: not connected yet, nothing received yet, nothing sent to the relay yet.
    """

    ok: bool
    stream: StreamState
    version: str | None
    last_event_at: int | None
    outbox: int
    relay: RelayReply | None


def bridge_health(source: SourceHealth, waiting: int, last: PostResult | None) -> BridgeHealth:
    """The health of a bridge with this source, so many events in its outbox, and this last reply of the relay."""
    return BridgeHealth(
        ok=source.connected,
        stream="connected" if source.connected else "waiting",
        version=source.version,
        last_event_at=None if source.last_event_at is None else int(source.last_event_at * 1000),
        outbox=waiting,
        relay=None
        if last is None
        else RelayReply(verdict=last.verdict, at=int(last.at * 1000), reason=last.reason),
    )


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


def push_test_reply(result: PostResult) -> tuple[PushTested | PushNotTested, int]:
    """The reply, with its HTTP status."""
    if result.verdict == "delivered":
        counts: dict[str, Any] = result.counts or {}
        tested = PushTested(sent=counts.get("sent"), failed=counts.get("failed"), queued=counts.get("queued"))
        return tested, 200
    if result.verdict == "refused":
        return not_tested(f"The relay refused the test push ({result.reason})", "relay_refused"), 502
    return not_tested(f"The relay did not take the test push ({result.reason})", "relay_unavailable"), 502


def not_tested(sentence: str, code: str) -> PushNotTested:
    """Why there was no push."""
    return PushNotTested(error=sentence, code=code, errors=[{"message": sentence}])
