"""What POST /v1/event does and reports, over the whole app with a fake gateway."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest
from quart import Quart

from component.routes.calls import (
    ACTIVITY,
    EVENT,
    NOTHING,
    SECRET,
    Start,
    post,
    post_event,
    register,
    table,
)
from fake_gateway import FakeGateway
from outcomes import answered, not_sent
from waiting import eventually


@pytest.fixture
async def app(start: Start, database_url: str) -> AsyncIterator[Quart]:
    """On both databases."""
    async with start(database_url, RELAY_EVENT_DEADLINE="0.2") as running:
        yield running


async def test_delivered_is_logged(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    assert await post_event(app, title="Title 👩‍👩‍👧") == {
        "ok": True,
        "sent": 1,
        "failed": 0,
        "queued": 0,
    }
    (push,), (row,) = gateway.sent, await table()
    assert uuid.UUID(row["id"]).version == 5
    assert row["id"] == push.apns_id
    assert (row["status"], row["http_status"], row["reason"]) == ("sent", 200, None)
    assert (row["event_id"], row["session_id"], row["token_suffix"]) == ("e1", "ses_1", "abababab")
    assert row["latency_ms"] >= 0
    assert row["payload"] is None
    assert "👩‍👩‍👧" in json.loads(push.payload)["aps"]["alert"]["title"]


async def test_refused_is_failed(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    gateway.answers = [answered(400, "BadTopic")]
    assert await post_event(app) == NOTHING | {"failed": 1}
    (row,) = await table()
    assert (row["status"], row["http_status"], row["reason"]) == ("failed", 400, "BadTopic")


async def test_slow_is_queued_and_settled_later(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    gateway.gate.clear()
    assert await post_event(app) == NOTHING | {"queued": 1}
    assert await post_event(app) == NOTHING | {"queued": 1}
    assert [row["status"] for row in await table()] == ["queued"]
    gateway.gate.set()
    await eventually(lambda: statuses_are("sent"))
    assert await post_event(app) == NOTHING | {"sent": 1}
    assert len(gateway.sent) == 1


async def test_without_a_phone_nothing_happens(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    assert await post_event(app, secret="o" * 24) == NOTHING
    assert await post_event(app, eventType="progress") == NOTHING
    assert await post_event(app, None, eventType="start", contentState=None) == NOTHING
    assert (gateway.sent, await table()) == ([], [])


async def test_each_phone_for_itself(app: Quart, gateway: FakeGateway) -> None:
    for token in ("aa", "bb", "cc"):
        await register(app, token)
    gateway.answers = [answered(200), answered(400, "BadTopic"), not_sent("refused")]
    assert await post_event(app) == {"ok": True, "sent": 1, "failed": 1, "queued": 1}
    (row,) = [row for row in await table() if row["status"] == "queued"]
    assert (row["attempts"], row["error"]) == (1, "refused")
    assert {push.device_token for push in gateway.sent} == {"aa", "bb", "cc"}
    assert len({push.collapse_id for push in gateway.sent}) == 1


async def test_a_resend_sends_nothing_and_reports_the_same(app: Quart, gateway: FakeGateway) -> None:
    await register(app, "aa")
    await register(app, "bb")
    gateway.answers = [answered(400, "BadTopic")]
    first = await post_event(app)
    assert first == NOTHING | {"sent": 1, "failed": 1}
    assert await post_event(app) == first
    assert await post_event(app, title="Other text") == first
    assert len(gateway.sent) == 2
    assert await post_event(app, "E1") == NOTHING | {"sent": 2}


async def test_a_resend_after_the_dead_token_went_reports_the_same(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    gateway.answers = [answered(410, "Unregistered", None)]
    assert await post_event(app) == NOTHING | {"failed": 1}
    assert await table("device_registration") == []
    assert await post_event(app) == NOTHING | {"failed": 1}


async def test_a_resend_reaches_the_phone_that_came_since(app: Quart, gateway: FakeGateway) -> None:
    await register(app, "aa")
    await post_event(app)
    for token in ("bb", "cc"):
        await register(app, token)
    assert await post_event(app) == NOTHING | {"sent": 3}
    assert sorted(push.device_token for push in gateway.sent) == ["aa", "bb", "cc"]


async def test_events_without_an_id_are_all_new(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    assert [await post_event(app, None), await post_event(app, None)] == [NOTHING | {"sent": 1}] * 2
    assert len({push.apns_id for push in gateway.sent}) == 2


async def test_fifty_copies_at_once_are_one_push_for_each_phone(app: Quart, gateway: FakeGateway) -> None:
    for token in ("aa", "bb"):
        await register(app, token)
    answers = await asyncio.gather(*(post_event(app) for _ in range(50)))
    assert sorted(push.device_token for push in gateway.sent) == ["aa", "bb"]
    assert {said["sent"] + said["failed"] + said["queued"] for said in answers} == {2}
    assert await post_event(app) == NOTHING | {"sent": 2}


async def test_a_caller_who_hangs_up_loses_nothing(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    gateway.gate.clear()
    for turns in range(40):
        request = asyncio.create_task(post_event(app, f"e{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    gateway.gate.set()
    last = await post_event(app, "last")
    assert last["sent"] == 1
    await eventually(lambda: statuses_are("sent"))
    logged = [row["id"] for row in await table()]
    assert sorted(push.apns_id for push in gateway.sent) == sorted(logged)
    assert len(logged) > 20


async def statuses_are(status: str) -> bool:
    found = await table()
    return bool(found) and {row["status"] for row in found} == {status}


@pytest.mark.parametrize("cards", [2, 100])
async def test_requests_at_once_for_one_session_with_many_cards_are_all_answered(
    start: Start, database_url: str, cards: int
) -> None:
    """16 at a time: events, registrations of rotated tokens, and cards that go. Contention is no outage: none is answered 503."""
    tokens = [f"{number:04x}" * 16 for number in range(cards)]
    async with start(database_url) as app:
        for token in tokens:
            body = {"secret": SECRET, "sessionID": "ses_1", "activityToken": token, "deviceToken": token}
            assert (await post(app, ACTIVITY, **body))[0] == 200
        events = [
            post(app, EVENT, secret=SECRET, eventType="progress", sessionID="ses_1", body=f"step {number}")
            for number in range(16)
        ]
        rotated = [
            post(
                app, ACTIVITY, secret=SECRET, sessionID="ses_1", activityToken=f"ee{token}", deviceToken=token
            )
            for token in tokens[:16]
        ]
        answers = await asyncio.gather(*events, *rotated)
        assert {status for status, _ in answers} == {200}
        assert [said["queued"] for _, said in answers[:16]] == [cards] * 16
        found = {row["device_token"]: row for row in await table("activity_registration")}
    assert {found[token]["activity_token"] for token in tokens[:16]} == {
        f"ee{token}" for token in tokens[:16]
    }
    assert {json.loads(row["state"])["lastMessage"] for row in found.values()} == {"step 15"}
