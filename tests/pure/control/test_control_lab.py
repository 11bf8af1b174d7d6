"""The lab in Python: keys, phones, what changes and what is due; no sockets."""

import asyncio
from random import Random

import pytest

from simulator.apns.delivery.device import Delivery
from simulator.apns.registry import Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec, Issuer
from simulator.lab.errors import Impossible, RealTime, Taken, Unknown
from simulator.lab.lab import Lab
from simulator.phone.activitykit.activity import Activity
from simulator.phone.phone import Phone
from waiting import PATIENCE

from .conftest import AUTHORITY, NOW, TOPIC

STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "…"}


class Deaf:
    """A device that remembers what it got."""

    name, online, asleep = "deaf", True, False

    def __init__(self) -> None:
        self.got: list[Delivery] = []

    def refuses(self, _: Delivery) -> None:
        return None

    def receive(self, delivery: Delivery) -> None:
        self.got.append(delivery)


def _issuer(lab: Lab, realm: Realm = "sandbox") -> Issuer:
    return Issuer(lab.sandbox.registry, lab.clock, TOPIC, realm)


def test_tokens_lead_to_the_device_whenever_they_were_issued(lab: Lab) -> None:
    issuer, device, registry = _issuer(lab), Deaf(), lab.sandbox.registry
    before = issuer.issue("alert")
    assert registry.token(before).device is None
    issuer.lead_to(device)
    after = issuer.issue("activity")
    assert [registry.token(token).device for token in (before, after)] == [device, device]
    issuer.lead_to(None)
    assert [registry.token(token).device for token in (before, after)] == [None, None]


def test_the_newest_token_of_a_kind(lab: Lab) -> None:
    issuer = _issuer(lab)
    assert issuer.newest("alert") is None
    issuer.issue("alert")
    newest = issuer.issue("alert")
    issuer.issue("voip")
    assert issuer.newest("alert") == newest


def test_a_remembered_token_is_given_out_once_and_first(lab: Lab) -> None:
    token = lab.sandbox.registry.mint_token(TOPIC, "sandbox")
    issuer = Issuer(lab.sandbox.registry, lab.clock, TOPIC, "sandbox", {"alert": token})
    assert issuer.issue("alert") == token
    assert issuer.issue("alert") != token


def test_a_token_expires_now(lab: Lab) -> None:
    issuer = _issuer(lab)
    token = issuer.issue("activity")
    issuer.expire(token)
    assert lab.sandbox.registry.token(token).expired_since == NOW


def test_a_phone_that_gives_way_keeps_some_tokens(lab: Lab) -> None:
    issuer, registry = _issuer(lab), lab.sandbox.registry
    kept, lost = issuer.issue("alert"), issuer.issue("activity")
    registry.uninstall(kept, NOW)
    issuer.retire(frozenset({kept}))
    assert registry.token(kept).uninstalled_at is None
    assert registry.token(lost).expired_since == NOW


def test_a_device_has_its_tokens_minted_and_attached(lab: Lab) -> None:
    device = lab.add_device(DeviceSpec("iPhone", TOPIC, "production"))
    tokens = lab.sandbox.registry.tokens["production"]
    assert set(device.tokens) == {"alert", "voip", "push-to-start"}
    assert all(tokens[token].device is device.phone for token in device.tokens.values())
    assert tokens[device.tokens["voip"]].topic == f"{TOPIC}.voip"
    assert device.phone.app.token == device.tokens["alert"]
    [entry] = lab.journal.entries("world", "device added")
    assert entry.detail["name"] == "iPhone"


def test_names_of_devices_are_distinct(lab: Lab) -> None:
    lab.add_device(DeviceSpec("iPhone", TOPIC))
    with pytest.raises(Taken):
        lab.add_device(DeviceSpec("iPhone", TOPIC))
    lab.remove_device("iPhone")
    assert lab.add_device(DeviceSpec("iPhone", TOPIC)) is lab.device("iPhone")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (DeviceSpec("iPhone", "com.other"), Unknown),
        (DeviceSpec("iPhone", TOPIC, ios="?"), Impossible),
        (DeviceSpec("iPhone", TOPIC, phone_profile="mild"), Impossible),
    ],
)
def test_devices_that_cannot_be(lab: Lab, spec: DeviceSpec, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        lab.add_device(spec)
    assert lab.devices == ()


@pytest.mark.parametrize("do", ["device", "remove_device", "revoke_key", "key"])
def test_what_is_not_there(lab: Lab, do: str) -> None:
    with pytest.raises(Unknown):
        getattr(lab, do)("nobody")


def test_a_key_is_kept_with_its_private_half_and_revoked(lab: Lab) -> None:
    key = lab.issue_key(realm="production", topics=frozenset({TOPIC}))
    assert lab.key(key.key_id) == key
    related = lab.issue_key(related_to=key.key_id)
    assert lab.sandbox.registry.keys[related.key_id].related_to == key.key_id
    lab.revoke_key(key.key_id)
    assert lab.sandbox.registry.keys[key.key_id].revoked


def test_a_setting_that_is_wrong_changes_nothing(lab: Lab) -> None:
    phone = lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
    for wrong in ({"badge": -1}, {"colour": "red"}):
        with pytest.raises(Impossible, match=next(iter(wrong))):
            lab.change_device("iPhone", {"online": False, **wrong})
    assert phone.online


async def test_time_goes_forward_only_and_only_where_it_is_virtual(lab: Lab) -> None:
    assert lab.clock_kind == "virtual"
    await lab.advance(10)
    assert lab.clock.now() == NOW + 10
    with pytest.raises(Impossible):
        await lab.advance(-1)
    real = _real_lab()
    assert real.clock_kind == "real"
    with pytest.raises(RealTime):
        await real.advance(1)


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


async def test_what_is_due_is_done_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.lab.lab.TICK_SECONDS", 0.001)
    lab, ran = _real_lab(), asyncio.Event()
    monkeypatch.setattr(lab.sandbox, "discard_expired", ran.set)
    lab.start()
    await asyncio.wait_for(ran.wait(), PATIENCE)
    ran.clear()
    await asyncio.wait_for(ran.wait(), PATIENCE)
    await lab.close()


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


def test_a_reset_makes_new_phones_with_old_tokens(lab: Lab) -> None:
    old = lab.add_device(DeviceSpec("iPhone", TOPIC))
    lab.sandbox.faults.load([{"do": {"stall": True}}])
    lab.sandbox.uninstall(old.tokens["alert"])
    lab.reset()
    new = lab.device("iPhone")
    assert new.phone is not old.phone
    assert new.tokens == old.tokens
    assert lab.sandbox.registry.token(new.tokens["alert"]).device is new.phone
    assert (len(lab.sandbox.faults), lab.journal.entries()) == (0, [])
