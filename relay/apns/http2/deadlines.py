"""Pushes that wait, for a stream or for their answer, and their deadlines with one timer: a timer for each would cost
more than the push.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from relay.apns.http2.connection import ApnsConnection
from relay.apns.push import Outcome, Push

STEP: Final = 0.01
"""Seconds between two wakings at least, so that a thousand deadlines in a row are one waking."""


class PendingPush:
    """Waits for a stream, then for its answer. `began` and `ends` are times of the event loop, in seconds."""

    __slots__ = ("answers_before", "began", "connection", "ends", "outcome", "push", "resent", "stream_id")

    def __init__(self, push: Push, began: float, ends: float, outcome: "asyncio.Future[Outcome]") -> None:
        self.push = push
        self.began = began
        self.ends = ends
        self.outcome = outcome
        self.resent = False
        """It was sent before, and provably not processed."""
        self.connection: ApnsConnection[PendingPush] | None = None
        """Where it is out; None while it waits for a stream."""
        self.stream_id = 0
        self.answers_before = 0
        """How many pushes that connection had answered when this one went out."""

    def send_over(self, connection: "ApnsConnection[PendingPush]") -> None:
        """Open a stream for it, for which there is room."""
        self.connection, self.answers_before = connection, connection.answers
        self.stream_id = connection.send(self.push, self)

    @property
    def may_resend(self) -> bool:
        """Somebody waits for it, and it was not sent twice."""
        return not self.resent and not self.outcome.done()

    def within(self, missing: str) -> str:
        """Why it ends without an answer."""
        return f"no {missing} within {self.ends - self.began:.1f} s"


class Deadlines:
    """Calls `expire` for each push whose time is over."""

    def __init__(self, expire: Callable[[PendingPush], None]) -> None:
        self._expire = expire
        self._pending: set[PendingPush] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def add(self, pending: PendingPush) -> None:
        """Watch this one."""
        self._pending.add(pending)
        if pending.ends < self._next:
            self._wake_at(pending.ends)

    def remove(self, pending: PendingPush) -> None:
        """It has its outcome. The timer stays: it finds others, or nothing."""
        self._pending.discard(pending)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake_at(self, when: float) -> None:
        self.close()
        self._next = when
        self._timer = asyncio.get_running_loop().call_at(when, self._wake)

    def _wake(self) -> None:
        now, self._next = asyncio.get_running_loop().time(), float("inf")
        for pending in [pending for pending in self._pending if pending.ends <= now]:
            self._expire(pending)
        if self._pending:
            self._wake_at(max(min(pending.ends for pending in self._pending), now + STEP))
