"""A phone as a person sees it: pictures of its lock screen and its Dynamic Island, and what can be tapped on them."""

from datetime import timedelta, timezone
from typing import Annotated

import msgspec

from simulator.drawing.dynamic_island import dynamic_island
from simulator.drawing.lock_screen import HEIGHT, WIDTH, lock_screen, places
from simulator.lab.control.activities import activity_fields
from simulator.lab.control.devices import summary
from simulator.lab.control.route import Call, Fields, Query, Route
from simulator.lab.device import Device
from simulator.lab.errors import NotNow, Unknown
from simulator.phone.profile import UNLIMITED


class ScreenQuery(Query):
    """`utc_offset` is in seconds: where the phone is, for the time on its screen."""

    utc_offset: Annotated[int, msgspec.Meta(ge=-50_400, le=50_400)] = 0


async def show(call: Call) -> Fields:
    """`lock_screen` and `island` are SVG; `cards` are the cards that `lock_screen` draws, with their places in it, from the top.

    `budgets` is what is left for starts and for the updates of each running activity, None where there is no limit; `types` are
    the Live Activity types that the app knows.
    """
    query: ScreenQuery = call.query
    device = call.lab.device(call.path["name"])
    phone, now = device.phone, call.lab.clock.now()
    zone = timezone(timedelta(seconds=query.utc_offset))
    slots = phone.screen.slots(now)
    cards, notifications = list(slots.values()), phone.screen.notifications
    running = {activity.id for activity in phone.activities.active}
    return {
        "screen": {
            "lock_screen": lock_screen(notifications, cards, now, phone.name, zone),
            "width": WIDTH,
            "height": HEIGHT,
            "cards": _cards(device, now),
            "island": dynamic_island([card for name, card in slots.items() if name in running])
            if phone.device.dynamic_island
            else None,
        },
        "device": summary(device),
        "activities": [activity_fields(one) for one in phone.activities.active],
        "budgets": _budgets(device),
        "types": [msgspec.to_builtins(one) for one in phone.activities.types],
    }


def _cards(device: Device, now: float) -> list[Fields]:
    """`id` is the activity's, or the apns-id of the notification; `label` is for those who cannot see the picture."""
    phone = device.phone
    slots, notifications = phone.screen.slots(now), phone.screen.notifications
    drawn = places(notifications, list(slots.values()), now)
    named = [
        *(("activity", name, " ".join(card.banner) or "Live Activity") for name, card in slots.items()),
        *(("notification", one.apns_id, f"{one.title} {one.body}".strip()) for one in notifications),
    ]
    return [
        {"kind": kind, "id": name, "label": label, **place._asdict()}
        for (kind, name, label), place in zip(named, drawn, strict=False)
    ]


def _budgets(device: Device) -> Fields:
    found = device.phone.activities.budgets()
    return {name: None if one.of >= UNLIMITED else one._asdict() for name, one in found.items()}


async def tap_activity(call: Call) -> Fields:
    """The person taps a Live Activity: the app comes to the foreground, with its link."""
    phone = call.lab.device(call.path["name"]).phone
    wanted = call.path["activity_id"]
    activity = next((one for one in phone.activities.all if one.id == wanted), None)
    if activity is None:
        raise Unknown(f"there is no activity {wanted!r} on {phone.name}")
    if not activity.visible:
        raise NotNow(f"{wanted} is not on the lock screen")
    return {"url": phone.tap_activity(activity)}


async def clear(call: Call) -> Fields:
    """The person clears the notifications away; Live Activities stay."""
    call.lab.device(call.path["name"]).phone.screen.clear()
    return {}


async def dismiss(call: Call) -> Fields:
    """The person swipes a notification away, unopened."""
    phone = call.lab.device(call.path["name"]).phone
    wanted = call.path["apns_id"].lower()
    notification = next((one for one in phone.notifications if one.apns_id.lower() == wanted), None)
    if notification is None:
        raise Unknown(f"{phone.name} shows no notification of {call.path['apns_id']!r}")
    phone.screen.remove(notification)
    return {}


ROUTES = (
    Route(
        "GET",
        "/control/devices/{name}/screen",
        "its lock screen and Dynamic Island as pictures; utc_offset",
        show,
        query=ScreenQuery,
    ),
    Route(
        "POST",
        "/control/devices/{name}/activities/{activity_id}/tap",
        "tap a Live Activity: its app opens",
        tap_activity,
    ),
    Route("DELETE", "/control/devices/{name}/notifications", "clear the notifications away", clear),
    Route(
        "DELETE",
        "/control/devices/{name}/notifications/{apns_id}",
        "swipe one notification away",
        dismiss,
    ),
)
