"""Tokens that change, or that answer 200 and reach nobody; cards that are swiped; widgets. Seen through the control API."""

from types import SimpleNamespace
from typing import Any

import pytest
from aioapns import NotificationRequest

from .conftest import TOPIC, Stage

WIDGETS: Any = SimpleNamespace(value="widgets")
"""aioapns 4.0 has no such push type."""
STATE = {"status": "working", "sessionTitle": "Fix it", "lastMessage": "Reading", "retryInfo": None}


def start(stage: Stage, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return {
        "event": "start", "timestamp": int(stage.lab.clock.now()), "input-push-token": 1,
        "attributes-type": "SessionActivityAttributes", "attributes": {"sessionId": session_id},
        "content-state": STATE, "alert": {"title": "Build", "body": "started"}, **more,
    }  # fmt: skip


def update(stage: Stage) -> dict[str, Any]:
    return {"event": "update", "timestamp": int(stage.lab.clock.now()) + 1, "content-state": STATE}


async def dropped(stage: Stage) -> list[str]:
    entries = (await stage.get("/journal", params={"where": "phone", "what": "dropped"}))["entries"]
    return [entry["detail"]["why"] for entry in entries]


async def test_an_alert_token_rotates_and_apns_learns_of_it_late(stage: Stage) -> None:
    changed = await stage.post("/devices/iPhone/tokens/alert/rotate")
    assert changed["token"] == await stage.token() != changed["old"]
    assert (await stage.push("new", token=changed["token"])).is_successful
    assert (await stage.push("old", token=changed["old"])).is_successful  # 200 until APNs knows
    shown = (await stage.get("/devices/iPhone"))["device"]["notifications"]
    assert [one["title"] for one in shown] == ["new"]
    await stage.patch("/profile", {"unregister_after_s": 0})
    assert (await stage.push("old", token=changed["old"])).description == "Unregistered"


async def test_a_voip_token_rotates(stage: Stage) -> None:
    changed = await stage.post("/devices/iPhone/tokens/voip/rotate")
    assert changed["token"] == await stage.token("voip") != changed["old"]


async def test_an_old_token_may_be_accepted_for_ever_and_reach_nobody(stage: Stage) -> None:
    await stage.patch("/profile", {"unregister_after_s": 0})
    for kind, why in (
        ("alert", "the token is not of this phone"),
        ("push-to-start", "the app has another push-to-start token now"),
    ):
        old = (await stage.post(f"/devices/iPhone/tokens/{kind}/rotate", {"old": "accepted"}))["old"]
        pushed = stage.push("x", token=old) if kind == "alert" else stage.push_activity(old, start(stage))
        assert (await pushed).is_successful
        assert (await dropped(stage))[-1] == why
    device = (await stage.get("/devices/iPhone"))["device"]
    assert (device["notifications"], device["activities"]) == ([], [])


async def test_a_push_to_start_token_rotates(stage: Stage) -> None:
    changed = await stage.post("/devices/iPhone/tokens/push-to-start/rotate", {"old": "gone"})
    assert (await stage.push_activity(changed["old"], start(stage))).description == "ExpiredToken"
    assert (await stage.push_activity(await stage.token("push-to-start"), start(stage))).is_successful
    assert len((await stage.get("/devices/iPhone/activities"))["activities"]) == 1


async def test_a_start_token_that_answers_200_and_reaches_nobody_until_live_activities_were_off_and_on(
    stage: Stage,
) -> None:
    """kylebshr/luka-ios#146: APNs accepted each start for weeks; home-assistant/iOS#5812: off and on gave a fresh token."""
    stale = await stage.token("push-to-start")
    await stage.patch("/devices/iPhone", {"start_token_works": False})
    assert (await stage.push_activity(stale, start(stage))).is_successful
    assert await dropped(stage) == ["the push-to-start token is stale"]

    await stage.patch("/devices/iPhone", {"live_activities": False})
    state = (await stage.patch("/devices/iPhone", {"live_activities": True}))["device"]["state"]
    assert state["start_token_works"] is True
    fresh = await stage.token("push-to-start")
    assert fresh != stale
    assert (await stage.push_activity(stale, start(stage))).is_successful
    assert (await stage.get("/devices/iPhone/activities"))["activities"] == []
    assert (await stage.push_activity(fresh, start(stage))).is_successful
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    assert activity["state"] == "active"


@pytest.mark.parametrize(("old", "answer"), [("gone", "ExpiredToken"), ("accepted", None)])
async def test_the_token_of_a_card_rotates(stage: Stage, old: str, answer: str | None) -> None:
    await stage.push_activity(await stage.token("push-to-start"), start(stage))
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    path = f"/devices/iPhone/activities/{activity['id']}/rotate"
    changed = await stage.post(path, {"old": old})
    assert changed["old"] == activity["token"] != changed["token"]
    assert changed["activity"]["token_known_to_app"] is True
    assert (await stage.push_activity(changed["old"], update(stage))).description == answer
    assert await dropped(stage) == ([] if answer else ["the activity has another token now"])
    assert (await stage.push_activity(changed["token"], update(stage))).is_successful
    await stage.post(f"/devices/iPhone/activities/{activity['id']}/swipe")
    assert (await stage.post(path)).problem == (409, "not_now")


async def test_tokens_that_there_are_not(stage: Stage) -> None:
    assert (await stage.post("/devices/iPhone/tokens/activity/rotate")).problem == (404, "not_found")
    assert (await stage.post("/devices/iPhone/tokens/widgets/rotate")).problem == (409, "not_now")
    assert (await stage.post("/devices/iPhone/tokens/alert/rotate", {"old": "?"})).status == 400
    assert (await stage.post("/devices/iPhone/activities/none/rotate")).problem == (404, "not_found")
    assert (await stage.post("/devices/iPhone/activities/none/swipe")).problem == (404, "not_found")


async def test_cards_are_swiped_one_several_or_all(stage: Stage) -> None:
    for number in range(5):
        await stage.push_activity(await stage.token("push-to-start"), start(stage, f"ses_{number}"))
    ids = [one["id"] for one in (await stage.get("/devices/iPhone/activities"))["activities"]]

    async def left() -> list[str]:
        found = (await stage.get("/devices/iPhone/activities"))["activities"]
        return [one["id"] for one in found if one["visible"]]

    await stage.post(f"/devices/iPhone/activities/{ids[1]}/swipe")
    assert await left() == [ids[0], ids[2], ids[3], ids[4]]
    assert (await stage.post(f"/devices/iPhone/activities/{ids[1]}/swipe")).problem == (409, "not_now")
    gone = await stage.post("/devices/iPhone/swipe", {"count": 2})
    assert [one["id"] for one in gone["activities"]] == [ids[4], ids[3]]
    await stage.patch("/devices/iPhone", {"la_dismissed_by_user": 1})
    assert await left() == [ids[0]]
    assert (await stage.post("/devices/iPhone/swipe", {"count": "all"}))["activity"]["id"] == ids[0]
    assert (await stage.post("/devices/iPhone/swipe")).problem == (409, "not_now")
    await stage.patch("/devices/iPhone", {"la_dismissed_by_user": "all"})  # there is none: nothing happens
    assert (await stage.patch("/devices/iPhone", {"la_dismissed_by_user": 0})).status == 422


# The phone's profile.


async def test_a_profile_is_chosen_and_changed_on_a_phone(stage: Stage) -> None:
    """`measured`: about 240 updates of a card at the level frequent (kylebshr/luka-ios#146)."""
    chosen = (await stage.post("/devices/iPhone/profile", {"name": "measured"}))["profile"]
    assert (chosen["update_capacity_frequent"], chosen["start_capacity"]) == (240, 10)
    changes = {"relevance_left_out": "reset", "delay_screen_off": [1, 3, 2], "update_budget": 5}
    changed = (await stage.patch("/devices/iPhone/profile", changes))["profile"]
    assert (changed["relevance_left_out"], changed["delay_screen_off"]) == ("reset", [1, 3, 2])
    assert changed["update_capacity"] == changed["update_capacity_frequent"] == 5
    assert (await stage.get("/devices/iPhone/profile"))["profile"] == changed
    assert (await stage.patch("/devices/iPhone/profile", changed))["profile"] == changed
    for wrong in ({"updates": 1}, {"refill": "often"}, {"start_capacity": -1}, {"delay_screen_on": [1]}):
        both = {"max_activities": 99} | wrong
        reply = await stage.patch("/devices/iPhone/profile", both)
        assert (reply.problem, next(iter(wrong)) in reply.body["error"]) == ((422, "impossible"), True)
    assert (await stage.post("/devices/iPhone/profile", {"name": "odd"})).problem == (422, "impossible")
    assert (await stage.get("/devices/iPhone/profile"))["profile"] == changed


# Widgets.


async def test_a_widget_push_reloads_the_widgets(stage: Stage) -> None:
    """Apple, "Updating widgets with WidgetKit push notifications": iOS 26, one token an app, content-changed true."""
    assert "widgets" not in (await stage.get("/devices/iPhone"))["device"]["tokens"]
    tokens = (await stage.patch("/devices/iPhone", {"ios": "26.0"}))["device"]["tokens"]

    async def push(token: str, topic: str = f"{TOPIC}.push-type.widgets", **aps: Any) -> Any:
        message = {"aps": {"content-changed": True} | aps}
        request = NotificationRequest(token, message, apns_topic=topic, push_type=WIDGETS)
        return await stage.provider().send_notification(request)

    assert (await push(tokens["widgets"])).is_successful
    assert (await stage.get("/devices/iPhone"))["device"]["widget_reloads"] == [stage.lab.clock.now()]
    assert (await push(tokens["widgets"], TOPIC)).description == "DeviceTokenNotForTopic"
    for kind in ("alert", "voip", "push-to-start"):
        assert (await push(tokens[kind])).description == "DeviceTokenNotForTopic"
    assert (await push(tokens["widgets"], **{"content-changed": 1})).is_successful
    assert await dropped(stage) == ["it has no content-changed"]

    changed = await stage.post("/devices/iPhone/tokens/widgets/rotate")
    assert (await push(changed["old"])).is_successful
    assert (await push(changed["token"])).is_successful
    assert len((await stage.get("/devices/iPhone"))["device"]["widget_reloads"]) == 2
