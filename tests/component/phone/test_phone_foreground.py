"""The app while somebody looks at it: it follows OpenCode's stream and changes its cards itself."""

import pytest

from phone_scene import SECRET, Scene, entries, says
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.app.http import OpenCodeAway
from simulator.phone.app.monitored_session import DECISION, INTERRUPTED, STARTING, STOPPED


async def test_a_turn_from_its_start_to_its_end(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    await scene.follows(phone, status="working", lastMessage=STARTING, sessionTitle="Fix it")
    agent.says("Installing dependencies...")
    await scene.follows(phone, status="working", lastMessage="Installing dependencies...")
    agent.retry(2, scene.clock.now() - 1)
    await scene.follows(phone, status="retry", retryInfo="Retry 2 in 0s")
    agent.busy()
    agent.asks()
    await scene.follows(phone, status="permission", lastMessage=DECISION)
    agent.is_answered()
    await scene.follows(phone, status="working")
    agent.idle()
    await scene.follows(phone, status="complete", lastMessage="Installing dependencies...")
    (card,) = phone.activities.all
    assert (card.state, card.started_by, card.type.name) == (
        "ended",
        "app",
        phone.app._kind.activity_type.name,
    )
    assert card.visible, "it stays for a while"
    assert entries(scene.journal, "stream broke") == []


async def test_its_token_is_registered_and_unregistered_at_the_end(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    (registered,) = await scene.received("activity/register")
    assert 0 <= scene.clock.now() - registered.pop("timestamp") < 60
    assert registered == {
        "secret": SECRET,
        "sessionID": "ses_1",
        "activityToken": phone.activities.newest.token,
        "bundleId": BUNDLE_ID,
        "apnsEnv": "production",
        "deviceToken": phone.app.token,
        "activityFormat": scene.kind,
    }
    agent.idle()
    (gone,) = await scene.received("activity/unregister")
    assert gone == {"secret": SECRET, "sessionID": "ses_1", "deviceToken": phone.app.token}
    assert registered["activityToken"] in scene.apns.expired


async def test_the_next_turn_of_a_session_takes_the_place_of_the_last(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    agent.idle()
    await scene.until(lambda: phone.activities.newest and phone.activities.newest.state == "ended")
    agent.busy()
    await scene.until(lambda: len(phone.activities.active) == 1)
    old, new = phone.activities.all
    assert (old.state, new.state) == ("dismissed", "active")
    assert phone.activities.visible == (new,)


async def test_a_running_card_of_the_session_is_ended_before_a_new_one_starts(scene: Scene) -> None:
    phone, agent = scene.phone(begins_all=False), scene.agent
    agent.session()
    agent.busy()
    pushed = scene.starts(phone)
    phone.set("app", "foreground")
    await phone.app.live_sessions.begin(phone.app.pairings[0].server_id, "ses_1")
    assert (pushed.state, phone.activities.newest.started_by) == ("dismissed", "app")
    assert phone.activities.visible == (phone.activities.newest,)
    await scene.until(lambda: scene.calls("activity/register"))
    assert scene.calls("activity/unregister") == []
    assert scene.calls("activity/register")[-1]["activityToken"] == phone.activities.newest.token


async def test_a_card_that_a_push_starts_beside_the_apps_own_is_taken_away(scene: Scene) -> None:
    """The relay had not yet heard of the app's own card as the first event of the session came."""
    phone = await scene.at_work()
    own = phone.activities.newest
    pushed = scene.starts(phone)
    assert pushed is not own
    assert phone.activities.visible == (own,)
    await scene.until(lambda: phone.app._tasks is not None and len(scene.calls("activity/register")) >= 1)
    assert {call["activityToken"] for call in scene.calls("activity/register")} == {own.token}
    assert pushed.token in scene.apns.expired


async def test_a_card_that_a_push_starts_too_late_is_taken_away(scene: Scene) -> None:
    """A quick turn is over while its push-to-start is still under way."""
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    agent.idle()
    await scene.follows(phone, status="complete")
    own = phone.activities.newest
    late = scene.starts(phone)
    assert (own.state, late.state) == ("ended", "dismissed")
    agent.busy()
    await scene.follows(phone, status="working")
    assert phone.activities.visible == (phone.activities.newest,)


async def test_without_begins_all_only_named_sessions_are_monitored(scene: Scene) -> None:
    phone, agent = scene.phone(begins_all=False), scene.agent
    agent.session("ses_1")
    agent.session("ses_2")
    await scene.open(phone)
    agent.busy("ses_1")
    await phone.app.live_sessions.begin(phone.app.pairings[0].server_id, "ses_2")
    agent.busy("ses_2")
    agent.says("Second", "ses_2")
    await scene.follows(phone, lastMessage="Second")
    assert phone.app.live_sessions.monitored == {"ses_2"}
    phone.app.live_sessions.stop("ses_2")
    phone.app.live_sessions.stop("ses_2")
    assert (says(phone)["status"], says(phone)["lastMessage"]) == ("complete", STOPPED)
    assert phone.app.live_sessions.monitored == frozenset()
    await scene.received("activity/unregister")


async def test_a_session_that_is_not_there_cannot_be_begun(scene: Scene) -> None:
    phone = scene.phone()
    phone.set("app", "foreground")
    await phone.app.live_sessions.begin(phone.app.pairings[0].server_id, "ses_nope")
    assert phone.activities.all == ()
    await scene.opencode.close()
    with pytest.raises(OpenCodeAway, match="none of http"):
        await phone.app.live_sessions.begin(phone.app.pairings[0].server_id, "ses_nope")


async def test_a_card_started_by_push_in_the_foreground_is_followed(scene: Scene) -> None:
    phone, agent = scene.phone(begins_all=False), scene.agent
    agent.session()
    await scene.open(phone)
    scene.starts(phone)
    agent.busy()
    agent.says("Local")
    await scene.follows(phone, lastMessage="Local")
    assert phone.activities.newest.started_by == "push"


async def test_the_server_is_killed_and_comes_back(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    agent.says("Half an")
    await scene.follows(phone, lastMessage="Half an")
    await scene.opencode.cut()
    await scene.until(lambda: entries(scene.journal, "stream broke"))
    assert says(phone)["status"] == "working"
    await scene.opencode.start()
    await scene.follows(phone, status="error", lastMessage=INTERRUPTED)


async def test_live_activities_switched_off_start_nothing(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    phone.set("live_activities", False)
    agent.session()
    await scene.open(phone)
    agent.busy()
    await scene.until(lambda: phone.app.live_sessions.monitored == {"ses_1"})
    agent.says("On and on")
    agent.idle()
    await scene.until(lambda: not phone.app.live_sessions.monitored)
    assert phone.activities.all == ()
    assert scene.calls("activity/register") == scene.calls("activity/unregister") == []


async def test_the_person_swipes_it_away_and_it_does_not_come_back(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    await scene.received("activity/register")
    phone.set("la_dismissed_by_user", True)
    agent.says("On and on")
    agent.idle()
    await scene.received("activity/unregister")
    assert phone.activities.visible == ()
    assert len(phone.activities.all) == 1


async def test_a_tap_opens_the_session(scene: Scene) -> None:
    phone = scene.phone()
    card = scene.starts(phone)
    assert phone.tap_activity(card) == "mobilevoice://session/ses_1"
    assert phone.app.opened == ["mobilevoice://session/ses_1"]
    assert phone.device.app == "foreground"
    phone.set("la_dismissed_by_user", True)
    with pytest.raises(ValueError, match="not on the screen"):
        phone.tap_activity(card)


async def test_local_updates_do_not_shut_out_pushes_of_the_same_second(scene: Scene) -> None:
    """Pushes know only whole seconds; the newer content of one must not count as older than the app's."""
    phone = await scene.at_work()
    phone.set("app", "background")
    scene.pushes(phone, phone.activities.newest, status="permission", last_message="Allow bash?")
    assert says(phone)["lastMessage"] == "Allow bash?"
