"""The app in the background: its cards live by pushes, and it is woken to tell their tokens; then it is opened again."""

from phone_scene import SECRET, Scene, says
from simulator.journal import Journal
from simulator.phone.app.monitored_session import DECISION

OTHER_SERVER = "fedcba9876543210"


async def test_launching_registers_the_push_to_start_token(scene: Scene) -> None:
    phone = scene.phone()
    await phone.app.start()
    (body,) = scene.calls("device/register")
    assert body["pushToStartToken"] == phone.device.push_to_start_token
    assert body["activityFormat"] == scene.kind
    await phone.app.rotate_push_to_start_token()
    _, again = scene.calls("device/register")
    assert again["pushToStartToken"] == phone.device.push_to_start_token != body["pushToStartToken"]
    assert body["pushToStartToken"] in scene.apns.expired
    assert not phone.device.starts_by(body["pushToStartToken"])


async def test_live_activities_off_and_on_registers_another_push_to_start_token(scene: Scene) -> None:
    """home-assistant/iOS#5812: that is how people got rid of a stale one."""
    phone, ended = scene.phone(), scene.phone()
    await phone.app.start()
    ended.set("app", "force_quit")
    for one in (phone, ended):
        one.set("live_activities", True)  # they are on: nothing changes
        one.set("live_activities", False)
        one.set("live_activities", True)
    bodies = await scene.received("device/register", 2)
    assert [body["deviceToken"] for body in bodies] == [phone.app.token] * 2
    assert bodies[1]["pushToStartToken"] == phone.device.push_to_start_token != bodies[0]["pushToStartToken"]
    assert bodies[0]["pushToStartToken"] not in scene.apns.expired


async def test_without_live_activities_there_is_no_push_to_start_token(scene: Scene) -> None:
    off, old = scene.phone(), scene.phone()
    off.set("live_activities", False)
    old.set("ios", "17.1")
    for phone in (off, old):
        await phone.app.register()
    await old.app.rotate_push_to_start_token()
    assert not any("pushToStartToken" in body for body in scene.calls("device/register"))


async def test_a_push_starts_a_card_and_its_token_is_registered(scene: Scene) -> None:
    phone = scene.phone()
    card = scene.starts(phone)
    assert phone.background_wakes == 1
    (body,) = await scene.received("activity/register")
    assert (body["sessionID"], body["activityToken"], body["secret"]) == ("ses_1", card.token, SECRET)
    assert (body["deviceToken"], body["activityFormat"]) == (phone.app.token, scene.kind)
    scene.pushes(phone, card, status="permission", last_message="Allow bash?")
    assert says(phone)["lastMessage"] == "Allow bash?"
    scene.pushes(phone, card, "end", status="complete")
    assert card.state == "ended"
    assert scene.calls("activity/unregister") == [], (
        "the app does not run, and the relay knows: it sent the end"
    )


async def test_the_newest_token_is_registered_last_after_an_outage(scene: Scene) -> None:
    phone = scene.phone()
    await scene.relay.stop()
    card = scene.starts(phone)
    phone.activities.rotate(card)
    phone.activities.rotate(card)
    await scene.clock.advance(5)
    await scene.relay.start()
    await scene.until(
        lambda: (calls := scene.calls("activity/register")) and calls[-1]["activityToken"] == card.token
    )
    assert len(scene.calls("activity/register")) <= 2


async def test_a_second_card_by_push_is_taken_away_and_the_first_registered_again(scene: Scene) -> None:
    phone = scene.phone()
    first = scene.starts(phone)
    await scene.at_rest(phone)
    second = scene.starts(phone)
    assert phone.activities.visible == (first,)
    assert second.state == "dismissed"
    await scene.received("activity/register", 2)
    assert {body["activityToken"] for body in scene.calls("activity/register")} == {first.token}


async def test_the_next_turn_by_push_takes_the_place_of_a_card_that_ended(scene: Scene) -> None:
    phone = scene.phone()
    first = scene.starts(phone)
    scene.pushes(phone, first, "end", status="complete")
    second = scene.starts(phone)
    assert phone.activities.visible == (second,)
    await scene.until(lambda: scene.calls("activity/register"))
    assert scene.calls("activity/register")[-1]["activityToken"] == second.token


async def test_after_force_quit_nothing_is_registered_until_it_is_opened(scene: Scene) -> None:
    phone = scene.phone()
    scene.agent.session()
    scene.agent.busy()
    phone.set("app", "force_quit")
    card = scene.starts(phone)
    assert card.running
    assert scene.relay.calls == []
    await scene.open(phone)
    (body,) = [body for body in await scene.received("activity/register") if body["activityToken"]][:1]
    assert body["activityToken"] == card.token
    await scene.received("device/register")
    assert phone.app.live_sessions.monitored == {"ses_1"}


async def test_force_quit_forgets_what_was_monitored_but_not_the_cards(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    await scene.open(phone)
    agent.busy()
    await scene.received("activity/register")
    phone.set("app", "force_quit")
    assert phone.app.live_sessions.monitored == frozenset()
    (card,) = phone.activities.active
    received = len(scene.calls("activity/register"))
    await scene.open(phone)
    await scene.received("activity/register", received + 1)
    assert phone.app.live_sessions.monitored == {"ses_1"}
    assert phone.activities.active == (card,)


async def test_in_the_background_the_stream_is_closed_and_pushes_do_it(scene: Scene) -> None:
    phone, agent = await scene.at_work(), scene.agent
    phone.set("app", "background")
    await scene.until(lambda: not scene.opencode.process.streams.global_subscriptions)
    agent.asks()
    agent.says("Unheard")
    await scene.clock.advance(60)
    assert says(phone)["status"] == "working"
    scene.pushes(phone, phone.activities.newest, status="permission", last_message="Allow bash?")
    assert says(phone)["status"] == "permission"


async def test_opened_again_it_catches_up(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    agent.busy()
    scene.starts(phone)
    agent.session(title="Better title")
    agent.session("ses_child", "child", parentID="ses_1")
    agent.asks("per_1", "ses_child")
    await scene.open(phone)
    await scene.follows(phone, status="permission", lastMessage=DECISION, sessionTitle="Better title")
    agent.is_answered("per_1", "ses_child")
    agent.says("Going on")
    await scene.follows(phone, status="working", lastMessage="Going on")


async def test_opened_again_it_ends_a_card_whose_turn_is_over(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session()
    agent.busy()
    card = scene.starts(phone)
    await scene.received("activity/register")
    agent.says("All 42 tests pass.", completed=True)
    agent.idle()
    await scene.open(phone)
    await scene.follows(phone, status="complete", lastMessage="All 42 tests pass.")
    assert card.state == "ended"
    await scene.received("activity/unregister")


async def test_a_card_whose_session_no_server_knows_is_an_orphan(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    agent.session("ses_known")
    agent.busy("ses_known")
    known = scene.starts(phone, "ses_known")
    orphan = scene.starts(phone, "ses_gone")
    await scene.open(phone)
    assert phone.activities.visible == (known,)
    assert orphan.state == "dismissed"
    (gone,) = await scene.received("activity/unregister")
    assert gone["sessionID"] == "ses_gone"


async def test_of_two_servers_both_must_say_that_they_do_not_know_it(scene: Scene) -> None:
    phone = scene.phone()
    phone.app.scan(scene.link(OTHER_SERVER, "another-secret-another", "http://127.0.0.1:9"))
    card = scene.starts(phone)
    await scene.received("activity/register", 2)
    assert {body["secret"] for body in scene.calls("activity/register")} == {SECRET, "another-secret-another"}
    phone.set("app", "foreground")
    (mine, _) = phone.app.live_sessions._servers.values()
    await scene.until(mine.live.is_set)
    assert card.running, "the other server may know it"
    phone.app.scan(scene.link(OTHER_SERVER, "another-secret-another"))
    phone.set("app", "background")
    phone.set("app", "foreground")
    await scene.until(lambda: not card.running)


async def test_a_session_known_to_one_server_is_registered_at_its_relay_only(scene: Scene) -> None:
    phone, agent = scene.phone(), scene.agent
    phone.app.scan(scene.link(OTHER_SERVER, "another-secret-another", "http://127.0.0.1:9"))
    agent.session()
    phone.set("app", "foreground")
    (mine, _) = phone.app.live_sessions._servers.values()
    await scene.until(mine.live.is_set)
    agent.busy()
    await scene.received("activity/register")
    assert {body["secret"] for body in scene.calls("activity/register")} == {SECRET}


async def test_what_ended_meanwhile_is_unregistered_as_the_app_is_opened(scene: Scene) -> None:
    phone = scene.phone()
    scene.starts(phone)
    await scene.received("activity/register")
    phone.set("la_dismissed_by_user", True)
    assert scene.calls("activity/unregister") == []
    phone.set("app", "foreground")
    await scene.received("activity/unregister")


async def test_a_refused_token_is_registered_again_when_the_app_is_opened(scene: Scene) -> None:
    phone = scene.phone()
    scene.relay.script = [400]
    scene.starts(phone)
    await scene.at_rest(phone)
    scene.agent.session()
    scene.agent.busy()
    await scene.open(phone)
    await scene.received("activity/register", 2)


async def test_a_card_that_names_no_session_is_let_be(scene: Scene) -> None:
    phone = scene.phone()
    if scene.kind == "flat":
        return  # its attributes cannot be decoded without one
    card = scene.starts(phone, "")
    assert card.running
    assert phone.tap_activity(card) is None
    phone.set("app", "foreground")
    assert scene.calls("activity/register") == []


async def test_the_app_of_before_live_activities_does_none_of_it(scene: Scene, journal: Journal) -> None:
    from simulator.phone.phone import Phone

    phone = Phone(scene.clock, journal, scene.apns, name="old")
    phone.app.scan(scene.link())
    assert phone.app.live_sessions is None
    phone.set("app", "foreground")
    await phone.app.register()
    assert set(scene.relay.calls[0][1]) == {"secret", "deviceToken", "bundleId", "apnsEnv"}
    await phone.app.close()
