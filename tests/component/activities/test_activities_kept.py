"""What a card that comes late, again, or not at all costs: the start that no phone shows, the token of a card that is over, the
state that nobody could be told yet.
"""

from collections.abc import Callable

import pytest

from activity_relay import (
    BUNDLE,
    HASH,
    NEW_TOKEN,
    OTHER_PHONE,
    PHONE,
    SECRET,
    SESSION,
    START_TOKEN,
    UPDATE_TOKEN,
    Relay,
    aps,
)
from outcomes import answered
from relay.contract import DeviceRegister
from relay.server.store import activities, devices

Make = Callable[..., Relay]
NEW_START_TOKEN = "9a" * 32
HOUR = 3600


async def with_start_token(relay: Relay, token: str) -> None:
    """As POST /v1/device/register."""
    phone = DeviceRegister(secret=SECRET, device_token=PHONE, push_to_start_token=token)
    now_ms = int(relay.clock.now() * 1000)
    if await devices.register(relay.db, phone, secret_hash=HASH, bundle_id=BUNDLE, now_ms=now_ms):
        await relay.registrations.start_token_changed(secret_hash=HASH, device_token=PHONE)


def events(relay: Relay) -> list[str]:
    return [event for event, _, _ in relay.pushed]


# A start that APNs took and no phone shows (kylebshr/luka-ios#146, home-assistant/iOS#5812).


@pytest.mark.parametrize("first", ["start", "progress", "permission"])
async def test_a_run_whose_card_never_came_does_not_cost_the_next_its_card(relay: Relay, first: str) -> None:
    for run in range(3):
        await relay.receive(first if run else "start", title=f"run {run}")
        await relay.run(20)
        await relay.receive("complete")
        await relay.run(20)
    assert events(relay) == ["start"] * 3
    assert (await relay.row()).unadopted == 3


async def test_starts_that_no_phone_answers_are_worth_a_word(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        assert "none adopted" not in caplog.text
        await relay.receive("start", session=f"ses_{number}")
        await relay.run(2)
    assert "3 starts accepted, none adopted: the start token may be stale" in caplog.text
    caplog.clear()
    await relay.register(session="ses_2")
    await relay.receive("start", session="ses_3")
    await relay.run(2)
    assert "none adopted" not in caplog.text


async def test_a_token_that_comes_late_serves_the_next_run_instead_of_another_card(relay: Relay) -> None:
    await relay.receive("start")
    await relay.push()
    await relay.receive("complete")
    await relay.receive("start", title="again")
    await relay.run(1)
    await relay.register()
    await relay.run(20)
    assert events(relay) == ["start", "update"]
    assert relay.sent[-1].device_token == UPDATE_TOKEN


async def test_another_push_to_start_token_starts_what_never_came(relay: Relay) -> None:
    await relay.receive("start", title="Fix bug")
    await relay.run(60)
    await with_start_token(relay, START_TOKEN)
    await relay.run(60)
    assert len(relay.sent) == 1
    await with_start_token(relay, NEW_START_TOKEN)
    await relay.run(10)
    assert [push.device_token for push in relay.sent] == [START_TOKEN, NEW_START_TOKEN]
    assert events(relay) == ["start", "start"]


async def test_a_card_whose_token_comes_at_the_same_launch_is_not_started_again(relay: Relay) -> None:
    await relay.receive("start")
    await relay.run(60)
    await with_start_token(relay, NEW_START_TOKEN)
    await relay.run(1)
    await relay.register()
    await relay.run(20)
    assert events(relay) == ["start", "update"]


@pytest.mark.parametrize("over", [False, True])
async def test_what_never_came_is_over_after_eight_hours(relay: Relay, over: bool) -> None:
    await relay.receive("start")
    await relay.push()
    if over:
        await relay.receive("complete")
    await relay.clock.advance(8 * HOUR + 1)
    await relay.sender.sweep()
    assert (await relay.row()).stage == "ended"


# A token that is over (kylebshr/luka-ios#146).


@pytest.mark.parametrize("late", [UPDATE_TOKEN, UPDATE_TOKEN.upper()])
async def test_the_token_of_the_card_before_does_not_take_the_place_of_the_new_one(
    relay: Relay, late: str
) -> None:
    await relay.activate()
    await relay.receive("complete")
    await relay.run(2)
    await relay.receive("start", title="again")
    await relay.run(2)
    await relay.register(NEW_TOKEN)
    await relay.run(2)
    relay.sent.clear()
    await relay.register(late)
    await relay.receive("permission", title="Bash", body="rm")
    await relay.run(15)
    assert {push.device_token for push in relay.sent} == {NEW_TOKEN}


async def test_a_token_that_died_gives_its_place_back_to_the_one_before_it(relay: Relay) -> None:
    """The dead one came last and the relay had never seen it."""
    await relay.activate()
    await relay.register(NEW_TOKEN)
    relay.gateway.answers = [answered(410, "ExpiredToken")]
    await relay.receive("permission", title="Bash", body="rm")
    await relay.run(15)
    assert [push.device_token for push in relay.sent] == [NEW_TOKEN, UPDATE_TOKEN]
    assert relay.pushed[-1] == ("update", "permission", "rm")
    await relay.register(NEW_TOKEN)
    await relay.receive("complete")
    await relay.run(15)
    assert relay.sent[-1].device_token == UPDATE_TOKEN


async def test_what_is_known_of_dead_tokens_outlives_a_start_that_was_refused(relay: Relay) -> None:
    await relay.activate()
    await relay.receive("complete")
    await relay.run(2)
    relay.gateway.answers = [answered(400, "BadTopic")]
    await relay.receive("start")
    await relay.run(2)
    await relay.register(UPDATE_TOKEN)
    await relay.run(2)
    relay.sent.clear()
    await relay.receive("start", title="again")
    await relay.run(2)
    assert events(relay) == ["start"]


# The newest state, whether or not anybody can be told yet (pingdotgg/t3code#3685).


@pytest.fixture
async def mute(make: Make) -> Relay:
    """A relay with one phone that no card can be started on."""
    relay = make()
    await relay.add_phone(start_token=None)
    return relay


@pytest.mark.parametrize("event_type", ["complete", "error"])
async def test_a_token_that_comes_after_the_end_of_the_session_ends_the_card(
    mute: Relay, event_type: str
) -> None:
    assert await mute.receive("start") == 0
    assert await mute.receive(event_type, body="over") == 0
    await mute.run(120)
    await mute.register()
    await mute.run(5)
    assert mute.pushed == [("end", event_type, "over")]


async def test_a_question_that_is_open_reaches_a_card_that_comes_later(mute: Relay) -> None:
    await mute.receive("start")
    await mute.receive("permission", title="Bash", body="rm")
    await mute.run(600)
    await mute.register()
    await mute.push()
    assert mute.pushed == [("update", "permission", "rm")]
    assert mute.sent[0].priority == 10
    await mute.receive("complete")
    await mute.run(5)
    assert events(mute) == ["update", "end"]
    assert len(await activities.of_session(mute.db, HASH, SESSION)) == 1


async def test_news_that_are_late_are_not_kept(mute: Relay) -> None:
    await mute.receive("complete", body="over")
    await mute.receive("progress", body="late")
    await mute.register()
    await mute.run(5)
    assert mute.pushed == [("end", "complete", "over")]


@pytest.mark.parametrize("after", ["nothing", "a run that ended on a card"])
async def test_the_card_of_a_new_run_is_not_ended_by_the_run_before(mute: Relay, after: str) -> None:
    if after != "nothing":
        await mute.receive("start")
        await mute.register(NEW_TOKEN)
        await mute.run(2)
    await mute.receive("complete", body="over")
    await mute.run(30)
    mute.sent.clear()
    await mute.register()  # a moment before the news of the run that it is of
    await mute.receive("start", title="again")
    await mute.run(15)
    assert events(mute) == ["update"]


async def test_an_end_is_kept_for_minutes_only_and_a_question_for_an_hour(mute: Relay) -> None:
    await mute.receive("complete")
    await mute.run(1)
    await mute.clock.advance(601)
    await mute.register()
    await mute.run(5)
    assert not mute.sent
    await mute.receive("permission", session="ses_2", body="rm")
    await mute.clock.advance(HOUR - 60)
    await mute.sender.sweep()
    await mute.register(NEW_TOKEN, session="ses_2")
    await mute.run(5)
    assert mute.pushed == [("update", "permission", "rm")]


async def test_what_was_kept_for_nobody_is_forgotten(mute: Relay) -> None:
    await mute.receive("start")
    await mute.clock.advance(HOUR + 1)
    await mute.sender.sweep()
    assert await activities.of_session(mute.db, HASH, SESSION) == []


async def test_the_second_phones_card_comes_after_the_end_too(relay: Relay) -> None:
    await relay.add_phone(OTHER_PHONE, None)
    await relay.activate()
    await relay.receive("complete", body="over")
    await relay.run(5)
    relay.sent.clear()
    await relay.register(NEW_TOKEN, device_token=OTHER_PHONE)
    await relay.run(5)
    assert relay.pushed == [("end", "complete", "over")]
    assert relay.sent[0].device_token == NEW_TOKEN


async def test_of_a_secret_without_phones_nothing_is_kept(make: Make) -> None:
    relay = make()
    await relay.receive("complete")
    assert await activities.of_session(relay.db, HASH, SESSION) == []


async def test_a_nameless_app_unregisters_its_card_and_not_what_is_kept(mute: Relay) -> None:
    await mute.receive("start")
    await mute.unregister(None)
    assert [one.stage for one in await activities.of_session(mute.db, HASH, SESSION)] == ["lost"]


# One of alert and card lights the screen (OneSignal/react-native-onesignal#1800).


@pytest.mark.parametrize("device_token", [PHONE, None], ids=["named", "nameless"])
@pytest.mark.parametrize("alerts", [True, False])
async def test_a_question_lights_the_screen_once(
    relay: Relay, alerts: bool, device_token: str | None
) -> None:
    await relay.register(device_token=device_token)
    if not alerts:
        await relay.forget_phone()
    await relay.receive("permission", title="Bash", body="rm")
    await relay.run(2)
    (question,) = relay.sent
    assert ("alert" in aps(question)) != alerts
    assert question.priority == 10


async def test_a_start_with_a_question_is_passive(relay: Relay) -> None:
    await relay.receive("permission", title="Bash", body="rm")
    await relay.push()
    (start,) = relay.sent
    assert aps(start)["alert"] == {"title": "Bash", "body": "rm"}
    assert aps(start)["interruption-level"] == "passive"


async def test_pushes_are_dated_by_the_phone_whose_clock_is_ahead(relay: Relay) -> None:
    """customerio/customerio-android#723: what is older than the card the phone drops, and APNs says 200."""
    at_phone = relay.clock.now() + 120
    await relay.register(timestamp=at_phone)
    await relay.receive("permission", title="Bash", body="rm")
    await relay.run(2)
    await relay.receive("complete")
    await relay.run(2)
    assert all(aps(push)["timestamp"] >= at_phone for push in relay.sent)
    assert events(relay) == ["update", "end"]
