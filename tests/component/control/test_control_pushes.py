"""Every request as APNs got it, beside what became of it and why; one sent from here; a provider token checked."""

import json
from typing import Any

import pytest

from simulator.apns.authentication import ProviderState
from simulator.apns.messages import read_request
from simulator.apns.request_log import NOT_KEPT

from .conftest import ACTIVITY_TOPIC, TOPIC, Stage

Json = dict[str, Any]
ALERT = {"aps": {"alert": {"title": "Done", "body": "All is well"}}}
STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "…"}
START = {
    "timestamp": 1,
    "event": "start",
    "attributes-type": "SessionActivityAttributes",
    "attributes": {"sessionId": "ses_1"},
    "content-state": STATE,
    "alert": {"title": "Build", "body": "Started"},
    "input-push-token": 1,
}


async def send(stage: Stage, *, kind: str = "alert", payload: Any = ALERT, **changes: Any) -> Json:
    """A push from the control API; the whole of it."""
    live = kind == "push-to-start"
    headers = {
        "apns-topic": ACTIVITY_TOPIC if live else TOPIC,
        "apns-push-type": "liveactivity" if live else "alert",
    }
    body = {"token": await stage.token(kind), "headers": headers, "payload": payload} | changes
    reply = await stage.post("/pushes", body)
    assert reply.status == 201, reply.body
    push: Json = reply["push"]
    return push


def told(push: Json) -> list[tuple[str, str]]:
    return [(step["where"], step["text"]) for step in push["steps"]]


async def test_a_push_of_a_provider_is_kept_whole_with_all_that_became_of_it(stage: Stage) -> None:
    result = await stage.push("Fix the login")
    [push] = (await stage.get("/pushes"))["pushes"]
    assert (push["number"], push["status"], push["reason"], push["realm"]) == (1, 200, None, "sandbox")
    assert push["path"] == f"/3/device/{await stage.token()}"
    assert (
        push["payload"]
        == json.loads(push["body"])
        == {"aps": {"alert": {"title": "Fix the login", "body": "…"}}}
    )
    assert push["body_size"] == len(push["body"].encode())
    assert push["apns_id"] == result.notification_id
    assert told(push) == [("APNs", "200 accepted"), ("APNs", "sent to iPhone"), ("iPhone", "shown")]
    assert (push["outcome"]["state"], push["outcome"]["title"]) == ("shown", "Fix the login")


async def test_headers_come_in_their_order_and_the_token_without_its_signature(stage: Stage) -> None:
    await stage.push()
    [push] = (await stage.get("/pushes"))["pushes"]
    headers = dict(push["headers"])
    assert headers["apns-topic"] == TOPIC
    assert headers["authorization"].endswith(NOT_KEPT)
    assert not any(name.startswith(":") for name in headers)
    provider = push["provider"]
    assert provider["ok"] is True
    assert provider["header"]["kid"] == stage.key.key_id
    assert provider["claims"]["iss"] == stage.key.team_id
    assert -2 < provider["age"] < 60


async def test_a_header_that_came_again_is_named(stage: Stage) -> None:
    fields = [
        (":method", "POST"),
        (":path", "/3/device/ab"),
        ("apns-topic", "first"),
        ("apns-topic", "second"),
    ]
    stage.sandbox.hosts["sandbox"].handle(read_request(fields, b"{}", 2), ProviderState())
    [push] = (await stage.get("/pushes"))["pushes"]
    assert (push["reason"], push["repeated"]) == ("DuplicateHeaders", ["apns-topic"])
    assert ["apns-topic", "first"] in push["headers"]


async def test_refused_pushes_are_kept_too_with_the_rule_and_its_source(stage: Stage) -> None:
    push = await send(stage, headers={"apns-topic": "com.acme.app", "apns-push-type": "alert"})
    assert (push["status"], push["reason"]) == (400, "TopicDisallowed")
    [step] = push["steps"]
    assert (step["state"], step["tone"]) == ("refused", "bad")
    assert step["rule"]["source"].startswith("Apple: ")
    assert step["rule"]["confidence"] == "documented"


async def test_a_push_that_the_phone_drops_says_why(stage: Stage) -> None:
    push = await send(stage, kind="push-to-start", payload={"aps": START | {"alert": None}})
    assert push["status"] == 200
    assert push["outcome"]["text"] == "dropped: no alert"
    rule = push["outcome"]["rule"]
    assert "aps.alert" in rule["rule"]
    assert (
        rule["source"] == "Apple: Starting and updating Live Activities with ActivityKit push notifications"
    )
    assert push["session"] == "ses_1"


async def test_what_is_stored_for_a_phone_goes_on_being_one_push(stage: Stage) -> None:
    await stage.patch("/devices/iPhone", {"online": False})
    push = await send(stage)
    assert (push["outcome"]["state"], push["outcome"]["tone"]) == ("stored", "waits")
    revision = (await stage.get("/pushes"))["revision"]
    await stage.patch("/devices/iPhone", {"online": True})
    reply = await stage.get("/pushes", params={"since": revision})
    [later] = reply["pushes"]
    assert later["number"] == push["number"]
    assert [text for _, text in told(later)] == [
        "200 accepted",
        "stored until iPhone can be reached",
        "sent to iPhone",
        "shown",
    ]
    assert (await stage.get(f"/pushes/{push['number']}"))["push"] == later
    assert (await stage.get("/pushes", params={"since": reply["revision"]}))["pushes"] == []


async def test_a_card_is_started_updated_and_ended_from_here(stage: Stage) -> None:
    start = await send(stage, kind="push-to-start", payload={"aps": START})
    assert (start["outcome"]["state"], start["outcome"]["title"]) == ("started", "Build")
    screen = await stage.get("/devices/iPhone/screen")
    [card] = screen["activities"]
    headers = {"apns-topic": ACTIVITY_TOPIC, "apns-push-type": "liveactivity", "apns-priority": "10"}

    async def change(event: str, **rest: Any) -> Json:
        aps = {"timestamp": 2, "event": event, "content-state": STATE | {"lastMessage": "more"}} | rest
        return await send(stage, token=card["token"], headers=headers, payload={"aps": aps})

    assert (await change("update"))["outcome"]["text"] == "card updated"
    left = (await stage.get("/devices/iPhone/screen"))["budgets"]
    assert (left["start"]["left"], left["start"]["of"]) == (9, 10)
    assert left[card["id"]]["left"] == left[card["id"]]["of"] - 1
    assert left[card["id"]]["refills_at"] > stage.lab.clock.now()
    end = await change("end", **{"dismissal-date": 1})
    assert end["outcome"]["text"] == "card ended"
    assert (await stage.get("/devices/iPhone/screen"))["screen"]["cards"] == []


async def test_a_phone_without_limits_has_no_budgets(stage: Stage) -> None:
    await stage.post("/devices/iPhone/profile", {"name": "lenient"})
    assert (await stage.get("/devices/iPhone/screen"))["budgets"] == {"start": None}


async def test_the_text_of_a_body_goes_as_it_stands(stage: Stage) -> None:
    push = await send(stage, payload=None, body="no JSON at all")
    assert (push["reason"], push["payload"], push["body"]) == ("PayloadEmpty", None, "no JSON at all")
    empty = await send(stage, payload=None)
    assert (empty["body_size"], empty["reason"]) == (0, "PayloadEmpty")
    large = await send(stage, payload=None, body="x" * 20_000)
    assert (large["reason"], large["body_size"], len(large["body"])) == ("PayloadTooLarge", 20_000, 16_384)
    both = await stage.post("/pushes", {"token": "ab", "payload": {}, "body": "{}"})
    assert both.problem == (422, "impossible")


async def test_it_is_signed_with_the_key_that_is_named_or_as_the_headers_say(stage: Stage) -> None:
    other = (await stage.post("/keys", {"team": "OTHERTEAM1"}))["key"]
    push = await send(stage, key_id=other["key_id"])
    assert push["provider"]["claims"]["iss"] == "OTHERTEAM1"
    assert push["reason"] == "TopicDisallowed"
    own = await send(stage, headers={"apns-topic": TOPIC, "authorization": "bearer nonsense"})
    assert own["reason"] == "InvalidProviderToken"
    assert own["provider"]["ok"] is False
    assert own["provider"]["why"]
    assert (own["provider"]["header"], own["provider"]["claims"], own["provider"]["age"]) == ({}, {}, None)
    none = await send(stage, headers={"apns-topic": TOPIC, "authorization": "basic x"})
    assert (none["reason"], none["provider"]) == ("MissingProviderToken", None)
    assert (await stage.post("/pushes", {"token": "ab", "key_id": "NOSUCHKEY1"})).problem == (
        404,
        "not_found",
    )
    for key in (await stage.get("/keys"))["keys"]:
        await stage.delete(f"/keys/{key['key_id']}")
    assert (await stage.post("/pushes", {"token": "ab"})).problem == (404, "not_found")


async def test_a_fault_is_named_and_so_is_silence(stage: Stage) -> None:
    await stage.post(
        "/faults", [{"do": {"stall": True}, "times": 1}, {"do": {"answer": {"reason": "TooManyRequests"}}}]
    )
    silent, busy = await send(stage), await send(stage)
    assert (silent["status"], silent["outcome"]["state"]) == (None, "unanswered")
    assert silent["outcome"]["text"] == "no answer, by a fault rule (silence)"
    assert (busy["status"], busy["fault"]) == (429, "AnswerWith")
    assert busy["outcome"]["text"] == "429 TooManyRequests, by a fault rule (a staged answer)"
    assert busy["outcome"]["rule"] is None  # Apple's rule was not broken


async def test_the_list_is_filtered_cleared_and_reset(stage: Stage) -> None:
    await send(stage)
    await send(stage, headers={"apns-topic": "com.acme.app"})
    await send(stage, kind="push-to-start", payload={"aps": START})

    async def numbers(**query: Any) -> list[int]:
        return [push["number"] for push in (await stage.get("/pushes", params=query))["pushes"]]

    assert await numbers() == [1, 2, 3]
    assert await numbers(status=400) == [2]
    assert await numbers(push_type="liveactivity") == [3]
    assert await numbers(limit=1) == [3]
    await stage.delete("/pushes")
    reply = await stage.get("/pushes")
    assert (reply["pushes"], reply["first"]) == ([], 4)
    assert reply["cleared_at"] == reply["revision"]
    await send(stage)
    assert await numbers() == [4]
    await stage.post("/reset")
    assert await numbers() == []
    for number in ("4", "0", "-1", "x", "9" * 40):
        assert (await stage.get(f"/pushes/{number}")).problem == (404, "not_found")


async def test_broadcasts_and_requests_about_channels_are_called_so(stage: Stage) -> None:
    channel_id = (await stage.post("/channels", {"bundle_id": TOPIC}))["channel"]["channel_id"]
    hosts = stage.sandbox.hosts
    signed = ("authorization", f"bearer {stage.lab.provider_token()}")

    def call(host: str, path: str, *fields: tuple[str, str], body: bytes = b"") -> None:
        named = [(":method", "POST" if body else "GET"), (":path", path), signed, *fields]
        hosts[host].handle(read_request(named, body, len(body)), ProviderState())

    call("manage-sandbox", f"/1/apps/{TOPIC}/all-channels")
    update = json.dumps({"aps": {"event": "update", "timestamp": 1, "content-state": STATE}}).encode()
    call(
        "sandbox",
        f"/4/broadcasts/apps/{TOPIC}",
        ("apns-channel-id", channel_id),
        ("apns-push-type", "liveactivity"),
        ("apns-expiration", "0"),
        body=update,
    )
    manage, broadcast = (await stage.get("/pushes"))["pushes"]
    assert (manage["kind"], manage["method"], manage["status"]) == ("channel", "GET", 200)
    assert (broadcast["kind"], broadcast["status"]) == ("broadcast", 200)


@pytest.mark.parametrize(
    ("words", "reason", "reached"),
    [
        ("", "MissingProviderToken", 2),
        ("nonsense", "InvalidProviderToken", 3),
        ("bearer a.b.c", "InvalidProviderToken", 3),
    ],
)
async def test_a_bad_provider_token_is_judged_check_by_check(
    stage: Stage, words: str, reason: str, reached: int
) -> None:
    reply = await stage.post("/provider-tokens/check", {"token": words})
    assert (reply["ok_for_apns"], reply["reason"]) == (False, reason)
    results = [check["result"] for check in reply["checks"]]
    assert results[:reached] == ["passed"] * (reached - 1) + ["failed"]
    assert set(results[reached:]) == {"not reached"}
    assert reply["why"] == reply["checks"][reached - 1]["why"]


async def test_a_token_that_is_signed_here_is_one_that_apns_takes(stage: Stage) -> None:
    signed = await stage.post("/provider-tokens")
    assert signed["header"]["kid"] == stage.key.key_id
    reply = await stage.post("/provider-tokens/check", {"token": f"Bearer {signed['token']}"})
    assert (reply["ok_for_apns"], reply["reason"], reply["why"]) == (True, None, None)
    assert {check["result"] for check in reply["checks"]} == {"passed"}
    assert reply["claims"] == signed["claims"]
    for_one = (await stage.post("/keys", {"realm": "production"}))["key"]
    token = (await stage.post("/provider-tokens", {"key_id": for_one["key_id"]}))["token"]
    wrong = await stage.post("/provider-tokens/check", {"token": token})
    assert wrong["reason"] == "BadEnvironmentKeyInToken"
    assert (await stage.post("/provider-tokens/check", {"token": token, "realm": "production"}))[
        "ok_for_apns"
    ]


# --- the screen ---------------------------------------------------------------------------------------------------


async def test_the_screen_is_two_pictures_and_the_places_of_its_cards(stage: Stage) -> None:
    await send(stage, kind="push-to-start", payload={"aps": START})
    for number in range(8):
        await send(stage, payload={"aps": {"alert": {"title": f"Title {number}", "body": "x"}}})
    reply = await stage.get("/devices/iPhone/screen", params={"utc_offset": 3600})
    screen = reply["screen"]
    assert screen["lock_screen"].startswith("<svg ")
    assert "more</text>" in screen["lock_screen"]
    assert "expanded" in screen["island"]
    kinds = [card["kind"] for card in screen["cards"]]
    assert kinds == ["activity"] + ["notification"] * (len(kinds) - 1)
    assert 3 < len(kinds) < 9
    assert screen["cards"][1]["label"] == "Title 7 x"
    assert all(card["y"] + card["height"] <= screen["height"] for card in screen["cards"])
    here, there = (await stage.get("/devices/iPhone/screen"))["screen"], screen
    assert here["lock_screen"] != there["lock_screen"]  # an hour later there
    assert {one["name"] for one in reply["types"]} == {"SessionActivityAttributes", "LiveActivityAttributes"}


async def test_cards_and_notifications_are_tapped_and_swiped_one_by_one(stage: Stage) -> None:
    await send(stage, kind="push-to-start", payload={"aps": START})
    first, _second = await send(stage), await send(stage)
    [activity] = (await stage.get("/devices/iPhone/screen"))["activities"]
    here = "/devices/iPhone"
    assert (await stage.post(f"{here}/activities/{activity['id']}/tap"))[
        "url"
    ] == "mobilevoice://session/ses_1"
    assert stage.phone.device.app == "foreground"
    await stage.delete(f"{here}/notifications/{first['apns_id']}")
    assert (await stage.delete(f"{here}/notifications/{first['apns_id']}")).problem == (404, "not_found")
    assert len(stage.phone.notifications) == 1
    await stage.delete(f"{here}/notifications")
    assert stage.phone.notifications == []
    assert (await stage.post(f"{here}/activities/activity-9/tap")).problem == (404, "not_found")
    await stage.post(f"{here}/swipe")
    assert (await stage.post(f"{here}/activities/{activity['id']}/tap")).problem == (409, "not_now")
