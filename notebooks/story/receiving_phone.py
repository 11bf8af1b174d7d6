"""A phone that keeps what it was handed."""

from typing import Any

from simulator.apns.delivery.device import Delivery
from simulator.phone.phone import Phone
from simulator.phone.push import Push


class ReceivingPhone(Phone):
    """`received` holds every push as APNs handed it over: headers, dates and payload, the oldest first."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.received: list[Delivery] = []

    def receive(self, push: Push) -> None:
        """Keep it, and do with it what any phone does."""
        assert isinstance(push, Delivery)
        self.received.append(push)
        super().receive(push)
