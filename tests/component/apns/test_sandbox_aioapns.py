"""Stock aioapns 4.0, unmodified but for its host and CA, finds an APNs."""

import asyncio
from time import time

import pytest
from aioapns import NotificationRequest, PushType

from .conftest import within

PAYLOAD = {"aps": {"alert": {"title": "Build", "body": "Done"}}}


@pytest.fixture
def real_time(bench, monkeypatch):
    """aioapns signs with the machine's time; let the sandbox's virtual clock stand at it."""
    bench.clock._now = time()


@pytest.mark.usefixtures("real_time")
async def test_a_push_is_accepted_and_delivered(bench) -> None:
    request = NotificationRequest(
        bench.token, PAYLOAD, time_to_live=60, priority=5, collapse_key="k", push_type=PushType.ALERT
    )
    result = await within(bench.aioapns().send_notification(request))
    assert result.is_successful
    [delivery] = bench.delivered
    assert delivery.payload == PAYLOAD
    assert (delivery.apns_id, delivery.priority, delivery.collapse_id) == (request.notification_id, 5, "k")
    assert delivery.expiration == pytest.approx(bench.clock.now() + 60, abs=5)


@pytest.mark.usefixtures("real_time")
async def test_a_cold_burst_all_arrives_once(bench) -> None:
    bench.sandbox.profile.device_rate = None
    apns = bench.aioapns(max_connections=1)
    requests = [NotificationRequest(bench.token, PAYLOAD) for _ in range(300)]
    results = await within(asyncio.gather(*map(apns.send_notification, requests)))
    assert {result.status for result in results} == {"200"}
    assert sorted(each.apns_id for each in bench.delivered) == sorted(
        each.notification_id for each in requests
    )


@pytest.mark.usefixtures("real_time")
async def test_a_dead_token_tells_reason_and_time(bench) -> None:
    bench.sandbox.registry.unregister(bench.token, 1_795_000_000.5)
    result = await within(bench.aioapns().send_notification(NotificationRequest(bench.token, PAYLOAD)))
    assert (result.status, result.description, result.timestamp) == ("410", "Unregistered", 1_795_000_000_500)


@pytest.mark.usefixtures("real_time")
async def test_the_other_host_does_not_know_the_token(bench) -> None:
    result = await within(
        bench.aioapns("production").send_notification(NotificationRequest(bench.token, PAYLOAD))
    )
    assert (result.status, result.description) == ("400", "BadDeviceToken")


@pytest.mark.usefixtures("real_time")
async def test_a_live_activity_update(bench) -> None:
    token = bench.sandbox.registry.mint_token("com.example.app", "production", "activity")
    request = NotificationRequest(
        token,
        {"aps": {"event": "update"}},
        push_type=PushType.LIVEACTIVITY,
        apns_topic="com.example.app.push-type.liveactivity",
    )
    assert (await within(bench.aioapns("production").send_notification(request))).is_successful
