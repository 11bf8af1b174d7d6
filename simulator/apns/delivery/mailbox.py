"""Store and forward: what waits for a device that APNs cannot reach. Pure: every time comes in as `now`, UNIX seconds.

APNs keeps one push for each app on a device, and a newer one takes its place (Apple: Sending notification requests to
APNs; Troubleshooting push notifications). Assumed: alerts and background pushes share that place whatever their
collapse id, a Live Activity has one for each of its tokens, and a broadcast one for each subscription.
"""

from typing import Final, NamedTuple

from simulator.apns.delivery.delivery import Delivery
from simulator.apns.delivery.handset import Handset
from simulator.apns.registry import DeviceToken

DAY: Final = 86_400.0
STORED_FOR: Final = 30 * DAY  # Apple: Viewing the status of push notifications
BROADCAST_STORED_FOR: Final = 8 * 3600.0  # Apple: Setting up broadcast push notifications


class Slot(NamedTuple):
    """A place for one push: a device, by the identity of its handset, and a box of it."""

    device: int
    box: str


class Parcel(NamedTuple):
    """An accepted push on its way to one device. `unique_id` is its key in the delivery log, also in production.

    `token` is None for a broadcast; `handset` None if the token leads to no device that anybody watches.
    """

    unique_id: str
    delivery: Delivery
    token: DeviceToken | None
    handset: Handset | None
    activity: str = ""


def kept_until(delivery: Delivery) -> float:
    """When APNs gives it up. apns-expiration 0 or a time gone by: at once, after the one attempt."""
    longest = STORED_FOR if delivery.channel_id is None else BROADCAST_STORED_FOR
    limit = delivery.accepted_at + longest
    return limit if delivery.expiration is None else min(delivery.expiration, limit)


def slot_of(parcel: Parcel) -> Slot:
    """Where it would wait."""
    delivery, token = parcel.delivery, parcel.token
    if token is None:
        box = f"{delivery.channel_id}/{parcel.activity}"
    elif delivery.push_type == "liveactivity":
        box = token.token
    else:
        box = token.bundle_id
    return Slot(id(parcel.handset), f"{delivery.realm}/{box}")


class Mailbox:
    """One push a slot, in the order of their acceptance."""

    def __init__(self) -> None:
        self._waiting: dict[Slot, Parcel] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def store(self, parcel: Parcel) -> Parcel | None:
        """Keep this one; what it takes the place of is returned. Stored last means accepted last."""
        slot = slot_of(parcel)
        replaced = self._waiting.pop(slot, None)
        self._waiting[slot] = parcel
        return replaced

    def collect(self, handset: Handset) -> list[Parcel]:
        """Take out all that waits for a device, the first accepted first."""
        return self._take([slot for slot, parcel in self._waiting.items() if parcel.handset is handset])

    def withdraw(self, token: str) -> list[Parcel]:
        """Take out what was sent to this device token."""
        return self._take(
            [slot for slot, each in self._waiting.items() if each.delivery.device_token == token]
        )

    def close(self, channel_id: str) -> list[Parcel]:
        """Take out what came by this channel."""
        return self._take(
            [slot for slot, each in self._waiting.items() if each.delivery.channel_id == channel_id]
        )

    @property
    def first_expiry(self) -> float | None:
        """When the first of them is given up; None if nothing waits."""
        return min((kept_until(parcel.delivery) for parcel in self._waiting.values()), default=None)

    def expire(self, now: float) -> list[Parcel]:
        """Take out what is kept no longer."""
        return self._take([slot for slot, each in self._waiting.items() if kept_until(each.delivery) <= now])

    def _take(self, slots: list[Slot]) -> list[Parcel]:
        return [self._waiting.pop(slot) for slot in slots]
