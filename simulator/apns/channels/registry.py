"""Broadcast channels and their subscriptions (Apple: Setting up broadcast push notifications). Pure; times are UNIX seconds."""

import base64
import binascii
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, NamedTuple

from simulator.apns.delivery.device import Device
from simulator.apns.errors import UnknownChannel
from simulator.apns.registry import Realm

Policy = Literal[0, 1]

NOT_STORED: Final = 0
NEWEST_STORED: Final = 1
MAX_CHANNELS: Final = (
    10_000  # of an app in one environment; Apple: Sending channel management requests to APNs
)
ID_SIZE: Final = 16  # bytes; Apple's samples have so many


class Subscription(NamedTuple):
    """A device, and for which of its activities; each gets every broadcast once."""

    device: Device
    activity: str


@dataclass(slots=True)
class Channel:
    """One channel. Its policy never changes: 0 = no message is stored, 1 = the newest is, for devices that are offline."""

    channel_id: str
    realm: Realm
    bundle_id: str
    policy: Policy
    created_at: float
    subscriptions: list[Subscription] = field(default_factory=list)


def is_channel_id(text: str) -> bool:
    """Whether this is base64 of something."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


class Channels:
    """All channels of both environments; ids are not shared between them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._channels: dict[tuple[Realm, str], dict[str, Channel]] = {}

    def create(self, realm: Realm, bundle_id: str, policy: Policy, now: float) -> str:
        """A new channel; its id. How many there may be is for the checks."""
        channel_id = base64.b64encode(self._random.randbytes(ID_SIZE)).decode("ascii")
        self._of(realm, bundle_id)[channel_id] = Channel(channel_id, realm, bundle_id, policy, now)
        return channel_id

    def find(self, realm: Realm, bundle_id: str, channel_id: str) -> Channel | None:
        """The app's channel of this environment, or None."""
        return self._channels.get((realm, bundle_id), {}).get(channel_id)

    def delete(self, realm: Realm, bundle_id: str, channel_id: str) -> None:
        """Its subscriptions end with it. UnknownChannel if the app has none of this id."""
        if self._of(realm, bundle_id).pop(channel_id, None) is None:
            raise UnknownChannel(channel_id)

    def ids(self, realm: Realm, bundle_id: str) -> list[str]:
        """All channels of an app, the oldest first."""
        return list(self._channels.get((realm, bundle_id), {}))

    def count(self, realm: Realm, bundle_id: str) -> int:
        """How many there are."""
        return len(self._channels.get((realm, bundle_id), {}))

    def channel(self, channel_id: str) -> Channel:
        """By its id alone. UnknownChannel if there is none, or no more."""
        for channels in self._channels.values():
            if channel_id in channels:
                return channels[channel_id]
        raise UnknownChannel(channel_id)

    def subscribe(self, channel_id: str, device: Device, activity: str = "") -> None:
        """Subscribe a device, once for each of its activities. UnknownChannel as above."""
        channel = self.channel(channel_id)
        if not any(_is_same(each, device, activity) for each in channel.subscriptions):
            channel.subscriptions.append(Subscription(device, activity))

    def unsubscribe(self, channel_id: str, device: Device, activity: str = "") -> None:
        """End a subscription, if there is one. UnknownChannel as above."""
        channel = self.channel(channel_id)
        channel.subscriptions = [
            each for each in channel.subscriptions if not _is_same(each, device, activity)
        ]

    def _of(self, realm: Realm, bundle_id: str) -> dict[str, Channel]:
        return self._channels.setdefault((realm, bundle_id), {})


def _is_same(subscription: Subscription, device: Device, activity: str) -> bool:
    return subscription.device is device and subscription.activity == activity
