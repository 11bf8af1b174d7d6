"""A phone of the lab, with the tokens that APNs gave its app."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.apns.registry import Kind, Realm, Registry
from simulator.clock import Clock
from simulator.journal import Journal
from simulator.lab.issuer import Issuer
from simulator.phone.activitykit.payload import APP_TYPES, ActivityType
from simulator.phone.phone import Phone
from simulator.phone.profile import profile

OWN_KINDS: tuple[Kind, ...] = ("alert", "voip", "push-to-start")
"""Tokens that an app has from the start; those of activities come and go with them."""


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

    @property
    def tokens(self) -> dict[Kind, str]:
        """The newest token of each kind the app has from the start, whole."""
        found = {kind: self.issuer.newest(kind) for kind in OWN_KINDS}
        return {kind: token for kind, token in found.items() if token is not None}

    def turn_on(self) -> None:
        """The app asks APNs for its tokens, and pushes for them reach the phone."""
        phone = self.phone
        _ = phone.app.token, phone.device.voip_token, phone.device.push_to_start_token
        self.issuer.lead_to(phone)


def build(
    spec: DeviceSpec,
    registry: Registry,
    clock: Clock,
    journal: Journal,
    remembered: Mapping[Kind, str] | None = None,
) -> Device:
    """A phone with its tokens minted and attached, the `remembered` ones before new ones. UnknownApp, ValueError."""
    issuer = Issuer(registry, clock, spec.bundle_id, spec.realm, remembered)
    phone = Phone(
        clock,
        journal,
        issuer,
        name=spec.name,
        os_version=spec.ios,
        realm=spec.realm,
        bundle_id=spec.bundle_id,
        types=APP_TYPES if spec.activity_types is None else spec.activity_types,
        profile=profile(spec.phone_profile),
    )
    device = Device(spec, phone, issuer)
    device.turn_on()
    return device
