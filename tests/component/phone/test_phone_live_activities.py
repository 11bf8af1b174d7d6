"""Live Activities on a whole phone: pushes, tokens, what the person sets, what is written down."""

from dataclasses import replace
from typing import Any

import pytest

from phone_pushes import BUNDLE_ID, T0, Delivered, expo, push
from phone_scene import Apns
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.phone.live_activities import NotPossible
from simulator.phone.phone import Phone
from simulator.phone.settings import SETTINGS, SettingError

HOUR = 3_600


@pytest.fixture
def apns() -> Apns:
    return Apns()


@pytest.fixture
def phone(clock: VirtualClock, journal: Journal, apns: Apns) -> Phone:
    return Phone(clock, journal, apns, name="D1", os_version="26.0")


def start(phone: Phone, **more: Any) -> Any:
    token = phone.device.push_to_start_token
    phone.receive(replace(push("start", T0, **more), device_token=token))
    return phone.activities.newest


def change(phone: Phone, event: str = "update", at: float = T0, **more: Any) -> None:
    activity = phone.activities.newest
    phone.receive(replace(push(event, at, **more), device_token=activity.token))


def by_app(phone: Phone, **more: Any) -> Any:
    phone.set("app", "foreground")
    activity = phone.activities.start("LiveActivityAttributes", {}, expo("start"), **more)
    phone.set("app", "background")
    return activity


def test_a_start_wakes_the_app_which_gets_its_token(phone, journal) -> None:
    received: list[tuple[str, str]] = []
    stop = phone.on_activity_token(lambda activity, token: received.append((activity.id, token)))
    activity = start(phone)
    assert phone.activities.started_since(activity.started_at) == (activity,)
    assert phone.activities.started_since(activity.started_at + 1) == ()
    assert (activity.state, activity.island, activity.update_token_known) == ("active", True, True)
    assert received == [("activity-1", activity.token)]
    assert activity.token.startswith("activity-")
    assert phone.background_wakes == 1
    (entry,) = journal.entries("phone", "started")
    assert entry.detail == {
        "phone": "D1",
        "apnsID": "11111111-1111-1111-1111-111111111111",
        "activity": "activity-1",
        "why": "by the push",
        "by": "push",
    }
    stop()
    start(phone)
    assert len(received) == 1


def test_no_activity_yet(phone) -> None:
    assert phone.activities.newest is None
    assert (phone.activities.remaining("update"), phone.activities.remaining("start")) == (240, 10)
    phone.set("frequent_updates", False)
    assert phone.activities.remaining("update") == 15


def test_the_log_of_the_phone(phone) -> None:
    start(phone, without=("alert",))
    start(phone, input_push_token=0)
    assert phone.log == ["Received start without an alert configuration", "inputs: []"]
    assert phone.activities.newest.update_token_known is False


# Tokens.


def test_rotation(phone, apns, journal) -> None:
    received: list[str] = []
    phone.on_activity_token(lambda _activity, token: received.append(token))
    activity = start(phone)
    old = activity.token
    new = phone.activities.rotate(activity)
    assert (activity.token, received, apns.expired) == (new, [old, new], [old])
    phone.receive(replace(push("update"), device_token=old))
    assert journal.entries("phone", "dropped")[0].detail["why"] == "the activity has another token now"
    change(phone, content_state=expo("two"))
    assert activity.content_state == expo("two")


def test_there_is_nothing_to_rotate(phone) -> None:
    phone.set("app", "force_quit")
    with pytest.raises(NotPossible):
        phone.activities.rotate(start(phone))


async def test_after_8_hours_the_token_expires(phone, apns, clock, journal) -> None:
    activity = start(phone)
    await clock.advance(20 * HOUR)
    phone.run_due()
    assert apns.expired == [activity.token]
    times = [entry.at - T0 for what in ("ended", "dismissed") for entry in journal.entries("phone", what)]
    assert times == [8 * HOUR, 12 * HOUR]


def test_old_systems_have_no_push_to_start_token(phone) -> None:
    phone.set("ios", "17.1")
    assert phone.device.push_to_start_token is None
    phone.set("ios", "17.2")
    token = phone.device.push_to_start_token
    phone.set("ios", "17.1")
    assert phone.device.push_to_start_token == token != phone.device.voip_token


def test_a_voip_push(phone, journal) -> None:
    token = phone.device.voip_token
    assert phone.device.voip_token == token
    phone.receive(Delivered({"aps": {}}, token, push_type="voip"))
    assert journal.entries("phone", "dropped")[0].detail["why"] == "the app takes no calls"


# Channels.


def test_a_broadcast_reaches_every_subscriber(phone, journal) -> None:
    subscribed = [by_app(phone, channel="c") for _ in range(2)]
    other = by_app(phone)
    phone.receive(replace(push("update", content_state=expo("all")), channel_id="c", topic=BUNDLE_ID))
    assert [activity.content_state for activity in subscribed] == [expo("all")] * 2
    assert other.content_state == expo("start")
    phone.receive(replace(push("start"), channel_id="c"))
    phone.receive(replace(push("update"), channel_id="d"))
    assert [entry.detail["why"] for entry in journal.entries("phone", "dropped")] == [
        "it is neither update nor end",
        "it is neither update nor end",
        "no activity has this channel",
    ]


# The app.


def test_the_app_starts_changes_and_ends_its_own(phone, clock) -> None:
    activity = by_app(phone)
    phone.activities.update(activity, expo("two"), stale_date=clock.now() + 9)
    assert (activity.content_state, activity.stale_date) == (expo("two"), clock.now() + 9)
    phone.activities.end(activity, expo("final"), dismissal_date=clock.now())
    assert (activity.content_state, activity.state) == (expo("final"), "dismissed")
    with pytest.raises(NotPossible, match="the activity has ended"):
        phone.activities.update(activity, expo("late"))


def test_opening_the_app_fills_the_budget(phone) -> None:
    start(phone)
    phone.set("app", "foreground")
    assert phone.activities.remaining("start") == 10
    phone.profile.set("start_refilled_by_opening", False)
    start(phone)
    phone.set("app", "foreground")
    assert phone.activities.remaining("start") == 9


# What the person sets.


def test_the_screen(phone, clock) -> None:
    phone.set("screen", "off")
    activity = start(phone)
    phone.receive(replace(push("update", T0 + 1, 5), device_token=activity.token))
    assert activity.content_state == expo("start")
    phone.set("screen", "on")
    assert activity.content_state == expo("update")


def test_a_reinstalled_app_has_new_tokens(phone, alert) -> None:
    before = (phone.app.token, phone.device.push_to_start_token)
    phone.receive(alert())
    phone.set("badge", 3)
    phone.set("app_installed", False)
    assert (phone.notifications, phone.badge) == ([], 0)
    phone.set("app_installed", True)
    assert not set(before) & {phone.app.token, phone.device.push_to_start_token}


CHANGED = {
    "online": False, "screen": "off", "first_unlock": False, "locked": True,
    "low_power": True, "ios": "17.1", "app": "force_quit", "app_installed": False,
    "notifications": False, "live_activities": False, "frequent_updates": False, "la_allow_tapped": True,
    "la_dismissed_by_user": True, "start_token_works": False, "badge": 5, "time_sensitive_entitlement": False,
}  # fmt: skip


@pytest.mark.parametrize("key", SETTINGS)
def test_every_key(phone, journal, key: str) -> None:
    phone.set(key, CHANGED[key])
    assert journal.entries("phone", "set")[0].detail == {"phone": "D1", "key": key, "value": CHANGED[key]}


@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("value", [None, "wrong", -1, 1.5])
def test_wrong_values(phone, key: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"'{key}' of a phone is"):
        phone.set(key, value)


def test_an_unknown_key(phone) -> None:
    with pytest.raises(SettingError, match="a phone has no 'volume', but app, app_installed, badge"):
        phone.set("volume", 3)


# Alerts.


def test_how_apns_sees_it(phone, alert) -> None:
    assert (phone.name, phone.online, phone.refuses(alert())) == ("D1", True, None)
    phone.set("notifications", False)
    assert phone.refuses(alert()) == "notifications_off"
    assert phone.refuses(push("update")) is None


def test_badge_extension_and_level(phone, alert, journal) -> None:
    push = alert()
    push.payload["aps"] |= {"badge": 4, "mutable-content": 1, "interruption-level": "time-sensitive"}
    phone.receive(push)
    assert (phone.badge, phone.nse_invocations) == (4, 1)
    assert phone.notifications[0].interruption_level == "time-sensitive"
    phone.set("time_sensitive_entitlement", False)
    phone.receive(push)
    assert phone.notifications[0].interruption_level == "active"
    phone.receive(alert(payload={"aps": {"badge": 0}}))
    assert (phone.badge, len(phone.notifications)) == (0, 2)
    assert journal.entries("phone", "updated")[0].detail["why"] == "it only sets the badge"


def test_a_background_push(phone, alert, journal) -> None:
    quiet = alert(payload={"aps": {"content-available": 1}}, push_type="background", priority=5)
    phone.receive(quiet)
    assert (phone.background_wakes, len(journal.entries("phone", "woken"))) == (1, 1)
    phone.set("app", "force_quit")
    phone.receive(quiet)
    phone.set("app", "foreground")
    phone.receive(quiet)
    assert phone.background_wakes == 1
    assert journal.entries("phone", "dropped")[0].detail["why"] == "the app was force-quit"


HELD_BACK = {
    "after force-quit, until the app is opened": (("app", "force_quit"), None, ("app", "foreground"), 0),
    "until Allow was tapped": (None, ("la_allow_gate", True), ("la_allow_tapped", True), 1),
    "until the app is opened, if a start does not wake it": (
        None, ("start_wakes_app", False), ("app", "foreground"), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("when", HELD_BACK)
def test_when_the_token_is_held_back(phone, when: str) -> None:
    setting, parameter, release, wakes = HELD_BACK[when]
    if setting:
        phone.set(*setting)
    if parameter:
        phone.profile.set(*parameter)
    activity = start(phone)
    assert (activity.running, activity.update_token_known, phone.background_wakes) == (True, False, wakes)
    phone.set(*release)
    assert activity.update_token_known
    phone.set("app", "force_quit")
    phone.activities.rotate(activity)
    assert not activity.update_token_known
    phone.set("app", "foreground")
    assert activity.update_token_known
    assert by_app(phone).update_token_known


def test_the_apps_own_activity_has_no_gate(phone) -> None:
    phone.profile.set("la_allow_gate", True)
    assert by_app(phone).update_token_known


@pytest.mark.parametrize(
    ("setting", "wrong", "why"),
    [
        ({}, {"topic": BUNDLE_ID}, "no app has this topic"),
        ({}, {"push_type": "alert"}, "it is not a Live Activity push"),
        ({}, {"accepted_at": 0.0, "expiration": 1}, "it has expired"),
        ({}, {"payload": None}, "it is neither update nor end"),
        ({"online": False}, {}, "the phone is offline"),
        ({"app_installed": False}, {}, "the app is not installed"),
    ],
)
def test_what_never_reaches_the_activity(phone, journal, setting: dict, wrong: dict, why: str) -> None:
    activity = start(phone)
    for key, value in setting.items():
        phone.set(key, value)
    phone.receive(replace(push("update"), **{"device_token": activity.token, **wrong}))
    assert journal.entries("phone", "dropped")[0].detail["why"] == why
    assert activity.content_state == expo("start")


@pytest.mark.parametrize(
    ("key", "states"),
    [
        ("frequent_updates", ["ended", "ended"]),
        ("live_activities", ["dismissed", "dismissed"]),
        ("app_installed", ["dismissed", "dismissed"]),
        ("notifications", ["active", "active"]),
    ],
)
def test_which_settings_end_everything_when_they_are_changed(
    phone, apns, key: str, states: list[str]
) -> None:
    activities = [start(phone), start(phone)]
    phone.set(key, True)
    assert [activity.state for activity in activities] == ["active", "active"]
    phone.set(key, False)
    assert [activity.state for activity in activities] == states
    assert apns.expired == [activity.token for activity in activities if not activity.running]
