"""RELAY_BUNDLE_IDS: which apps may register, and that one client's app costs no other its pushes."""

from pathlib import Path

import pytest

from component.routes.calls import (
    ACTIVITY,
    REGISTER,
    SECRET,
    TOKEN,
    Start,
    everything,
    post,
    post_event,
    register,
)
from fake_gateway import FakeGateway
from outcomes import answered

APPS = "com.example.app, com.example.dev"  # the first is the default bundle id, too
FOREIGN = "com.foreign.app"


@pytest.mark.parametrize(
    ("listed", "bundle_id", "welcome"),
    [
        ("", FOREIGN, True),
        (APPS, None, True),
        (APPS, "com.example.app", True),
        (APPS, "com.example.dev", True),
        (APPS, FOREIGN, False),
        (APPS, "com.example.app.evil", False),
        (APPS, "COM.EXAMPLE.APP", False),
        ("com.example.dev", None, True),  # the default is always served
    ],
)
async def test_only_listed_apps_register(
    start: Start, tmp_path: Path, listed: str, bundle_id: str | None, welcome: bool
) -> None:
    app_named = {} if bundle_id is None else {"bundleId": bundle_id}
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_BUNDLE_IDS=listed) as app:
        answers = [
            await post(app, REGISTER, secret=SECRET, deviceToken=TOKEN, **app_named),
            await post(app, ACTIVITY, secret=SECRET, sessionID="ses_1", activityToken=TOKEN, **app_named),
        ]
        if welcome:
            assert answers == [(200, {"ok": True})] * 2
            return
        for status, said in answers:
            assert (status, said["code"]) == (400, "invalid_body")
            assert (
                said["details"]
                == f"bundleId: this relay does not push to {bundle_id}; RELAY_BUNDLE_IDS lists its apps"
            )
        assert await everything() == []


async def test_a_phone_of_an_app_that_was_taken_off_the_list_gets_nothing_more(
    start: Start, tmp_path: Path, gateway: FakeGateway
) -> None:
    url = f"sqlite://{tmp_path}/relay.sqlite3"
    async with start(url) as app:
        await register(app, bundleId=FOREIGN)
        await register(app, "cd" * 32)
    async with start(url, RELAY_BUNDLE_IDS=APPS) as app:
        assert (await post_event(app))["sent"] == 1
    assert [push.topic for push in gateway.sent] == ["com.example.app"]


@pytest.mark.parametrize("reason", ["InvalidProviderToken", "TopicDisallowed", "UnrelatedKeyIdInToken"])
async def test_a_foreign_app_costs_no_other_its_alerts(
    start: Start, tmp_path: Path, gateway: FakeGateway, reason: str
) -> None:
    """Apple: 403 for a key, 400 TopicDisallowed for a topic that the key may not push to (documented)."""
    async with start(f"sqlite://{tmp_path}/relay.sqlite3") as app:
        await post(app, REGISTER, secret="f" * 24, deviceToken=TOKEN, bundleId=FOREIGN)
        await register(app)
        gateway.answers = [answered(400 if reason == "TopicDisallowed" else 403, reason)]
        foreign = {"secret": "f" * 24}
        said = await post_event(app, "e1", **foreign)
        assert said["sent"] == 0
        assert (await post_event(app, "e2"))["sent"] == 1
        assert (await post_event(app, "e3"))["sent"] == 1
