"""How APNs sees a device: by name, reachable or not, and what it takes. Structural: the fake phone knows nothing of it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from simulator.apns.delivery.delivery import Delivery

OnDelivery = Callable[[Delivery], None]


@runtime_checkable
class Handset(Protocol):
    """A device. Several tokens may lead to one; two handsets are the same device only if they are the same object."""

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


def as_handset(device: Handset | OnDelivery) -> Handset:
    """The handset itself, or one that is always online around a plain function."""
    return device if isinstance(device, Handset) else AlwaysOnline(device)
