"""The routes of the control API that are about APNs: keys, channels, faults, connections, the profile."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from waiting import eventually

from .conftest import TOPIC, Json, Stage


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
    apps = (await stage.get("/apps"))["apps"]
    assert [one["bundle_id"] for one in apps] == [TOPIC, "com.other"]
    assert "com.other.push-type.liveactivity" in apps[1]["topics"]
    other = stage.provider(stage.lab.key(key["key_id"]))
    assert (await stage.push(apns=other)).status == "403" or (await stage.push(apns=other)).status == "400"
    added = await stage.post("/devices", {"name": "Other", "bundle_id": "com.other"})
    token = added["device"]["tokens"]["alert"]
    assert (await stage.push(token=token, apns=other, apns_topic="com.other")).is_successful


async def test_channels_are_made_listed_and_deleted(stage: Stage) -> None:
    made = await stage.post("/channels", {"bundle_id": TOPIC, "realm": "production", "policy": 1})
    assert made.status == 201
    channel = made["channel"]
    assert (channel["realm"], channel["policy"], channel["subscribers"]) == ("production", 1, [])
    assert (await stage.get("/channels"))["channels"] == [channel]
    await stage.delete("/channels", params={"channel_id": channel["channel_id"]})
    assert (await stage.get("/channels"))["channels"] == []


async def test_an_app_has_only_so_many_channels(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.lab.control.account.MAX_CHANNELS", 1)
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


async def _closed_connections(stage: Stage) -> list[Json]:
    reported = await stage.get("/journal", params={"what": "connection_closed", "where": "apns"})
    return reported["entries"]


async def test_goaway_ends_the_connections(stage: Stage) -> None:
    apns = stage.provider()
    assert (await stage.push(apns=apns)).is_successful
    reply = await stage.post("/connections", {"do": "goaway", "reason": "IdleTimeout"})
    assert reply.body == {"ok": True}
    await eventually(lambda: _closed_connections(stage))


async def test_shutdown_is_503_for_the_next_push(stage: Stage) -> None:
    await stage.post("/connections", {"do": "shutdown"})
    sent = await stage.push()
    assert (sent.status, sent.description) == ("503", "Shutdown")


async def test_an_idle_connection_gets_a_goaway_and_ends(stage: Stage) -> None:
    assert (await stage.push(apns=stage.provider())).is_successful
    await stage.post("/connections", {"do": "idle_timeout"})
    [idle] = (await stage.get("/journal", params={"what": "connection_idle"}))["entries"]
    assert idle["detail"]["manner"] == "goaway"
    await stage.post("/clock/advance", {"seconds": stage.sandbox.profile.goaway_grace_s})
    await eventually(lambda: _closed_connections(stage))
    assert (await stage.push(apns=stage.provider())).is_successful


async def _deliveries(stage: Stage) -> list[Json]:
    return (await stage.get("/deliveries"))["deliveries"]


async def test_an_answer_is_held_back_and_released(stage: Stage) -> None:
    token = await stage.token()
    await stage.post("/connections", {"do": "hold"})
    pushing = asyncio.create_task(stage.push(token=token))
    await eventually(lambda: _deliveries(stage))
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


async def test_a_client_certificate_is_issued_and_stands_in_for_provider_tokens(
    stage: Stage, tmp_path: Path
) -> None:
    issued = await stage.post("/certificates", {"bundle_id": TOPIC, "realm": "sandbox"})
    assert issued.status == 201
    assert issued["pem"] == issued["private_key"] + issued["certificate"]
    file = tmp_path / "client.pem"
    file.write_text(issued["pem"])
    context = ssl.create_default_context(cafile=str(stage.sandbox.ca_file))
    context.load_cert_chain(file)
    async with httpx.AsyncClient(http2=True, verify=context) as client:
        url = f"https://127.0.0.1:{stage.sandbox.ports['sandbox']}/3/device/{await stage.token()}"
        answer = await client.post(url, headers={"apns-topic": TOPIC}, json={"aps": {"alert": "Hello"}})
    assert answer.status_code == 200
    assert (await stage.post("/certificates", {"bundle_id": "com.none"})).problem == (404, "not_found")


async def test_a_key_of_ones_own_is_taken(stage: Stage, private_key: str) -> None:
    own = {"key_id": "ABCDE12345", "private_key": private_key}
    taken = await stage.post("/keys", own)
    assert taken.status == 201
    assert (taken["key"]["key_id"], taken["key"]["private_key"]) == ("ABCDE12345", private_key)
    provider = stage.provider(stage.lab.key("ABCDE12345"))
    assert (await stage.push(apns=provider)).is_successful
    for body, problem in (
        (own, (409, "taken")),
        ({"key_id": "ABCDE12345"}, (409, "taken")),
        ({"key_id": "ABCDE12346", "private_key": "none"}, (422, "impossible")),
        ({"private_key": private_key}, (400, "invalid_request")),
        (own | {"key_id": "ABCDE12347", "realm": "sandbox"}, (400, "invalid_request")),
    ):
        assert (await stage.post("/keys", body)).problem == problem
    assert (await stage.post("/keys", {"key_id": "FGHIJ67890"}))["key"]["key_id"] == "FGHIJ67890"


async def test_a_phone_gets_tokens_of_ones_own(stage: Stage) -> None:
    wanted = {"name": "iPad", "bundle_id": TOPIC, "tokens": {"alert": "AB" * 32, "push-to-start": "cd" * 80}}
    added = await stage.post("/devices", wanted)
    assert added["device"]["tokens"]["alert"] == "ab" * 32
    assert added["device"]["tokens"]["push-to-start"] == "cd" * 80
    assert (await stage.push("Hello", token="ab" * 32)).is_successful
    assert (await stage.get("/devices/iPad"))["device"]["notifications"][0]["title"] == "Hello"
    for tokens, problem in (
        ({"alert": "ab" * 32}, (422, "impossible")),
        ({"alert": "no hex"}, (422, "impossible")),
        ({"activity": "ef" * 80}, (400, "invalid_request")),
    ):
        refused = await stage.post("/devices", {"name": "iPod", "bundle_id": TOPIC, "tokens": tokens})
        assert refused.problem == problem
    assert (await stage.get("/devices/iPod")).problem == (404, "not_found")
