"""One push of one event to one phone: the phone, the delivery, an attempt at it, how that attempt ended, and the outbox that
keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict
from relay.contract import ActivityFormat, ApnsEnv
from relay.server.turns import Places

DeliveryStatus = Literal["queued", "sent", "failed"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """A phone that is registered for the events of a secret. `registered_at` is UTC milliseconds."""

    device_id: str
    device_token: str
    bundle_id: str
    apns_env: ApnsEnv
    registered_at: int
    push_to_start_token: str | None = None
    activity_format: ActivityFormat = "flat"


class PastAttempt(NamedTuple):
    """An attempt that has ended: the how manieth it was, when it ended (UTC ms), and what APNs answered, or our words where it did not."""

    number: int
    at: int
    apns_env: str
    http_status: int | None
    reason: str | None
    error: str | None
    latency_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One push of one event to one phone. `created_at` is UTC milliseconds; `attempts` counts those that have ended, of which
    `past_attempts` has the newest.
    """

    push: Push
    secret_hash: str
    event_id: str
    event_type: str
    session_id: str
    device_id: str
    created_at: int
    registered_at: int
    attempts: int = 0
    past_attempts: tuple[PastAttempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """A delivery that this relay has claimed.

    `key` is what the claim is for: while it is held, this relay makes no other attempt of that key.
    `send_before` (UTC ms): later its lease may run out while APNs is asked. None: it is sent whenever its turn comes.
    """

    delivery: Delivery
    key: str
    send_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """How an attempt ended at `at` (UTC ms). `due_at` (UTC ms): when the next one is due, for `queued` only.

    `apns_env`: where the token belongs; for `queued` where the next attempt begins, which is where this one did.
    """

    delivery: Delivery
    outcome: Outcome
    status: DeliveryStatus
    apns_env: ApnsEnv
    at: int
    due_at: int
    latency_ms: int

    @property
    def moved(self) -> bool:
        """Whether the other environment took the push."""
        return self.status == "sent" and self.outcome.apns_env != self.delivery.push.apns_env

    @property
    def token_dead(self) -> bool:
        """Whether the token is to be forgotten; `outcome.timestamp` is since when it is dead, where APNs said so."""
        return self.outcome.verdict is Verdict.TOKEN_DEAD


A = TypeVar("A", bound=DeliveryAttempt)


class Outbox(Protocol[A]):
    """One kind of push: what is due, what an outcome means for it, and where both are kept."""

    async def release_leases(self) -> None:
        """What this relay held when it was killed is free again."""
        ...

    async def bring_forward(self) -> None:
        """What was written by a clock that was ahead, and is due only when that much time has passed, is due now."""
        ...

    async def claim(self, limit: int, held: Places) -> tuple[Sequence[A], float]:
        """Take over what is due: no key that is held, and of each secret what finds a place; and the seconds in which to poll again.

        An outbox that takes them one by one hands each to `DeliveryEngine.claim` instead.
        """
        ...

    def result(self, attempt: A, outcome: Outcome, *, at: int, latency_ms: int) -> DeliveryResult:
        """How the attempt ended. Pure."""
        ...

    async def save(self, results: Sequence[tuple[A, DeliveryResult]]) -> None:
        """Write the results down. Raises Unavailable; it is then called again with the same."""
        ...

    async def sweep(self) -> None:
        """Forget what is old."""
        ...

    async def next_due_at(self) -> int | None:
        """When the next push is due or was (UTC ms); None: none waits."""
        ...
