"""How the bridge is, as GET /health says it: the stream, what waits for the relay, and the relay's last word. Pure."""

from typing import Literal

from relay.bridge.notify.relay_client import LastAnswer, Verdict
from relay.bridge.sources.opencode1.stream import EventStream
from relay.contract import Message

StreamState = Literal["connected", "waiting"]


class RelayAnswer(Message, frozen=True, kw_only=True):
    """What the relay said last. `at` is in UNIX milliseconds; `reason` is empty when it took the event."""

    verdict: Verdict
    at: int
    reason: str = ""


class BridgeHealth(Message, frozen=True, kw_only=True):
    """Reply of the bridge's GET /health. `ok`: OpenCode's events are coming in.

    `version` is OpenCode's; `last_event_at` is in UNIX milliseconds; `outbox` counts events that the relay has not
    taken yet. None: not connected yet, nothing heard yet, the relay was not asked yet.
    """

    ok: bool
    stream: StreamState
    version: str | None
    last_event_at: int | None
    outbox: int
    relay: RelayAnswer | None


def bridge_health(stream: EventStream, waiting: int, last: LastAnswer | None) -> BridgeHealth:
    """The health of a bridge with this stream, so many events in its outbox, and this last answer of the relay."""
    return BridgeHealth(
        ok=stream.connected,
        stream="connected" if stream.connected else "waiting",
        version=stream.version,
        last_event_at=None if stream.heard_at is None else int(stream.heard_at * 1000),
        outbox=waiting,
        relay=None if last is None else _relay_answer(last),
    )


def _relay_answer(last: LastAnswer) -> RelayAnswer:
    return RelayAnswer(verdict=last.answer.verdict, at=int(last.at * 1000), reason=last.answer.reason)
