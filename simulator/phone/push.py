"""What a phone gets from APNs."""

from typing import Any, Protocol


class Push(Protocol):
    """One delivered push, whoever delivers it.

    `expiration` is UNIX seconds, 0 for "now or never", None if the provider named none; `accepted_at` is UNIX seconds;
    `push_type` and `priority` are the apns-push-type and apns-priority headers; `payload` is the decoded JSON object.
    """

    @property
    def apns_id(self) -> str: ...
    @property
    def apns_unique_id(self) -> str | None: ...
    @property
    def device_token(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def push_type(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def expiration(self) -> int | None: ...
    @property
    def collapse_id(self) -> str | None: ...
    @property
    def payload(self) -> dict[str, Any]: ...
    @property
    def accepted_at(self) -> float: ...


def expired(push: Push, now: float) -> bool:
    """Whether it comes too late, at `now` (UNIX seconds).

    0 means "try once, never store". A time that was gone by when APNs took it is assumed to mean the same, because APNs
    "tries to deliver it at least once" (Apple, Sending notification requests to APNs).
    """
    return push.accepted_at < (push.expiration or 0) <= now


def ids(push: Push | None) -> dict[str, str]:
    """How a push is called in the journal: its apns-id, and its apns-unique-id if it has one."""
    found = {} if push is None else {"apnsID": push.apns_id, "apnsUniqueID": push.apns_unique_id}
    return {name: value for name, value in found.items() if value is not None}
