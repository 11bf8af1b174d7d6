"""The routes of the control API that are about phones: what they are, what their owner does, what the app does."""

from .conftest import ACTIVITY, TOPIC, Stage


async def test_a_device_is_added_shown_and_removed(stage: Stage) -> None:
    types = [{"name": "Pizza", "attributes": {"shop": "string"}, "content_state": {"eta": "int"}}]
    body = {
        "name": "iPad", "bundle_id": TOPIC, "realm": "production", "ios": "26.0",
        "phone_profile": "lenient", "activity_types": types,
    }  # fmt: skip
    added = await stage.post("/devices", body)
    assert added.status == 201
    device = added["device"]
    assert set(device["tokens"]) == {"alert", "voip", "push-to-start", "widgets"}
    assert (len(device["tokens"]["alert"]), len(device["tokens"]["push-to-start"])) == (64, 160)
    assert device["state"]["ios"] == "26.0"
    assert [one["name"] for one in (await stage.get("/devices"))["devices"]] == ["iPhone", "iPad"]

    await stage.patch("/devices/iPad", {"app": "foreground"})
    pizza = {"attributes_type": "Pizza", "attributes": {"shop": "Luigi"}, "content_state": {"eta": 9}}
    assert (await stage.post("/devices/iPad/activities", pizza)).status == 201
    wrong = pizza | {"content_state": {"eta": "soon"}}
    assert (await stage.post("/devices/iPad/activities", wrong)).problem == (409, "not_now")

    await stage.patch("/profile", {"unregister_after_s": 0.0})
    await stage.delete("/devices/iPad")
    assert (await stage.get("/devices/iPad")).status == 404
    gone = await stage.push(token=device["tokens"]["alert"], apns=stage.provider(realm="production"))
    assert gone.description == "Unregistered"


async def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(stage: Stage) -> None:
    types = [{"name": "Pizza", "attributes": {}, "content_state": {"eta": "timestamp"}}]
    reply = await stage.post("/devices", {"name": "iPad", "bundle_id": TOPIC, "activity_types": types})
    assert reply.problem == (400, "invalid_request")
    for word in ("content_state.eta", "'timestamp'", "string", "date-iso8601", "uuid", "enum"):
        assert word in reply.body["error"]
    assert (await stage.get("/devices/iPad")).status == 404


async def test_two_types_of_one_name_are_refused(stage: Stage) -> None:
    types = [{"name": "Pizza", "attributes": {}, "content_state": {}}] * 2
    reply = await stage.post("/devices", {"name": "iPad", "bundle_id": TOPIC, "activity_types": types})
    assert (reply.problem, "one name" in reply.body["error"]) == ((400, "invalid_request"), True)


async def test_what_the_app_cannot_decode_is_named(stage: Stage) -> None:
    kinds = {"eta": "date", "phase": {"enum": ["baking", "out"]}, "driver?": {"name": "string"}}
    types = [{"name": "Pizza", "attributes": {"shop": "uuid"}, "content_state": kinds}]
    await stage.post("/devices", {"name": "iPad", "bundle_id": TOPIC, "activity_types": types})
    await stage.patch("/devices/iPad", {"app": "foreground"})
    shop = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    pizza = {"attributes_type": "Pizza", "attributes": {"shop": shop},
             "content_state": {"eta": 1_795_226_400, "phase": "out"}}  # fmt: skip
    started = (await stage.post("/devices/iPad/activities", pizza))["activity"]
    assert started["dates"] == {"eta": "2057-11-21T02:00:00Z"}  # UNIX seconds in a Swift Date
    reply = await stage.post(
        "/devices/iPad/activities", pizza | {"content_state": {"eta": "12:00", "phase": "out"}}
    )
    assert reply.problem == (409, "not_now")
    assert (
        "eta is Date, a number: seconds since 2001-01-01 in the app, and '12:00' came" in reply.body["error"]
    )


SETTINGS = {
    "online": False, "screen": "off", "low_power": True, "ios": "17.0", "app": "force_quit",
    "notifications": False, "live_activities": False, "start_token_works": False, "frequent_updates": False, "la_allow_tapped": True,
    "badge": 3, "time_sensitive_entitlement": False, "app_installed": False,
}  # fmt: skip


async def test_every_setting_of_a_phone_is_changed_and_listed(stage: Stage) -> None:
    before = (await stage.get("/devices/iPhone"))["device"]["state"]
    assert set(before) == set(SETTINGS)
    for key, value in SETTINGS.items():
        after = (await stage.patch("/devices/iPhone", {key: value}))["device"]["state"]
        assert (key, before[key] != value, after[key]) == (key, True, value)


async def test_of_two_changes_with_one_wrong_none_is_made(stage: Stage) -> None:
    reply = await stage.patch("/devices/iPhone", {"online": False, "badge": -1})
    assert reply.problem == (422, "impossible")
    assert "badge" in reply.body["error"]
    assert (await stage.get("/devices/iPhone"))["device"]["state"]["online"] is True


async def test_a_notification_is_tapped(stage: Stage) -> None:
    sent = await stage.push("first")
    await stage.push("second")
    tapped = await stage.post(f"/devices/iPhone/notifications/{sent.notification_id}/tap")
    assert tapped["url"] is None
    shown = (await stage.get("/devices/iPhone"))["device"]["notifications"]
    assert [one["title"] for one in shown] == ["second"]


async def test_the_app_starts_and_ends_activities_and_the_owner_swipes_them_away(stage: Stage) -> None:
    await stage.patch("/devices/iPhone", {"app": "foreground"})
    ended = (await stage.post("/devices/iPhone/activities", ACTIVITY))["activity"]
    assert (ended["state"], ended["started_by"], len(ended["token"])) == ("active", "app", 160)
    path = f"/devices/iPhone/activities/{ended['id']}/end"
    reply = await stage.post(path, {"dismissal_date": stage.lab.clock.now() + 60})
    assert reply["activity"]["state"] == "ended"
    assert (await stage.post(path)).problem == (409, "not_now")

    swiped = (await stage.post("/devices/iPhone/activities", ACTIVITY | {"relevance_score": 5}))["activity"]
    gone = (await stage.post("/devices/iPhone/swipe"))["activity"]
    assert (gone["id"], gone["state"]) == (swiped["id"], "dismissed")
    await stage.post("/clock/advance", {"seconds": 61})
    states = [one["state"] for one in (await stage.get("/devices/iPhone/activities"))["activities"]]
    assert states == ["dismissed", "dismissed"]
