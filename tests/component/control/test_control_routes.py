"""Every route, good and bad, over real HTTP."""

from typing import Any

import pytest
from aioapns.exceptions import ConnectionError as ApnsConnectionError

from .conftest import TOPIC, Stage

ACTIVITY = {
    "attributes_type": "SessionActivityAttributes",
    "attributes": {"sessionId": "ses_1"},
    "content_state": {"status": "working", "sessionTitle": "Build", "lastMessage": "…"},
}

BAD = [
    ("GET", "/nowhere", None, 404, "not_found"),
    ("PUT", "/keys", None, 405, "method_not_allowed"),
    ("POST", "/keys", {"realm": "mars"}, 400, "invalid_request"),
    ("POST", "/keys", {"raelm": "sandbox"}, 400, "invalid_request"),
    ("POST", "/keys", {"related_to": "NOBODY"}, 404, "not_found"),
    ("DELETE", "/keys/NOBODY", None, 404, "not_found"),
    ("POST", "/apps", {}, 400, "invalid_request"),
    ("POST", "/apps", {"bundle_id": "no spaces"}, 400, "invalid_request"),
    ("POST", "/apps", {"bundle_id": TOPIC}, 409, "taken"),
    ("POST", "/devices", {"name": "iPhone", "bundle_id": TOPIC}, 409, "taken"),
    ("POST", "/devices", {"name": "a/b", "bundle_id": TOPIC}, 400, "invalid_request"),
    ("POST", "/devices", {"name": "", "bundle_id": TOPIC}, 400, "invalid_request"),
    ("POST", "/devices", {"name": "X", "bundle_id": "com.other"}, 404, "not_found"),
    ("POST", "/devices", {"name": "X", "bundle_id": TOPIC, "ios": "new"}, 422, "impossible"),
    ("POST", "/devices", {"name": "X", "bundle_id": TOPIC, "phone_profile": "mild"}, 422, "impossible"),
    ("GET", "/devices/nobody", None, 404, "not_found"),
    ("PATCH", "/devices/nobody", {"online": True}, 404, "not_found"),
    ("PATCH", "/devices/iPhone", {"colour": "red"}, 422, "impossible"),
    ("PATCH", "/devices/iPhone", {"online": "yes"}, 422, "impossible"),
    ("PATCH", "/devices/iPhone", [], 400, "invalid_request"),
    ("DELETE", "/devices/nobody", None, 404, "not_found"),
    ("POST", "/devices/iPhone/notifications/none/tap", None, 404, "not_found"),
    ("GET", "/devices/nobody/activities", None, 404, "not_found"),
    ("POST", "/devices/nobody/activities", ACTIVITY, 404, "not_found"),
    ("POST", "/devices/iPhone/activities", {}, 400, "invalid_request"),
    ("POST", "/devices/iPhone/activities", ACTIVITY, 409, "not_now"),
    ("POST", "/devices/iPhone/activities/none/end", {}, 404, "not_found"),
    ("POST", "/devices/iPhone/swipe", None, 409, "not_now"),
    ("POST", "/channels", {"bundle_id": "com.other"}, 404, "not_found"),
    ("POST", "/channels", {"bundle_id": TOPIC, "policy": 2}, 400, "invalid_request"),
    ("DELETE", "/channels", None, 400, "invalid_request"),
    ("DELETE", "/channels?channel_id=none", None, 404, "not_found"),
    ("POST", "/faults", {"do": {"explode": True}}, 422, "impossible"),
    ("POST", "/faults", {"do": {"answer": {"reason": "Whim"}}}, 422, "impossible"),
    ("POST", "/faults", 3, 400, "invalid_request"),
    ("DELETE", "/faults/none", None, 404, "not_found"),
    ("POST", "/connections", {"do": "explode"}, 400, "invalid_request"),
    ("PATCH", "/profile", {"patience": 1}, 422, "impossible"),
    ("PATCH", "/profile", {"stream_limit": "many"}, 422, "impossible"),
    ("POST", "/profile", {"name": "mild"}, 422, "impossible"),
    ("POST", "/clock", {"now": 0}, 422, "impossible"),
    ("POST", "/clock", {}, 400, "invalid_request"),
    ("POST", "/clock/advance", {"seconds": -1}, 400, "invalid_request"),
    ("GET", "/journal?limit=0", None, 400, "invalid_request"),
    ("GET", "/journal?since=yesterday", None, 400, "invalid_request"),
    ("GET", "/journal?wher=apns", None, 400, "invalid_request"),
    ("GET", "/deliveries?limit=-1", None, 400, "invalid_request"),
    ("GET", "/deliveries/none", None, 404, "not_found"),
    ("GET", "/events?since=1", None, 400, "invalid_request"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD)
async def test_what_is_wrong_is_said_with_an_honest_status(
    stage: Stage, method: str, path: str, body: Any, status: int, code: str
) -> None:
    before = stage.changes
    assert (await stage.call(method, path, body)).problem == (status, code)
    assert stage.changes == before


@pytest.mark.parametrize("path", ["/clock", "/clock/advance"])
async def test_nobody_turns_a_real_clock(real_stage: Stage, path: str) -> None:
    body = {"now": 9e9} if path == "/clock" else {"seconds": 1}
    assert (await real_stage.post(path, body)).problem == (409, "real_clock")
    assert (await real_stage.get("/clock"))["clock"]["kind"] == "real"


async def test_bodies_that_are_no_json(stage: Stage) -> None:
    json = {"Content-Type": "application/json"}
    assert (await stage.post("/apps", data=b"{", headers=json)).problem == (400, "invalid_json")
    assert (await stage.post("/apps", data=b"\xff", headers=json)).problem == (400, "invalid_json")
    assert (await stage.post("/apps", data=b"[" * 100_000, headers=json)).status == 400
    assert (await stage.post("/apps", data=b"{}", headers={"Content-Type": "text/plain"})).problem == (
        415, "unsupported_media_type",
    )  # fmt: skip
    assert (await stage.post("/apps", data=b" " * 2**21, headers=json)).problem == (413, "body_too_large")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Host", "evil.example"),
        ("Origin", "null"),
        ("Host", "10.0.0.1:80"),
    ],
)
async def test_web_pages_are_kept_out(stage: Stage, name: str, value: str) -> None:
    assert (await stage.get("/keys", headers={name: value})).problem == (403, "foreign_origin")


@pytest.mark.parametrize("host", ["localhost:8901", "127.0.0.1", "[::1]:8901"])
async def test_programs_of_this_machine_are_not(stage: Stage, host: str) -> None:
    reply = await stage.get("/keys", headers={"Host": host, "Origin": f"http://{host}"})
    assert reply.status == 200


async def test_a_wrong_method_says_which_are_right(stage: Stage) -> None:
    reply = await stage.call("PUT", "/clock")
    assert set(reply.headers["Allow"].split(", ")) >= {"GET", "POST"}


async def test_a_defect_of_ours_is_500_and_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(stage.lab, "reset", broken)
    reply = await stage.post("/reset")
    assert reply.problem == (500, "internal_error")
    assert "ZeroDivisionError" in reply.body["error"]


async def test_the_root_names_the_routes_and_where_apns_listens(stage: Stage) -> None:
    reply = await stage.get("")
    assert reply["apns"]["sandbox"] == f"127.0.0.1:{stage.sandbox.ports['sandbox']}"
    assert reply["team_id"] == stage.key.team_id
    assert any(line.startswith("POST /control/reset") for line in reply["routes"])


async def test_the_document_is_served_without_an_envelope(stage: Stage) -> None:
    document = (await stage.get("/openapi.json")).body
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]["/control/keys"]) == {"get", "post"}


async def test_keys_are_issued_listed_and_revoked(stage: Stage) -> None:
    made = await stage.post("/keys", {"realm": "sandbox", "topics": [TOPIC], "related_to": stage.key.key_id})
    assert made.status == 201
    assert made["key"]["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    listed = (await stage.get("/keys"))["keys"]
    assert [key["key_id"] for key in listed] == [stage.key.key_id, made["key"]["key_id"]]
    assert not any("private_key" in key for key in listed)
    assert (listed[1]["realm"], listed[1]["topics"]) == ("sandbox", [TOPIC])

    assert (await stage.push()).is_successful
    revoked = await stage.delete(f"/keys/{stage.key.key_id}")
    assert revoked["key"]["revoked"] is True
    refused = await stage.push()
    assert (refused.status, refused.description) == ("403", "InvalidProviderToken")
    new = stage.lab.key(made["key"]["key_id"])
    assert (await stage.push(apns=stage.provider(new))).is_successful


async def test_a_key_of_another_team_may_push_to_its_own_app_only(stage: Stage) -> None:
    key = (await stage.post("/keys", {"team": "OTHERTEAM1"}))["key"]
    app = await stage.post("/apps", {"bundle_id": "com.other", "team": "OTHERTEAM1"})
    assert (app.status, app["app"]["team_id"]) == (201, key["team_id"])
    other = stage.provider(stage.lab.key(key["key_id"]))
    assert (await stage.push(apns=other)).status == "403" or (await stage.push(apns=other)).status == "400"
    added = await stage.post("/devices", {"name": "Other", "bundle_id": "com.other"})
    token = added["device"]["tokens"]["alert"]
    assert (await stage.push(token=token, apns=other, apns_topic="com.other")).is_successful


async def test_a_device_is_added_shown_and_removed(stage: Stage) -> None:
    types = [{"name": "Pizza", "attributes": {"shop": "string"}, "content_state": {"eta": "int"}}]
    body = {
        "name": "iPad", "bundle_id": TOPIC, "realm": "production", "ios": "26.0",
        "phone_profile": "lenient", "activity_types": types,
    }  # fmt: skip
    added = await stage.post("/devices", body)
    assert added.status == 201
    device = added["device"]
    assert set(device["tokens"]) == {"alert", "voip", "push-to-start"}
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


async def test_an_old_phone_has_no_push_to_start_token(stage: Stage) -> None:
    added = await stage.post("/devices", {"name": "Old", "bundle_id": TOPIC, "ios": "16.4"})
    assert set(added["device"]["tokens"]) == {"alert", "voip"}


SETTINGS = {
    "online": False, "screen": "off", "low_power": True, "ios": "17.0", "app": "force_quit",
    "notifications": False, "live_activities": False, "frequent_updates": False, "la_allow_tapped": True,
    "badge": 3, "time_sensitive_entitlement": False, "app_installed": False,
}  # fmt: skip


@pytest.mark.parametrize("key", SETTINGS)
async def test_every_setting_of_a_phone_is_changed_and_told(stage: Stage, key: str) -> None:
    before = (await stage.get("/devices/iPhone"))["device"]["state"]
    assert set(before) == set(SETTINGS)
    after = (await stage.patch("/devices/iPhone", {key: SETTINGS[key]}))["device"]["state"]
    assert before[key] != SETTINGS[key]
    assert after[key] == SETTINGS[key]


async def test_of_two_changes_with_one_wrong_none_is_made(stage: Stage) -> None:
    reply = await stage.patch("/devices/iPhone", {"online": False, "badge": -1})
    assert reply.problem == (422, "impossible")
    assert "badge" in reply.body["error"]
    assert (await stage.get("/devices/iPhone"))["device"]["state"]["online"] is True


async def test_what_the_owner_does_not_want_is_discarded_by_apns(stage: Stage) -> None:
    await stage.patch("/devices/iPhone", {"notifications": False})
    sent = await stage.push()
    [logged] = (await stage.get(f"/deliveries/{sent.notification_id}"))["deliveries"]
    assert (logged["outcome"], logged["why"]) == ("discarded", "notifications_off")


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


async def test_channels_are_made_listed_and_deleted(stage: Stage) -> None:
    made = await stage.post("/channels", {"bundle_id": TOPIC, "realm": "production", "policy": 1})
    assert made.status == 201
    channel = made["channel"]
    assert (channel["realm"], channel["policy"], channel["subscribers"]) == ("production", 1, [])
    assert (await stage.get("/channels"))["channels"] == [channel]
    await stage.delete("/channels", params={"channel_id": channel["channel_id"]})
    assert (await stage.get("/channels"))["channels"] == []


async def test_an_app_has_only_so_many_channels(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.control.channels.MAX_CHANNELS", 1)
    assert (await stage.post("/channels", {"bundle_id": TOPIC})).status == 201
    assert (await stage.post("/channels", {"bundle_id": TOPIC})).problem == (422, "impossible")


async def test_faults_are_added_listed_struck_and_removed(stage: Stage) -> None:
    one = {
        "id": "busy",
        "match": {"topic": TOPIC},
        "do": {"answer": {"reason": "TooManyRequests"}},
        "times": 1,
    }
    added = await stage.post("/faults", one)
    assert (added.status, added["ids"]) == (201, ["busy"])
    assert (await stage.post("/faults", one)).problem == (422, "impossible")
    more = await stage.post("/faults", [{"do": {"delay_s": 0.0}, "times": 1}, {"do": {"close": True}}])
    assert len(more["ids"]) == 2

    assert (await stage.push()).description == "TooManyRequests"
    listed = (await stage.get("/faults"))["faults"]
    assert [fault["id"] for fault in listed] == ["busy", *more["ids"]]
    assert [fault["struck"] for fault in listed] == [1, 0, 0]

    await stage.delete("/faults/busy")
    assert len((await stage.get("/faults"))["faults"]) == 2
    await stage.delete("/faults")
    assert (await stage.get("/faults"))["faults"] == []
    assert (await stage.push()).is_successful


async def test_of_two_faults_with_one_wrong_none_is_in_force(stage: Stage) -> None:
    reply = await stage.post("/faults", [{"do": {"stall": True}}, {"do": {}}])
    assert reply.problem == (422, "impossible")
    assert (await stage.get("/faults"))["faults"] == []


async def test_goaway_ends_the_connections(stage: Stage) -> None:
    apns = stage.provider()
    assert (await stage.push(apns=apns)).is_successful
    reply = await stage.post("/connections", {"do": "goaway", "reason": "IdleTimeout"})
    assert reply.body == {"ok": True}
    closed = await stage.get("/journal", params={"what": "connection_closed", "where": "apns"})
    for _ in range(100):
        if closed["entries"]:
            break
        closed = await stage.get("/journal", params={"what": "connection_closed", "where": "apns"})
    assert closed["entries"]


async def test_shutdown_is_503_for_the_next_push(stage: Stage) -> None:
    await stage.post("/connections", {"do": "shutdown"})
    sent = await stage.push()
    assert (sent.status, sent.description) == ("503", "Shutdown")


async def test_idle_timeout(stage: Stage) -> None:
    apns = stage.provider()
    await stage.push(apns=apns)
    await stage.post("/connections", {"do": "idle_timeout"})
    try:
        sent = await stage.push(apns=apns)
    except (ApnsConnectionError, ConnectionError):
        return
    assert sent.description in ("IdleTimeout", "") or sent.is_successful


async def test_an_answer_is_held_back_and_released(stage: Stage) -> None:
    import asyncio

    token = await stage.token()
    await stage.post("/connections", {"do": "hold"})
    pushing = asyncio.create_task(stage.push(token=token))
    while not (await stage.get("/deliveries"))["deliveries"]:
        pass
    assert not pushing.done()
    assert (await stage.post("/connections", {"do": "release"}))["count"] == 1
    assert (await pushing).is_successful


async def test_the_profile_is_shown_changed_and_chosen(stage: Stage) -> None:
    shown = await stage.get("/profile")
    assert {knob["name"] for knob in shown["explained"]} == set(shown["profile"])
    assert all(knob["source"] and knob["confidence"] for knob in shown["explained"])
    changed = await stage.patch("/profile", {"device_rate": {"burst": 1, "per_second": 0.1}})
    assert changed["profile"]["device_rate"] == {"burst": 1, "per_second": 0.1}
    assert (await stage.push()).is_successful
    assert (await stage.push()).description == "TooManyRequests"
    chosen = await stage.post("/profile", {"name": "strict"})
    assert chosen["profile"]["suffix_must_fit"] is True


async def test_the_clock_is_turned(stage: Stage) -> None:
    before = (await stage.get("/clock"))["clock"]
    assert before["kind"] == "virtual"
    after = await stage.post("/clock", {"now": before["now"] + 100})
    assert after["clock"]["now"] == pytest.approx(before["now"] + 100)


async def test_the_journal_is_filtered(stage: Stage) -> None:
    await stage.push("one")
    await stage.post("/clock/advance", {"seconds": 10})
    await stage.push("two")
    shown = (await stage.get("/journal", params={"where": "phone", "what": "shown"}))["entries"]
    assert [entry["detail"]["title"] for entry in shown] == ["one", "two"]
    newest = (await stage.get("/journal", params={"what": "shown", "limit": 1}))["entries"]
    assert newest == shown[1:]
    late = (await stage.get("/journal", params={"what": "shown", "since": shown[1]["at"]}))["entries"]
    assert late == shown[1:]


async def test_deliveries_are_filtered_by_the_end_of_a_token(stage: Stage) -> None:
    await stage.post("/devices", {"name": "Two", "bundle_id": TOPIC})
    token = await stage.token(name="Two")
    await stage.push()
    sent = await stage.push(token=token)
    for wanted in (token, token[-8:]):
        [found] = (await stage.get("/deliveries", params={"token": wanted}))["deliveries"]
        assert (found["apns_id"], found["device"], found["token"]) == (
            sent.notification_id,
            "Two",
            token[-8:],
        )
    newest = (await stage.get("/deliveries", params={"limit": 1}))["deliveries"]
    assert [one["apns_id"] for one in newest] == [sent.notification_id]


async def test_reset_forgets_what_happened_and_keeps_keys_and_tokens(stage: Stage) -> None:
    token = await stage.token()
    await stage.push("old")
    await stage.patch("/devices/iPhone", {"app": "foreground", "badge": 4})
    activity = (await stage.post("/devices/iPhone/activities", ACTIVITY))["activity"]
    await stage.patch("/devices/iPhone", {"online": False})
    await stage.push("stored", token=token)
    await stage.post("/faults", {"do": {"stall": True}})
    await stage.post("/reset")

    assert (await stage.get("/faults"))["faults"] == []
    assert (await stage.get("/deliveries"))["deliveries"] == []
    assert (await stage.get("/journal"))["entries"] == []
    device = (await stage.get("/devices/iPhone"))["device"]
    assert (device["notifications"], device["activities"], device["state"]["badge"]) == ([], [], 0)
    assert (device["state"]["online"], device["tokens"]["alert"]) == (True, token)
    await stage.patch("/devices/iPhone", {"online": False})
    await stage.patch("/devices/iPhone", {"online": True})
    assert (await stage.push("new", token=token)).is_successful
    shown = (await stage.get("/devices/iPhone"))["device"]["notifications"]
    assert [one["title"] for one in shown] == ["new"]
    await stage.patch("/profile", {"token_grace_s": 0.0})
    update = await stage.push_activity(activity["token"], {"event": "update", "timestamp": 1})
    assert (update.status, update.description) == ("410", "ExpiredToken")


async def test_after_a_reset_a_removed_app_is_back_with_its_tokens(stage: Stage) -> None:
    token = await stage.token()
    await stage.patch("/profile", {"unregister_after_s": 0.0})
    await stage.patch("/devices/iPhone", {"app_installed": False})
    await stage.post("/reset")
    assert await stage.token() == token
    assert (await stage.push(token=token)).is_successful


async def test_every_change_is_reported_and_no_question_is(stage: Stage) -> None:
    await stage.get("/devices")
    assert stage.changes == 0
    await stage.patch("/devices/iPhone", {"badge": 1})
    assert stage.changes == 1
