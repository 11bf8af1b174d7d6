"""Stories: what a person sees by the control API while a real provider pushes."""

import time

from waiting import eventually

from .conftest import TOPIC, Stage

HOUR = 3600.0
STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "…"}


async def test_a_phone_that_was_offline_shows_only_the_newest_push(stage: Stage) -> None:
    apns = stage.provider()
    offline = await stage.patch("/devices/iPhone", {"online": False})
    assert offline["device"]["state"]["online"] is False

    first, second = await stage.push("first", apns=apns), await stage.push("second", apns=apns)
    assert (first.status, second.status) == ("200", "200")
    assert (await stage.get("/devices/iPhone"))["device"]["notifications"] == []

    online = await stage.patch("/devices/iPhone", {"online": True})
    assert [one["title"] for one in online["device"]["notifications"]] == ["second"]

    reported = await stage.get(f"/deliveries/{first.notification_id}")
    assert [step["outcome"] for step in reported["deliveries"][0]["steps"]] == ["stored", "discarded"]
    assert reported["deliveries"][0]["why"] == "replaced"
    assert reported["phone"] == []

    reported = await stage.get(f"/deliveries/{second.notification_id}")
    assert [answer["detail"]["status"] for answer in reported["answers"]] == [200]
    assert [step["outcome"] for step in reported["deliveries"][0]["steps"]] == ["stored", "sent"]
    assert [entry["what"] for entry in reported["phone"]] == ["shown"]


async def test_both_halves_are_found_by_the_unique_id_too(stage: Stage) -> None:
    sent = await stage.push()
    [logged] = (await stage.get("/deliveries", params={"apns_id": sent.notification_id}))["deliveries"]
    by_unique_id = await stage.get(f"/deliveries/{logged['unique_id'].upper()}")
    by_apns_id = await stage.get(f"/deliveries/{sent.notification_id.lower()}")
    assert by_unique_id.body == by_apns_id.body
    [shown] = by_unique_id["phone"]
    assert (shown["what"], shown["detail"]["apnsUniqueID"]) == ("shown", logged["unique_id"])


async def test_a_refused_push_has_an_answer_and_nothing_else(stage: Stage) -> None:
    refused = await stage.push(token="ab" * 32)
    assert refused.description == "BadDeviceToken"
    reported = await stage.get(f"/deliveries/{refused.notification_id}")
    assert [answer["detail"]["reason"] for answer in reported["answers"]] == ["BadDeviceToken"]
    assert "unknown" in reported["answers"][0]["detail"]["why"]
    assert (reported["deliveries"], reported["phone"]) == ([], [])


async def test_a_push_in_production_has_no_unique_id_for_the_phone_and_is_found_all_the_same(
    stage: Stage,
) -> None:
    await stage.post("/devices", {"name": "Store", "bundle_id": TOPIC, "realm": "production"})
    token = await stage.token(name="Store")
    sent = await stage.push(token=token, apns=stage.provider(realm="production"))
    reported = await stage.get(f"/deliveries/{sent.notification_id}")
    assert [entry["what"] for entry in reported["phone"]] == ["shown"]
    assert (await stage.get("/devices/iPhone"))["device"]["notifications"] == []


async def test_a_removed_app_is_410_in_the_end_and_new_tokens_come_with_the_next_installation(
    stage: Stage,
) -> None:
    old = await stage.token()
    await stage.patch("/profile", {"unregister_after_s": 60.0})
    await stage.patch("/devices/iPhone", {"app_installed": False})
    sent = await stage.push(token=old)
    assert sent.is_successful
    assert (await stage.get(f"/deliveries/{sent.notification_id}"))["deliveries"][0]["why"] == "unregistered"

    await stage.post("/clock/advance", {"seconds": 61})
    gone = await stage.push(token=old)
    assert (gone.status, gone.description) == ("410", "Unregistered")

    again = await stage.patch("/devices/iPhone", {"app_installed": True})
    new = again["device"]["tokens"]["alert"]
    assert new != old
    assert (await stage.push("back", token=new)).is_successful
    shown = (await stage.get("/devices/iPhone"))["device"]["notifications"]
    assert [one["title"] for one in shown] == ["back"]


async def test_an_activity_from_its_start_by_push_to_the_end_of_its_time(stage: Stage) -> None:
    """Nine hours in milliseconds: the system ends an activity after eight, and it stays on the screen for four more."""
    now = int(stage.lab.clock.now())
    start = {
        "event": "start", "timestamp": now, "input-push-token": 1, "attributes-type": "SessionActivityAttributes",
        "attributes": {"sessionId": "ses_1"}, "content-state": STATE, "alert": {"title": "Build", "body": "started"},
    }  # fmt: skip
    assert (await stage.push_activity(await stage.token("push-to-start"), start)).is_successful
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    assert (activity["state"], activity["started_by"], activity["token_known_to_app"]) == (
        "active",
        "push",
        True,
    )

    update = {"event": "update", "timestamp": now + 1, "content-state": STATE | {"status": "permission"}}
    assert (await stage.push_activity(activity["token"], update)).is_successful
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    assert activity["content_state"]["status"] == "permission"

    began = time.monotonic()
    clock = (await stage.post("/clock/advance", {"seconds": 9 * HOUR}))["clock"]
    assert time.monotonic() - began < 1
    assert clock["now"] >= now + 9 * HOUR
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    assert activity["state"] == "ended"
    [ended] = (await stage.get("/journal", params={"where": "phone", "what": "ended"}))["entries"]
    assert abs(ended["at"] - now - 8 * HOUR) < 5
    await stage.post("/clock/advance", {"seconds": 4 * HOUR})
    [activity] = (await stage.get("/devices/iPhone/activities"))["activities"]
    assert activity["state"] == "dismissed"


async def test_an_activity_on_a_channel_receives_what_is_broadcast(stage: Stage) -> None:
    channel_id = (await stage.post("/channels", {"bundle_id": TOPIC, "policy": 1}))["channel"]["channel_id"]
    await stage.patch("/devices/iPhone", {"app": "foreground"})
    started = await stage.post(
        "/devices/iPhone/activities",
        {
            "attributes_type": "SessionActivityAttributes", "attributes": {"sessionId": "ses_1"},
            "content_state": STATE, "channel": channel_id,
        },
    )  # fmt: skip
    [channel] = (await stage.get("/channels"))["channels"]
    assert channel["subscribers"] == ["iPhone"]
    await stage.post(f"/devices/iPhone/activities/{started['activity']['id']}/end")
    [channel] = (await stage.get("/channels"))["channels"]
    assert channel["subscribers"] == []


async def test_on_real_time_the_lab_does_by_itself_what_is_due(real_stage: Stage) -> None:
    """The clock is asked five times a second: a push that waits for an offline phone expires with nobody asking."""
    stage = real_stage
    await stage.patch("/devices/iPhone", {"online": False})
    sent = await stage.push(time_to_live=1)

    def expired() -> bool:
        [entry] = stage.sandbox.delivery_log.entries(apns_id=sent.notification_id)
        return entry.why == "expired"

    await eventually(expired)
