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
    pushed,
    run,
)
from fake_gateway import FakeGateway
from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.contract import ContentState
from relay.server.store import activities, devices
from simulator.clock import VirtualClock

Make = Callable[..., Relay]


class TestStart:
    async def test_the_first_event_starts_a_card_and_what_comes_before_its_token_is_kept(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        assert await relay.receive("start", title="Fix bug") == 1
        await relay.push()
        (start,) = gateway.sent
        assert (start.device_token, start.topic) == (START_TOKEN, f"{BUNDLE}.push-type.liveactivity")
        assert (start.push_type, start.priority, bool(start.collapse_id)) == ("liveactivity", 10, True)
        said = aps(start)
        assert said["attributes-type"] == "SessionActivityAttributes"
        assert said["attributes"] == {"sessionId": SESSION}
        assert said["alert"] == {"title": "Session Started", "body": "OpenCode is working on: Fix bug"}
        assert said["input-push-token"] == 1
        assert said["stale-date"] > said["timestamp"] == int(clock.now())
        for message in ("one", "two"):
            await relay.receive("progress", body=message)
            await run(relay, clock, 15)
        assert len(gateway.sent) == 1
        await relay.register()
        await relay.push()
        assert pushed(gateway)[1:] == [("update", "working", "two")]
        assert gateway.sent[1].device_token == UPDATE_TOKEN
        assert not gateway.sent[1].collapse_id

    @pytest.mark.parametrize("event_type", ["complete", "error"])
    async def test_an_end_starts_nothing(self, relay: Relay, gateway: FakeGateway, event_type: str) -> None:
        assert await relay.receive(event_type) == 0
        silent = ContentState(status="complete", session_title="T", last_message="Stopped")
        assert await relay.receive("progress", content_state=silent) == 0
        await relay.push()
        assert not gateway.sent

    async def test_a_phone_without_a_push_to_start_token_gets_none(
        self, make: Make, gateway: FakeGateway
    ) -> None:
        relay = make()
        await relay.add_phone(start_token=None)
        assert await relay.receive("start") == 0

    async def test_an_app_without_a_token_at_one_launch_keeps_the_last(
        self, relay: Relay, gateway: FakeGateway
    ) -> None:
        await relay.add_phone(start_token=None)
        assert await relay.receive("start") == 1

    async def test_every_phone_gets_its_own(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN, activity_format="expo-widgets")
        assert await relay.receive("permission", title="Bash", body="rm -rf build") == 2
        await relay.push()
        assert sorted(push.device_token for push in gateway.sent) == [START_TOKEN, OTHER_START_TOKEN]
        types = {aps(push)["attributes-type"]: aps(push)["content-state"] for push in gateway.sent}
        assert set(types) == {"SessionActivityAttributes", "LiveActivityAttributes"}
        assert json.loads(types["LiveActivityAttributes"]["props"]) == types["SessionActivityAttributes"]
        assert {aps(push)["alert"]["body"] for push in gateway.sent} == {"rm -rf build"}
        await relay.register(device_token=OTHER_PHONE)
        await run(relay, clock, 2)
        assert gateway.sent[-1].device_token == UPDATE_TOKEN
        assert len(gateway.sent) == 3

    async def test_once_with_two_relays_and_ten_events_at_the_same_time(
        self, make: Make, relay: Relay, gateway: FakeGateway
    ) -> None:
        relays = [relay, make("host:2")]
        await asyncio.gather(*(relays[n % 2].receive("progress", body=str(n)) for n in range(10)))
        await asyncio.gather(*(one.push() for one in relays * 3))
        assert len(gateway.sent) == 1

    async def test_a_resend_changes_nothing(self, relay: Relay, gateway: FakeGateway) -> None:
        assert await relay.receive("start", "e1") == 1
        assert await relay.receive("start", "e1") == 0

    @pytest.mark.parametrize("refusal", [answered(400, "BadTopic"), answered(413, "PayloadTooLarge")])
    async def test_a_start_that_apns_refused_frees_the_fence(
        self, relay: Relay, gateway: FakeGateway, refusal: Outcome
    ) -> None:
        gateway.answers = [refusal]
        await relay.receive("start")
        await relay.push()
        assert await activities.of_session(relay.db, HASH, SESSION) == []
        await relay.receive("progress", body="again")
        await relay.push()
        assert [event for event, _, _ in pushed(gateway)] == ["start", "start"]
        assert (await relay.row()).stage == "started"

    @pytest.mark.parametrize("refusal", [answered(503, "ServiceUnavailable"), not_sent("no connection")])
    async def test_a_start_that_was_not_sent_goes_out_later_with_the_newest_state(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, refusal: Outcome
    ) -> None:
        gateway.answers = [refusal]
        await relay.receive("start")
        await relay.push()
        await relay.receive("progress", body="newest")
        await run(relay, clock, 13)
        assert pushed(gateway)[1:] == [("start", "working", "newest")]
        assert aps(gateway.sent[1])["alert"]

    async def test_a_start_that_may_have_arrived_is_not_sent_again(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        gateway.answers = [maybe_sent("connection lost")]
        await relay.receive("start")
        await relay.push()
        await relay.receive("progress", body="more")
        await run(relay, clock, 60)
        assert len(gateway.sent) == 1

    async def test_a_session_that_is_over_before_apns_took_the_start(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        gateway.answers = [not_sent("no connection")]
        await relay.receive("start")
        await relay.push()
        await relay.receive("complete")
        await run(relay, clock, 60)
        assert len(gateway.sent) == 1
        assert (await relay.row()).stage == "ended"

    async def test_a_dead_push_to_start_token_goes_alone(self, relay: Relay, gateway: FakeGateway) -> None:
        gateway.answers = [answered(410, "Unregistered", int(relay.clock.now() * 1000) + 1)]
        await relay.receive("start")
        await relay.push()
        phone = await devices.find(relay.db, secret_hash=HASH, device_token=PHONE)
        assert phone is not None
        assert phone.push_to_start_token is None
        assert await relay.receive("progress") == 0

    async def test_a_token_taken_back_before_the_start_frees_the_fence(
        self, relay: Relay, gateway: FakeGateway
    ) -> None:
        await relay.receive("start")
        await devices.unregister(relay.db, secret_hash=HASH, device_token=PHONE)
        await relay.push()
        assert not gateway.sent
        assert await activities.of_session(relay.db, HASH, SESSION) == []
