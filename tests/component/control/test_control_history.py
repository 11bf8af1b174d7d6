"""The routes of the control API that are about time: the clock, what happened, and how it is forgotten."""

import pytest

from .conftest import ACTIVITY, TOPIC, Stage


@pytest.mark.parametrize("path", ["/clock", "/clock/advance"])
async def test_nobody_turns_a_real_clock(real_stage: Stage, path: str) -> None:
    body = {"now": 9e9} if path == "/clock" else {"seconds": 1}
    assert (await real_stage.post(path, body)).problem == (409, "real_clock")
    assert (await real_stage.get("/clock"))["clock"]["kind"] == "real"


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
