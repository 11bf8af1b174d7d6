"""What a server says when it is asked instead of listened to: after a gap in the stream this is all there is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from relay.bridge.sources.opencode1.events import Asking, FailureData, Message, RetryStatus, details

Ending = Literal["complete", "error", "stopped", "interrupted"]
"""How a run ended that nobody saw ending."""

SILENT_ERRORS: dict[str, Ending] = {
    "MessageAbortedError": "stopped",
    "ContextOverflowError": "interrupted",  # the server goes on after it, unless it is killed
}

STOPPED_FINISHES = (None, "tool-calls")
"""A completed message that ends like this waits for a model call that never came: an abort during a retry gives no
finish at all, and a rejected request leaves the tool calls as the last word (both observed on OpenCode 1.18)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answers of GET /session/status, /permission and /question for each of `directories` (None: the server's own).

    Only sessions that are not idle have a status. OpenCode keeps requests of aborted sessions for ever, so a request
    counts only if its session has a status.
    """

    directories: frozenset[str | None]
    statuses: Mapping[str, RetryStatus]
    requests: Sequence[Asking]


def ending(newest: Message | None) -> Ending:
    """How the run ended whose newest message this is; None: it has none."""
    if newest is None or newest.info.role != "assistant":
        return "interrupted"
    if failure := failure_of(newest):
        return SILENT_ERRORS.get(failure.name, "error")
    if not newest.info.time.completed:
        return "interrupted"
    return "stopped" if newest.info.finish in STOPPED_FINISHES else "complete"


def failure_of(message: Message) -> FailureData | None:
    """The error in a message, if there is one."""
    raw = bytes(message.info.error)
    return details(raw, FailureData) if raw not in (b"", b"null") else None
