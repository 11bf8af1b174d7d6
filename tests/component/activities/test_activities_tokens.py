"""Update tokens: first, rotated, dead, of an app that names its phone and of one that does not."""

from collections.abc import Callable

from activity_relay import (
    BUNDLE,
    HASH,
    NEW_TOKEN,
    PHONE,
    SESSION,
    START_TOKEN,
    UPDATE_TOKEN,
    Relay,
)
from relay.server.store import activities

Make = Callable[..., Relay]


async def test_an_app_that_started_its_own_is_not_started_again(relay: Relay) -> None:
    await relay.register()
    await relay.receive("progress", body="a")
    await relay.run(1)
    assert relay.pushed == [("update", "working", "a")]


async def test_the_plans_app_does_not_say_which_phone_it_is(relay: Relay) -> None:
    await relay.receive("start")
    await relay.push()
    await relay.register(device_token=None)
    await relay.run(13)
    await relay.register(NEW_TOKEN, device_token=None)
    await relay.receive("progress", body="a")
    await relay.run(13)
    assert [push.device_token for push in relay.sent] == [START_TOKEN, UPDATE_TOKEN, NEW_TOKEN]
    await relay.unregister(None)
    await relay.receive("progress", body="b")
    await relay.run(13)
    assert len(relay.sent) == 3


async def test_what_a_registration_leaves_out_is_the_phones(make: Make) -> None:
    relay = make()
    await relay.add_phone(apns_env="sandbox", activity_format="expo-widgets")
    await relay.register()
    row = await relay.row()
    assert (row.apns_env, row.bundle_id, row.activity_format) == ("sandbox", BUNDLE, "expo-widgets")
    await relay.register(apns_env="production", bundle_id="com.other", activity_format="flat")
    row = await relay.row()
    assert (row.apns_env, row.bundle_id, row.activity_format) == ("production", "com.other", "flat")


async def test_without_any_phone_the_defaults_hold(make: Make) -> None:
    relay = make()
    await relay.register(device_token=None)
    row = await relay.row()
    assert (row.apns_env, row.bundle_id, row.activity_format) == ("production", BUNDLE, "flat")


async def test_unregister_is_idempotent_and_ends_the_pushes(relay: Relay) -> None:
    await relay.unregister()
    await relay.activate()
    for _ in range(2):
        await relay.unregister()
    await relay.receive("progress")
    await relay.run(30)
    assert not relay.sent
    await relay.receive("start")
    await relay.push()
    assert [event for event, _, _ in relay.pushed] == ["start"]


async def test_a_phone_that_unregisters_takes_its_activities_along(relay: Relay) -> None:
    await relay.register()
    await activities.forget_phone(relay.db, secret_hash=HASH, device_token=PHONE.upper())
    assert await activities.of_session(relay.db, HASH, SESSION) == []


async def test_sessions_whose_names_differ_in_case_are_two(relay: Relay) -> None:
    await relay.receive("start", session="ses_a")
    await relay.receive("start", session="ses_A")
    await relay.push()
    assert len(relay.sent) == 2
