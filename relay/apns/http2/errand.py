"""A push on its way through the pool."""

import asyncio
from typing import TYPE_CHECKING

from relay.apns.push import Outcome, Push

if TYPE_CHECKING:
    from relay.apns.http2.connection import ApnsConnection


class Errand:
    """Waits for a stream, then for its answer. `began` and `ends` are times of the event loop, in seconds."""

    __slots__ = ("answers_before", "began", "connection", "ends", "outcome", "push", "resent", "stream_id")

    def __init__(self, push: Push, began: float, ends: float, outcome: "asyncio.Future[Outcome]") -> None:
        self.push = push
        self.began = began
        self.ends = ends
        self.outcome = outcome
        self.resent = False
        """It was sent before, and provably not processed."""
        self.connection: ApnsConnection | None = None
        """Where it is out; None while it waits for a stream."""
        self.stream_id = 0
        self.answers_before = 0
        """How many pushes that connection had answered when this one went out."""

    @property
    def seconds(self) -> float:
        """How long it had, from beginning to end."""
        return self.ends - self.began
