"""Which phones listen to which broadcast channels: those with a running activity that was started on one."""

from collections.abc import Iterable

from simulator.apns.channels.registry import Channel
from simulator.apns.errors import UnknownChannel
from simulator.apns.sandbox import Sandbox
from simulator.lab.device import Device
from simulator.phone.phone import Phone

Tuned = tuple[str, Phone]


class Tuner:
    """Keeps the sandbox's subscriptions as the phones' activities want them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._tuned: set[Tuned] = set()

    def settle(self, devices: Iterable[Device]) -> None:
        """Subscribe and unsubscribe; a channel that does not exist, or is another app's, is tried again next time."""
        wanted = {one for device in devices for one in self._wanted(device)}
        for channel_id, phone in self._tuned - wanted:
            if self._find(channel_id) is not None:
                self._sandbox.unsubscribe(channel_id, phone)
        for channel_id, phone in wanted - self._tuned:
            self._sandbox.subscribe(channel_id, phone)
        self._tuned = wanted

    def _wanted(self, device: Device) -> set[Tuned]:
        channels = {activity.channel for activity in device.phone.activities.active}
        found = [self._find(channel_id) for channel_id in channels if channel_id is not None]
        return {
            (channel.channel_id, device.phone)
            for channel in found
            if channel is not None
            and (channel.realm, channel.bundle_id) == (device.spec.realm, device.spec.bundle_id)
        }

    def _find(self, channel_id: str) -> Channel | None:
        try:
            return self._sandbox.channels.channel(channel_id)
        except UnknownChannel:
            return None
