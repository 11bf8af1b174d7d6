"""The lab in Python: keys, phones, what changes and what is due; no sockets."""

from random import Random

from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from simulator.phone.activitykit.activity import Activity
from simulator.phone.phone import Phone

from .conftest import AUTHORITY, NOW, TOPIC

STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "…"}


def test_a_device_has_its_tokens_minted_and_attached(lab: Lab) -> None:
    device = lab.add_device(DeviceSpec("iPhone", TOPIC, "production"))
    tokens = lab.sandbox.registry.tokens["production"]
    assert set(device.tokens) == {"alert", "voip", "push-to-start"}
    assert all(tokens[token].device is device.phone for token in device.tokens.values())
    assert tokens[device.tokens["voip"]].topic == f"{TOPIC}.voip"
    assert device.phone.app.token == device.tokens["alert"]
    [entry] = lab.journal.entries("world", "device added")
    assert entry.detail["name"] == "iPhone"


def _real_lab() -> Lab:
    clock = RealClock()
    journal = Journal(clock)
    return Lab(clock, journal, Sandbox(clock, journal, random=Random(1), authority=AUTHORITY))


async def test_only_a_real_clock_ticks(lab: Lab) -> None:
    lab.start()
    assert lab._ticking is None
    await lab.close()
    real = _real_lab()
    real.start()
    assert real._ticking is not None
    ticking = real._ticking
    await real.close()
    assert ticking.cancelled()
    await real.close()  # harmless


def _started(phone: Phone, channel: str) -> Activity:
    phone.set("app", "foreground")
    return phone.activities.start("SessionActivityAttributes", {"sessionId": "ses_1"}, STATE, channel=channel)


def _listeners(lab: Lab, channel_id: str) -> list[str]:
    return [one.device.name for one in lab.sandbox.channels.channel(channel_id).subscriptions]


def test_a_phone_listens_to_the_channel_of_its_activity_as_long_as_that_runs(lab: Lab) -> None:
    phone = lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
    channel_id = lab.sandbox.channels.create("sandbox", TOPIC, 0, NOW)
    first, second = _started(phone, channel_id), _started(phone, channel_id)
    lab.run_due()
    assert _listeners(lab, channel_id) == ["iPhone"]
    phone.activities.end(first)
    lab.run_due()
    assert _listeners(lab, channel_id) == ["iPhone"]
    phone.activities.end(second)
    lab.run_due()
    assert _listeners(lab, channel_id) == []


def test_a_channel_of_another_app_or_realm_is_not_received(lab: Lab) -> None:
    lab.sandbox.add_app("com.other")
    phone = lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
    foreign = [
        lab.sandbox.channels.create("production", TOPIC, 0, NOW),
        lab.sandbox.channels.create("sandbox", "com.other", 0, NOW),
    ]
    for channel_id in [*foreign, "none"]:
        _started(phone, channel_id)
    lab.run_due()
    assert [_listeners(lab, channel_id) for channel_id in foreign] == [[], []]


def test_a_channel_that_is_deleted_while_a_phone_listens(lab: Lab) -> None:
    phone = lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
    channel_id = lab.sandbox.channels.create("sandbox", TOPIC, 0, NOW)
    _started(phone, channel_id)
    lab.run_due()
    lab.sandbox.delete_channel("sandbox", TOPIC, channel_id)
    lab.run_due()
    lab.reset()
    assert lab.sandbox.channels.ids("sandbox", TOPIC) == []


def test_a_phone_that_is_removed_listens_no_more(lab: Lab) -> None:
    phone = lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
    channel_id = lab.sandbox.channels.create("sandbox", TOPIC, 0, NOW)
    _started(phone, channel_id)
    lab.run_due()
    lab.remove_device("iPhone")
    lab.run_due()
    assert _listeners(lab, channel_id) == []
