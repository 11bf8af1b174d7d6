"""A push that APNs has accepted, and how APNs sees the device it goes to. Structural: the fake phone knows nothing of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


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


OnDelivery = Callable[[Delivery], None]


@runtime_checkable
class Device(Protocol):
    """A device. Several tokens may lead to one; two are the same device only if they are the same object."""

    @property
    def name(self) -> str:
        """For people and logs."""
        ...

    @property
    def online(self) -> bool:
        """Whether APNs has a connection to it now."""
        ...

    @property
    def asleep(self) -> bool:
        """Whether it saves power now, so that a push of priority 1 must not wake it."""
        ...

    def refuses(self, delivery: Delivery) -> str | None:
        """Why APNs discards this push for this device and app, e.g. "notifications_off"; None: it takes it."""
        ...

    def receive(self, delivery: Delivery) -> None:
        """Take a push. Only called while it is online and does not refuse."""
        ...


class AlwaysOnline:
    """A device that is always reachable and hands every push to one function."""

    online = True
    asleep = False

    def __init__(self, on_delivery: OnDelivery, name: str = "device") -> None:
        self.name = name
        self._on_delivery = on_delivery

    def refuses(self, _: Delivery) -> None:
        """Nothing is refused."""

    def receive(self, delivery: Delivery) -> None:
        """Hand it on."""
        self._on_delivery(delivery)


def as_device(device: Device | OnDelivery) -> Device:
    """The device itself, or one that is always online around a plain function."""
    return device if isinstance(device, Device) else AlwaysOnline(device)
