"""A push that APNs has accepted, on its way to the device."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the device's daemon gets. Times are UNIX seconds; `expiration` None = header absent, 0 = do not store.

    `apns_unique_id` is None outside the sandbox realm. `channel_id` is the broadcast channel it came by, None for an
    ordinary push.
    """

    apns_id: str
    apns_unique_id: str | None
    device_token: str
    topic: str
    push_type: str
    priority: int
    expiration: int | None
    collapse_id: str | None
    payload: dict[str, Any]
    accepted_at: float
    realm: str
    channel_id: str | None = None
