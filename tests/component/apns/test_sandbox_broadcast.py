"""Channels and broadcasts over TLS and HTTP/2: managed on hosts of their own, sent on the ordinary ones."""

import json
from typing import Any

import pytest

from simulator.apns.errors import UnknownChannel

from .conftest import TOPIC, Device

UUID = "123e4567-e89b-12d3-a456-42665544000a"
UPDATE = b'{"aps":{"timestamp":1,"event":"update","content-state":{"n":%d}}}'


def states(device: Device) -> list[int]:
    return [each.payload["aps"]["content-state"]["n"] for each in device.got]


class Channels:
    """What a provider does with channels; every request is as Apple wants it, but for the changes."""

    def __init__(self, bench: Any, manage: Any, send: Any) -> None:
        self.bench, self.manage, self.host = bench, manage, send

    async def ask(self, method: str, path: str = "channels", body: bytes = b"", **changes: str | None) -> Any:
        plain = {"apns_topic": None, "apns_push_type": None}
        path = f"/1/apps/{TOPIC}/{path}"
        return await self.bench.ask(self.manage, body, method=method, path=path, **plain | changes)

    async def create(self, policy: int = 1) -> str:
        body = json.dumps({"message-storage-policy": policy, "push-type": "LiveActivity"}).encode()
        answer = await self.ask("POST", body=body)
        assert answer.status == 201
        return answer.headers["apns-channel-id"]

    async def send(self, channel_id: str | None, number: int = 1, **changes: Any) -> Any:
        fields = {
            "path": f"/4/broadcasts/apps/{TOPIC}",
            "apns_topic": None,
            "apns_push_type": "liveactivity",
            "apns_channel_id": channel_id,
            "apns_expiration": "0",
            "apns_priority": "10",
        }
        return await self.bench.ask(self.host, changes.pop("body", UPDATE % number), **fields | changes)


@pytest.fixture
async def channels(bench) -> Channels:
    return Channels(bench, await bench.connect("manage-sandbox"), await bench.connect())


async def later(bench: Any, seconds: float) -> str:
    return str(int(bench.clock.now() + seconds))


# --- managing -----------------------------------------------------------------------------------------------------


async def test_the_journal_has_what_was_done_to_channels(bench, channels) -> None:
    channel_id = await channels.create()
    await channels.ask("DELETE", apns_channel_id=channel_id)
    made, deleted = (entry.detail for entry in bench.journal.entries("apns", "channel"))
    assert (made["method"], made["status"], made["channel_id"]) == ("POST", 201, channel_id)
    assert (deleted["method"], deleted["status"], deleted["channel_id"]) == ("DELETE", 204, channel_id)
    assert bench.pushes() == []


# --- sending ------------------------------------------------------------------------------------------------------


async def test_a_broadcast_reaches_every_subscription_once(bench, channels) -> None:
    channel_id = await channels.create()
    phone, tablet, stranger = Device(bench), Device(bench, "iPad"), Device(bench)
    for _ in range(2):
        bench.sandbox.subscribe(channel_id, phone)
    bench.sandbox.subscribe(channel_id, tablet, "a")
    bench.sandbox.subscribe(channel_id, tablet, "b")
    answer = await channels.send(channel_id, 7, apns_request_id=UUID)
    assert (answer.status, answer.body, answer.headers["apns-request-id"]) == (200, b"", UUID)
    assert (states(phone), states(tablet), states(stranger)) == ([7], [7, 7], [])
    assert {each.channel_id for each in phone.got} == {channel_id}
    assert [each.device_token for each in tablet.got] == ["a", "b"]
    bench.sandbox.unsubscribe(channel_id, phone)
    await channels.send(channel_id, 8)
    assert (states(phone), states(tablet)) == ([7], [7, 7, 8, 8])


async def test_a_channel_deleted_by_the_sandbox_takes_what_waits_along(bench, channels) -> None:
    channel_id, phone = await channels.create(1), Device(bench)
    bench.sandbox.subscribe(channel_id, phone)
    phone.online = False
    await channels.send(channel_id, apns_expiration=await later(bench, 60))
    bench.sandbox.delete_channel("sandbox", TOPIC, channel_id)
    assert [entry.why for entry in bench.sandbox.delivery_log.entries()] == ["channel_deleted"]
    bench.sandbox.forget_deliveries()
    assert len(bench.sandbox.delivery_log) == 0
    with pytest.raises(UnknownChannel):
        bench.sandbox.delete_channel("sandbox", TOPIC, channel_id)
