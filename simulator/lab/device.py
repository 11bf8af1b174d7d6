"""A phone of the lab: the tokens that APNs gave its app, and the broadcast channels that its activities listen to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulator.apns.channels.registry import Channel
from simulator.apns.delivery.device import Device as Receiver
from simulator.apns.errors import UnknownChannel
from simulator.apns.registry import Kind, Realm, Registry
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock
from simulator.journal import Journal
from simulator.lab.errors import NotNow
from simulator.phone.activitykit.attributes import ActivityType
from simulator.phone.phone import Phone
from simulator.phone.profile import profile

OwnKind = Literal["alert", "voip", "push-to-start", "widgets"]
OWN_KINDS: tuple[OwnKind, ...] = ("alert", "voip", "push-to-start", "widgets")
"""Tokens that an app has from the start; those of activities come and go with them."""


class Issuer:
    """Issues tokens of one bundle id and realm. `remembered` tokens, which the registry must know, are given out first.

    Tokens that were issued before there was a device lead to it as soon as `lead_to` names it.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        bundle_id: str,
        realm: Realm,
        remembered: Mapping[Kind, str] | None = None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._bundle_id = bundle_id
        self._realm: Realm = realm
        self._remembered = dict(remembered or {})
        self._receiver: Receiver | None = None
        self.issued: dict[str, Kind] = {}

    def lead_to(self, receiver: Receiver | None) -> None:
        """From now on all its tokens lead to this device; None: to nobody."""
        self._receiver = receiver
        for token in self.issued:
            self._registry.attach(token, receiver)

    def issue(self, kind: Kind) -> str:
        """A token of this kind, in lower-case hex."""
        token = self._remembered.pop(kind, None)
        if token is None:
            token = self._registry.mint_token(self._bundle_id, self._realm, kind)
        self.issued[token] = kind
        self._registry.attach(token, self._receiver)
        return token

    def expire(self, token: str) -> None:
        """Its activity is over, or has another token now: APNs answers 410."""
        self._registry.expire(token, self._clock.now())

    def give_up(self, token: str) -> None:
        """The app has another token now: APNs says 200 and discards what comes for this one, later 410 Unregistered (assumed)."""
        self._registry.uninstall(token, self._clock.now())

    def retire(self, keep: frozenset[str]) -> None:
        """The phone gives way to a new one, which has the tokens `keep`, alive again; all others have expired."""
        self.lead_to(None)
        for token in self.issued:
            (self._registry.reactivate if token in keep else self.expire)(token)

    def newest(self, kind: Kind) -> str | None:
        """The token of this kind that was issued last."""
        return next((token for token, one in reversed(self.issued.items()) if one == kind), None)


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What a new phone is like. `bundle_id` and `realm` are those of the one app on it.

    `phone_profile` is the name of one of the phone's profiles; `activity_types` are the Live Activity types that the app
    knows, None for those of this project's app.
    """

    name: str
    bundle_id: str
    realm: Realm = "sandbox"
    ios: str = "18.5"
    phone_profile: str = "default"
    activity_types: tuple[ActivityType, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """One phone and what it was made of."""

    spec: DeviceSpec
    phone: Phone
    issuer: Issuer
    options: Mapping[str, Any]

    @property
    def tokens(self) -> dict[Kind, str]:
        """The newest token of each kind the app has from the start, whole."""
        found = {kind: self.issuer.newest(kind) for kind in OWN_KINDS}
        return {kind: token for kind, token in found.items() if token is not None}

    def turn_on(self) -> None:
        """The app asks APNs for its tokens, and pushes for them reach the phone."""
        phone = self.phone
        _ = phone.app.token, phone.device.voip_token
        _ = phone.device.push_to_start_token, phone.device.widget_token
        self.issuer.lead_to(phone)

    def rotate(self, kind: Kind, *, gone: bool = True) -> str:
        """The app gets another token of this kind. APNs knows that the old one is `gone`, or goes on to answer 200 for it.

        NotNow if it has none of this kind. Whatever comes for the old one reaches nobody.
        """
        old, device = self.tokens.get(kind), self.phone.device
        if old is None:
            raise NotNow(
                f"{self.spec.name} has no token of the kind {kind!r}; it has {', '.join(self.tokens)}"
            )
        rotations = {
            "alert": lambda: device.rotate(self.spec.realm),
            "voip": device.rotate_voip,
            "push-to-start": lambda: device.rotate_push_to_start(expire=gone),
            "widgets": device.rotate_widgets,
        }
        new = rotations[kind]() or old
        if gone and kind != "push-to-start":
            self.issuer.give_up(old)
        return new


def build(
    spec: DeviceSpec,
    registry: Registry,
    clock: Clock,
    journal: Journal,
    remembered: Mapping[Kind, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Device:
    """A phone with its tokens minted and attached, the `remembered` ones before new ones. UnknownApp, ValueError.

    `options` are further ones of a Phone, and overrule the spec where the app does not say the truth about itself.
    """
    issuer = Issuer(registry, clock, spec.bundle_id, spec.realm, remembered)
    of_spec = {
        "name": spec.name,
        "os_version": spec.ios,
        "realm": spec.realm,
        "bundle_id": spec.bundle_id,
        "types": spec.activity_types,
        "profile": profile(spec.phone_profile),
    }
    phone = Phone(clock, journal, issuer, **of_spec | dict(options or {}))
    device = Device(spec, phone, issuer, options or {})
    device.turn_on()
    return device


Tuned = tuple[str, Phone]


class Tuner:
    """Keeps the sandbox's subscriptions as the phones' activities want them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._tuned: set[Tuned] = set()

    def update(self, devices: Iterable[Device]) -> None:
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
