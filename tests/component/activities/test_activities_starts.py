"""Starts by push: the fence, what is kept until the token comes, what APNs refuses."""

import asyncio
import json
from collections.abc import Callable

import pytest

from activity_relay import (
    BUNDLE,
    HASH,
    OTHER_PHONE,
    OTHER_START_TOKEN,
    PHONE,
    SESSION,
    START_TOKEN,
    UPDATE_TOKEN,
    Relay,
    aps,
)
from outcomes import answered
from relay.contract import ContentState
from relay.server.store import activities, devices

Make = Callable[..., Relay]


async def test_the_first_event_starts_a_card_and_what_comes_before_its_token_is_kept(relay: Relay) -> None:
    assert await relay.receive("start", title="Fix bug") == 1
    await relay.push()
    (start,) = relay.sent
    assert (start.device_token, start.topic) == (START_TOKEN, f"{BUNDLE}.push-type.liveactivity")
    assert (start.push_type, start.priority, bool(start.collapse_id)) == ("liveactivity", 10, True)
    said = aps(start)
    assert said["attributes-type"] == "SessionActivityAttributes"
    assert said["attributes"] == {"sessionId": SESSION}
    assert said["alert"] == {"title": "Session Started", "body": "OpenCode is working on: Fix bug"}
    assert said["input-push-token"] == 1
    assert said["stale-date"] > said["timestamp"] == int(relay.clock.now())
    for message in ("one", "two"):
        await relay.receive("progress", body=message)
        await relay.run(15)
    assert len(relay.sent) == 1
    await relay.register()
    await relay.push()
    assert relay.pushed[1:] == [("update", "working", "two")]
    assert relay.sent[1].device_token == UPDATE_TOKEN
    assert not relay.sent[1].collapse_id


@pytest.mark.parametrize("event_type", ["complete", "error"])
async def test_an_end_starts_nothing(relay: Relay, event_type: str) -> None:
    assert await relay.receive(event_type) == 0
    silent = ContentState(status="complete", session_title="T", last_message="Stopped")
    assert await relay.receive("progress", content_state=silent) == 0
    await relay.push()
    assert not relay.sent


async def test_a_phone_without_a_push_to_start_token_gets_none(make: Make) -> None:
    relay = make()
    await relay.add_phone(start_token=None)
    assert await relay.receive("start") == 0


async def test_an_app_without_a_token_at_one_launch_keeps_the_last(relay: Relay) -> None:
    await relay.add_phone(start_token=None)
    assert await relay.receive("start") == 1


async def test_every_phone_gets_its_own(relay: Relay) -> None:
    await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN, activity_format="expo-widgets")
    assert await relay.receive("permission", title="Bash", body="rm -rf build") == 2
    await relay.push()
    assert sorted(push.device_token for push in relay.sent) == [START_TOKEN, OTHER_START_TOKEN]
    types = {aps(push)["attributes-type"]: aps(push)["content-state"] for push in relay.sent}
    assert set(types) == {"SessionActivityAttributes", "LiveActivityAttributes"}
    assert json.loads(types["LiveActivityAttributes"]["props"]) == types["SessionActivityAttributes"]
    assert {aps(push)["alert"]["body"] for push in relay.sent} == {"rm -rf build"}
    await relay.register(device_token=OTHER_PHONE)
    await relay.run(2)
    assert relay.sent[-1].device_token == UPDATE_TOKEN
    assert len(relay.sent) == 3


async def test_once_with_two_relays_and_ten_events_at_the_same_time(make: Make, relay: Relay) -> None:
    relays = [relay, make("host:2")]
    await asyncio.gather(*(relays[n % 2].receive("progress", body=str(n)) for n in range(10)))
    await asyncio.gather(*(one.push() for one in relays * 3))
    assert len(relay.sent) == 1


async def test_a_resend_changes_nothing(relay: Relay) -> None:
    assert await relay.receive("start", "e1") == 1
    assert await relay.receive("start", "e1") == 0


async def test_a_start_that_apns_refused_frees_the_fence(relay: Relay) -> None:
    relay.gateway.answers = [answered(400, "BadTopic")]
    await relay.receive("start")
    await relay.push()
    assert await activities.of_session(relay.db, HASH, SESSION) == []
    await relay.receive("progress", body="again")
    await relay.push()
    assert [event for event, _, _ in relay.pushed] == ["start", "start"]
    assert (await relay.row()).stage == "started"


async def test_a_dead_push_to_start_token_goes_alone(relay: Relay) -> None:
    relay.gateway.answers = [answered(410, "Unregistered", int(relay.clock.now() * 1000) + 1)]
    await relay.receive("start")
    await relay.push()
    phone = await devices.find(relay.db, secret_hash=HASH, device_token=PHONE)
    assert phone is not None
    assert phone.push_to_start_token is None
    assert await relay.receive("progress") == 0


async def test_a_token_taken_back_before_the_start_frees_the_fence(relay: Relay) -> None:
    await relay.receive("start")
    await devices.unregister(relay.db, secret_hash=HASH, device_token=PHONE)
    await relay.push()
    assert not relay.sent
    assert await activities.of_session(relay.db, HASH, SESSION) == []
