"""Update tokens: first, rotated, dead, of an app that names its phone and of one that does not."""

from collections.abc import Callable

import pytest

from activity_relay import (
    BUNDLE,
    HASH,
    NEW_TOKEN,
    PHONE,
    SESSION,
    START_TOKEN,
    UPDATE_TOKEN,
    Relay,
    active,
    pushed,
    run,
)
from fake_gateway import FakeGateway
from outcomes import answered
from relay.apns.push import Outcome
from relay.server.store import activities, devices
from simulator.clock import VirtualClock
from waiting import eventually

Make = Callable[..., Relay]


class TestTokens:
    async def test_an_app_that_started_its_own_is_not_started_again(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await relay.register()
        await relay.receive("progress", body="a")
        await run(relay, clock, 1)
        assert pushed(gateway) == [("update", "working", "a")]

    async def test_a_rotated_token_takes_the_place_of_the_old(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        await relay.register(NEW_TOKEN)
        await relay.receive("progress", body="a")
        await run(relay, clock, 1)
        assert [push.device_token for push in gateway.sent] == [NEW_TOKEN]

    async def test_the_plans_app_does_not_say_which_phone_it_is(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await relay.receive("start")
        await relay.push()
        await relay.register(device_token=None)
        await run(relay, clock, 13)
        await relay.register(NEW_TOKEN, device_token=None)
        await relay.receive("progress", body="a")
        await run(relay, clock, 13)
        assert [push.device_token for push in gateway.sent] == [START_TOKEN, UPDATE_TOKEN, NEW_TOKEN]
        await relay.unregister(None)
        await relay.receive("progress", body="b")
        await run(relay, clock, 13)
        assert len(gateway.sent) == 3

    async def test_what_a_registration_leaves_out_is_the_phones(self, make: Make) -> None:
        relay = make()
        await relay.add_phone(apns_env="sandbox", activity_format="expo-widgets")
        await relay.register()
        row = await relay.row()
        assert (row.apns_env, row.bundle_id, row.activity_format) == ("sandbox", BUNDLE, "expo-widgets")
        await relay.register(apns_env="production", bundle_id="com.other", activity_format="flat")
        row = await relay.row()
        assert (row.apns_env, row.bundle_id, row.activity_format) == ("production", "com.other", "flat")

    async def test_without_any_phone_the_defaults_hold(self, make: Make) -> None:
        relay = make()
        await relay.register(device_token=None)
        row = await relay.row()
        assert (row.apns_env, row.bundle_id, row.activity_format) == ("production", BUNDLE, "flat")

    @pytest.mark.parametrize(
        "dead",
        [
            answered(410, "ExpiredToken", 2_000_000_000_000),
            answered(410, "Unregistered", 2_000_000_000_000),
            answered(400, "DeviceTokenNotForTopic"),
        ],
    )
    async def test_a_dead_update_token_goes_alone_and_brings_no_second_card(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, dead: Outcome
    ) -> None:
        await active(relay, gateway, clock)
        await relay.register("9a" * 80, session="ses_2")
        gateway.answers = [dead]
        await relay.receive("progress")
        await relay.push()
        assert (await relay.row()).activity_token is None
        assert (await relay.row("ses_2")).activity_token == "9a" * 80
        phone = await devices.find(relay.db, secret_hash=HASH, device_token=PHONE)
        assert phone is not None
        assert phone.push_to_start_token == START_TOKEN
        await relay.receive("progress")
        await run(relay, clock, 60)
        assert len(gateway.sent) == 1

    async def test_bad_device_token_is_tried_in_the_other_environment_first(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.answers = [answered(400, "BadDeviceToken"), answered(200)]
        await relay.receive("progress")
        await relay.push()
        assert [push.apns_env for push in gateway.sent] == ["production", "sandbox"]
        assert (await relay.row()).apns_env == "sandbox"
        gateway.answers = [answered(400, "BadDeviceToken"), answered(400, "BadDeviceToken")]
        await relay.receive("permission")
        await run(relay, clock, 2)
        assert (await relay.row()).activity_token is None

    async def test_a_token_registered_after_the_410s_time_is_kept(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        long_ago = int(clock.now() * 1000) - 3_600_000
        gateway.answers = [answered(410, "ExpiredToken", long_ago)]
        await relay.receive("progress", body="a")
        await relay.push()
        assert (await relay.row()).activity_token == UPDATE_TOKEN
        await run(relay, clock, 13)
        assert pushed(gateway) == [("update", "working", "a")] * 2

    async def test_a_token_that_rotates_while_the_old_one_dies(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.answers = [answered(410, "ExpiredToken", 2_000_000_000_000)]
        gateway.gate.clear()
        await relay.receive("progress", body="a")
        await relay.sender.engine.poll()
        await eventually(lambda: gateway.sent)
        await relay.register(NEW_TOKEN)
        gateway.gate.set()
        await relay.sender.engine.idle()
        await run(relay, clock, 2)
        assert [push.device_token for push in gateway.sent] == [UPDATE_TOKEN, NEW_TOKEN]

    async def test_unregister_is_idempotent_and_ends_the_pushes(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await relay.unregister()
        await active(relay, gateway, clock)
        for _ in range(2):
            await relay.unregister()
        await relay.receive("progress")
        await run(relay, clock, 30)
        assert not gateway.sent
        await relay.receive("start")
        await relay.push()
        assert [event for event, _, _ in pushed(gateway)] == ["start"]

    async def test_a_phone_that_unregisters_takes_its_activities_along(self, relay: Relay) -> None:
        await relay.register()
        await activities.forget_phone(relay.db, secret_hash=HASH, device_token=PHONE.upper())
        assert await activities.of_session(relay.db, HASH, SESSION) == []

    async def test_sessions_whose_names_differ_in_case_are_two(
        self, relay: Relay, gateway: FakeGateway
    ) -> None:
        await relay.receive("start", session="ses_a")
        await relay.receive("start", session="ses_A")
        await relay.push()
        assert len(gateway.sent) == 2
