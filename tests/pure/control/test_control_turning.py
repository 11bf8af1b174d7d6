"""One long turn of the clock: what was due on the way has its own time at APNs, too."""

from dataclasses import replace

import pytest

from simulator.apns.delivery.device import Delivery
from simulator.apns.delivery.mailbox import AcceptedPush
from simulator.lab.device import Device, DeviceSpec
from simulator.lab.lab import Lab

from .conftest import NOW, TOPIC

HOUR = 3600.0
STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "…"}
ALERT = Delivery(
    apns_id="id",
    apns_unique_id=None,
    device_token="ab",
    topic=TOPIC,
    push_type="alert",
    priority=10,
    expiration=None,
    collapse_id=None,
    payload={"aps": {"alert": "Hello"}},
    accepted_at=NOW,
    realm="sandbox",
)


@pytest.fixture
def device(lab: Lab) -> Device:
    return lab.add_device(DeviceSpec("iPhone", TOPIC))


def _start(device: Device) -> str:
    device.phone.set("app", "foreground")
    activity = device.phone.activities.start("SessionActivityAttributes", {"sessionId": "ses_1"}, STATE)
    assert activity.token is not None
    return activity.token


async def test_an_update_token_expires_after_eight_hours_whenever_the_turn_ends(
    lab: Lab, device: Device
) -> None:
    first = _start(device)
    await lab.advance(HOUR)
    second = _start(device)
    await lab.advance(100 * HOUR)
    since = [lab.sandbox.registry.token(token).expired_since for token in (first, second)]
    assert since == [NOW + 8 * HOUR, NOW + 9 * HOUR]
    assert lab.clock.now() == NOW + 101 * HOUR


async def test_an_end_that_waits_for_power_expires_the_token_when_it_is_applied(
    lab: Lab, device: Device
) -> None:
    token = _start(device)
    device.phone.set("screen", "off")
    payload = {"aps": {"timestamp": int(NOW), "event": "end", "content-state": STATE}}
    device.phone.receive(
        replace(
            ALERT,
            device_token=token,
            topic=f"{TOPIC}.push-type.liveactivity",
            push_type="liveactivity",
            priority=5,
            payload=payload,
        )
    )
    [activity] = device.phone.activities.all
    assert activity.waiting is not None
    due = activity.waiting.due
    assert due > NOW
    await lab.advance(HOUR)
    assert lab.sandbox.registry.token(token).expired_since == due


async def test_a_stored_push_is_given_up_at_its_time(lab: Lab, device: Device) -> None:
    device.phone.set("online", False)
    record = lab.sandbox.registry.token(device.tokens["alert"])
    expiration = int(NOW + HOUR)
    lab.sandbox._deliveries.deliver(
        AcceptedPush("unique", replace(ALERT, expiration=expiration), record, device.phone)
    )
    assert lab.sandbox.next_expiry == expiration
    await lab.advance(9 * HOUR)
    entry = lab.sandbox.delivery_log.find("unique")
    assert entry is not None
    assert [(step.at, step.outcome, step.why) for step in entry.steps] == [
        (NOW, "stored", None),
        (expiration, "discarded", "expired"),
    ]
    assert lab.sandbox.next_expiry is None
