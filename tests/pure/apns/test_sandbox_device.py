"""A device as APNs sees it: anything of that shape, or a plain function."""

from random import Random

from simulator.apns.delivery.device import AlwaysOnline, Delivery, Device, as_device
from simulator.apns.registry import Registry

PUSH = Delivery(
    "ID", None, "ab" * 32, "com.example.app", "alert", 10, None, None, {"aps": {}}, 1.0, "sandbox"
)


class Phone:
    """Of the shape, without knowing of it."""

    name = "iPhone"
    online = False
    asleep = True

    def __init__(self) -> None:
        self.got: list[object] = []

    def refuses(self, delivery: object) -> str | None:
        return "notifications_off"

    def receive(self, delivery: object) -> None:
        self.got.append(delivery)


def test_whatever_has_the_shape_is_a_handset() -> None:
    phone = Phone()
    assert isinstance(phone, Device)
    assert as_device(phone) is phone


def test_a_function_becomes_a_device_that_is_always_online_and_takes_everything() -> None:
    got: list[Delivery] = []
    device = as_device(got.append)
    assert isinstance(device, AlwaysOnline)
    assert (device.name, device.online, device.asleep, device.refuses(PUSH)) == ("device", True, False, None)
    device.receive(PUSH)
    assert got == [PUSH]


def test_the_registry_takes_both() -> None:
    registry = Registry(Random(1))
    registry.add_app("com.example.app")
    token = registry.mint_token("com.example.app", "sandbox")
    phone = Phone()
    registry.attach(token, phone)
    assert registry.token(token).device is phone
    registry.attach(token, print)
    assert isinstance(registry.token(token).device, AlwaysOnline)


def test_an_ordinary_push_has_no_channel() -> None:
    assert PUSH.channel_id is None
