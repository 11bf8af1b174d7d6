"""Tokens, rates, budgets and dates of Live Activities on every clock: see `test_control_both_clocks.py`."""

from component.control.scene import Scene, accepted

# --- tokens and rates ---------------------------------------------------------------------------------------------


async def test_a_removed_app_is_reported_in_time(scene: Scene) -> None:
    scene.sandbox.profile.set({"unregister_after_s": 3.0})
    scene.set(app_installed=False)
    assert scene.outcome(accepted(await scene.push(apns_expiration="0"))) == ("discarded", "unregistered")
    record = scene.sandbox.registry.token(scene.device.tokens["alert"])
    assert record.uninstalled_at is not None
    await scene.until(3, lambda: scene.clock.now() >= (record.uninstalled_at or 0) + 3)
    gone = await scene.push()
    assert (gone.status, gone.fields["reason"]) == (410, "Unregistered")
    assert 0 <= scene.clock.now() - gone.fields["timestamp"] / 1000 < 60


async def test_an_ended_activity_has_its_grace(scene: Scene) -> None:
    scene.sandbox.profile.set({"token_grace_s": 3.0})
    scene.start_by_app()
    accepted(await scene.push("update", payload={"aps": scene.aps("end", "end")}, apns_expiration="0"))
    ended = scene.clock.now()
    accepted(await scene.push("update", "late"))
    assert (scene.activity.state, scene.text) == ("ended", "end")
    await scene.until(3, lambda: scene.clock.now() >= ended + 3)
    assert (await scene.push("update")).fields["reason"] == "ExpiredToken"


async def test_a_device_token_bears_a_burst_and_then_so_many_a_second(scene: Scene) -> None:
    scene.sandbox.profile.set({"device_rate": {"burst": 2, "per_second": 0.001}})
    answers = [await scene.push(apns_expiration="0") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    scene.sandbox.profile.set({"device_rate": {"burst": 2, "per_second": 1.0}})
    refused = scene.clock.now()
    await scene.until(1, lambda: scene.clock.now() >= refused + 1)
    assert (await scene.push()).status == 200


async def test_provider_tokens_by_age_and_number(scene: Scene) -> None:
    scene.sandbox.profile.set({"provider_tokens": 2, "provider_token_window": 3.0})
    for age, reason in (
        (3590, None),
        (3700, "ExpiredProviderToken"),
        (-200, None),
        (0, "TooManyProviderTokenUpdates"),
    ):
        scene.sign(age)
        answer = await scene.push(apns_expiration="0")
        assert answer.fields.get("reason") == reason, age
    refused = scene.clock.now()
    await scene.until(3, lambda: scene.clock.now() >= refused + 3)
    assert (await scene.push()).status == 200


async def test_an_idle_connection_is_ended(scene: Scene) -> None:
    scene.sandbox.profile.set({"idle_after_s": 0.5, "goaway_grace_s": 0.1})
    accepted(await scene.push(apns_expiration="0"))
    await scene.until(1, lambda: bool(scene.journal.entries("apns", "connection_closed")))
    assert scene.journal.entries("apns", "connection_idle")


# --- Live Activities ----------------------------------------------------------------------------------------------


async def test_the_eleventh_start_is_over_the_budget(scene: Scene) -> None:
    scene.phone.profile.set("max_activities", 100)
    for number in range(11):
        accepted(await scene.push("start", str(number), apns_expiration="0"))
    assert len(scene.phone.activities.all) == 10
    assert "budget exceeded" in scene.phone.log[-1]


async def test_updates_over_the_budget_wait_until_it_is_back(scene: Scene) -> None:
    profile = scene.phone.profile
    profile.set("update_budget", 2)
    profile.set("update_window", 3.0)
    profile.set("update_over", "window")
    scene.start_by_app()
    for number in range(3):
        accepted(await scene.push("update", str(number), apns_expiration="0"))
    assert scene.text == "1"
    await scene.until(3, lambda: scene.text == "2")


async def test_stale_and_dismissal_dates(scene: Scene) -> None:
    scene.start_by_app()
    stale = {"aps": scene.aps("update", "soon", **{"stale-date": int(scene.now(2))})}
    accepted(await scene.push("update", payload=stale, apns_expiration="0"))
    await scene.until(2, lambda: scene.activity.state == "stale")
    end = {"aps": scene.aps("end", "end", **{"dismissal-date": int(scene.now(2))})}
    accepted(await scene.push("update", payload=end, apns_expiration="0"))
    assert scene.activity.state == "ended"
    await scene.until(2, lambda: scene.activity.state == "dismissed")


async def test_an_end_with_a_dismissal_date_gone_by_leaves_at_once(scene: Scene) -> None:
    scene.start_by_app()
    end = {"aps": scene.aps("end", "end", **{"dismissal-date": int(scene.now(-1))})}
    accepted(await scene.push("update", payload=end, apns_expiration="0"))
    assert scene.activity.state == "dismissed"


async def test_an_older_update_is_ignored(scene: Scene) -> None:
    scene.start_by_app()
    older = {"aps": scene.aps("update", "older")}
    accepted(await scene.push("update", "newer", apns_expiration="0"))
    accepted(await scene.push("update", payload=older, apns_expiration="0"))
    assert scene.text == "newer"
