"""Which trace an event belongs to, as bridge and relay agree on it: W3C Trace Context's header `traceparent`. Pure.

Both ids are made of the event's id, so that each attempt to report it is in the same trace, and so is what a relay sends for it that
was started in between, or another relay on the same database: nothing has to be kept.
"""

import hashlib
from typing import Final, NamedTuple

HEADER: Final = "traceparent"


class TraceParent(NamedTuple):
    """The trace, and the span that the event is the child of."""

    trace_id: int
    span_id: int

    def __str__(self) -> str:
        """Version 00, sampled."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def of_event(event_id: str) -> TraceParent:
    """The bridge's."""
    digest = hashlib.sha256(f"trace of {event_id}".encode()).digest()
    # Neither may be 0 (W3C Trace Context 3.2.2.3 and 3.2.2.4).
    return TraceParent(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1)
