"""Phones: what a person does to one, and what is to be seen on it."""

from typing import Annotated, Any, Literal

import msgspec

from simulator.apns.registry import Realm
from simulator.lab.control.activities import activity_fields
from simulator.lab.control.route import Body, Call, Fields, Route
from simulator.lab.device import OWN_KINDS, Device, DeviceSpec, OwnKind
from simulator.lab.errors import Impossible, Unknown
from simulator.phone.activitykit.attributes import ActivityType
from simulator.phone.notifications import Notification

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^/]+$")]


class NewDevice(Body):
    """`realm` is that of the app's build, `phone_profile` how strict iOS is: lenient, default, measured or strict.

    `activity_types` are the Live Activity types the app knows; None: those of the app of this project. `tokens` are tokens of one's own
    by kind (alert, voip, push-to-start, widgets); the others are minted.
    """

    name: Name
    bundle_id: str
    realm: Realm = "sandbox"
    ios: str = "18.5"
    phone_profile: str = "default"
    activity_types: list[ActivityType] | None = None
    tokens: dict[OwnKind, str] | None = None

    def __post_init__(self) -> None:
        names = [one.name for one in self.activity_types or ()]
        if len(set(names)) < len(names):
            raise ValueError("two of the activity_types have one name, which is how a push tells them apart")

    def spec(self) -> DeviceSpec:
        """The phone that is wanted."""
        types = None if self.activity_types is None else tuple(self.activity_types)
        return DeviceSpec(self.name, self.bundle_id, self.realm, self.ios, self.phone_profile, types)


_STATE = {
    "online": "online",
    "screen": "screen",
    "low_power": "low_power",
    "ios": "os_version",
    "app": "app",
    "app_installed": "app_installed",
    "notifications": "notifications_allowed",
    "live_activities": "live_activities",
    "start_token_works": "start_token_works",
    "frequent_updates": "frequent_updates",
    "la_allow_tapped": "la_allow_tapped",
    "badge": "badge",
    "time_sensitive_entitlement": "time_sensitive_entitlement",
}
"""The keys of PATCH, and what a phone calls them."""


def summary(device: Device) -> Fields:
    """`{name, bundle_id, realm, tokens, state}`; tokens whole, by kind: a person needs them to push."""
    spec = device.spec
    return {
        "name": spec.name,
        "bundle_id": spec.bundle_id,
        "realm": spec.realm,
        "tokens": device.tokens,
        "state": {key: getattr(device.phone.device, name) for key, name in _STATE.items()},
    }


def _whole(device: Device) -> Fields:
    phone = device.phone
    return summary(device) | {
        "notifications": [_notification(one) for one in phone.notifications],
        "activities": [activity_fields(one) for one in phone.activities.all],
        "widget_reloads": phone.widget_reloads,
        "log": phone.log,
    }


def _notification(notification: Notification) -> Fields:
    """As the lock screen holds it, newest first; `at` is UNIX seconds."""
    fields: Fields = msgspec.to_builtins(notification)
    return fields


async def index(call: Call) -> Fields:
    """All phones with their tokens and settings."""
    return {"devices": [summary(device) for device in call.lab.devices]}


async def add(call: Call) -> Fields:
    """A new phone that has the app and is online; tokens that are not given are minted."""
    body: NewDevice = call.body
    return {"device": _whole(call.lab.add_device_with(body.spec(), body.tokens or {}))}


async def show(call: Call) -> Fields:
    """One phone, with its notifications, its Live Activities and the system's log of them."""
    return {"device": _whole(call.lab.device(call.path["name"]))}


async def change(call: Call) -> Fields:
    """Do to it what a person can do; the body's keys are those of `state`, and `la_dismissed_by_user`."""
    changes: dict[str, Any] = call.body
    return {"device": _whole(call.lab.change_device(call.path["name"], changes))}


class RotateToken(Body):
    """What APNs does with the old token: it is `gone`, which APNs answers as late as ever, or goes on to be `accepted`, and
    reaches nobody.
    """

    old: Literal["gone", "accepted"] = "gone"


async def rotate(call: Call) -> Fields:
    """The system gives the app another token of a kind: alert, voip, push-to-start or widgets."""
    body: RotateToken = call.body
    device, kind = call.lab.device(call.path["name"]), call.path["kind"]
    if kind not in OWN_KINDS:
        raise Unknown(f"an app has tokens of the kinds {', '.join(OWN_KINDS)}, not {kind!r}")
    old = device.tokens.get(kind)
    new = device.rotate(kind, gone=body.old == "gone")
    return {"token": new, "old": old}


class PhoneProfile(Body):
    """lenient, default, measured or strict."""

    name: str


async def show_profile(call: Call) -> Fields:
    """What iOS on this phone does where Apple publishes no numbers; delays are `[lowest, highest, usual]` seconds."""
    return {"profile": call.lab.device(call.path["name"]).phone.profile.dump()}


async def change_profile(call: Call) -> Fields:
    """Change single values; what comes from now on sees them. A reset brings back the profile the phone was made with."""
    changes: dict[str, Any] = call.body
    phone = call.lab.device(call.path["name"]).phone
    try:
        phone.profile.change(changes)
    except ValueError as error:
        raise Impossible(str(error)) from None
    return await show_profile(call)


async def choose_profile(call: Call) -> Fields:
    """Take on a whole set."""
    body: PhoneProfile = call.body
    phone = call.lab.device(call.path["name"]).phone
    try:
        phone.profile.become(body.name)
    except ValueError as error:
        raise Impossible(str(error)) from None
    return await show_profile(call)


async def remove(call: Call) -> Fields:
    """The phone is gone."""
    call.lab.remove_device(call.path["name"])
    return {}


async def tap(call: Call) -> Fields:
    """The person taps the notification of a push: it goes, and the app gets its link."""
    phone = call.lab.device(call.path["name"]).phone
    apns_id = call.path["apns_id"]
    for notification in phone.notifications:
        if notification.apns_id.lower() == apns_id.lower():
            return {"url": phone.tap(notification)}
    raise Unknown(f"{phone.name} shows no notification of {apns_id!r}")


ROUTES = (
    Route("GET", "/control/devices", "phones, their tokens and settings", index),
    Route(
        "POST",
        "/control/devices",
        "add a phone: name, bundle_id, realm, ios, phone_profile, activity_types, tokens",
        add,
        NewDevice,
        status=201,
    ),
    Route("GET", "/control/devices/{name}", "one phone and what it shows", show),
    Route(
        "PATCH",
        "/control/devices/{name}",
        "online, screen, app, notifications ...: what a person does to it",
        change,
        dict[str, Any],
    ),
    Route("DELETE", "/control/devices/{name}", "remove a phone", remove),
    Route(
        "POST",
        "/control/devices/{name}/tokens/{kind}/rotate",
        "another alert, voip, push-to-start or widgets token; old: gone, or accepted and reaching nobody",
        rotate,
        RotateToken,
    ),
    Route("GET", "/control/devices/{name}/profile", "its budgets and delays", show_profile),
    Route(
        "PATCH",
        "/control/devices/{name}/profile",
        "change single budgets and delays",
        change_profile,
        dict[str, Any],
    ),
    Route(
        "POST",
        "/control/devices/{name}/profile",
        "choose lenient, default, measured or strict by name",
        choose_profile,
        PhoneProfile,
    ),
    Route(
        "POST",
        "/control/devices/{name}/notifications/{apns_id}/tap",
        "tap a notification",
        tap,
    ),
)
