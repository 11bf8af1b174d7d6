"""Requests to the relay's routes, and what its tables hold afterwards."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from quart import Quart
from tortoise.connection import get_connection

SECRET = "s" * 24
TOKEN = "ab" * 32
REGISTER, UNREGISTER, EVENT = "/v1/device/register", "/v1/device/unregister", "/v1/event"
ACTIVITY, NO_ACTIVITY = "/v1/activity/register", "/v1/activity/unregister"
ANSWER, FETCH, ACK = "/v1/answer", "/v1/answers", "/v1/answers/ack"
PHONES, FORGET = "/v1/secret/phones", "/v1/secret/forget"
NOTHING = {"ok": True, "sent": 0, "failed": 0, "queued": 0}

Start = Callable[..., AbstractAsyncContextManager[Quart]]

GOOD = {
    REGISTER: {"secret": SECRET, "deviceToken": TOKEN},
    UNREGISTER: {"secret": SECRET, "deviceToken": TOKEN},
    ACTIVITY: {"secret": SECRET, "sessionID": "ses_1", "activityToken": TOKEN},
    NO_ACTIVITY: {"secret": SECRET, "sessionID": "ses_1"},
    PHONES: {"secret": SECRET},
    FORGET: {"secret": SECRET},
    EVENT: {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1"},
    ANSWER: {"secret": SECRET, "requestID": "per_1", "nonce": "n" * 22, "decision": "once"},
    FETCH: {"secret": SECRET},
    ACK: {"secret": SECRET, "requestID": "per_1", "outcome": "applied"},
}
"""A good body for each route."""


async def post(app: Quart, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return await post_raw(app, path, json.dumps(fields).encode())


async def post_raw(app: Quart, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    response = await app.test_client().post(path, data=body)
    assert response.content_type == "application/json"
    return response.status_code, json.loads(await response.get_data())


async def health(app: Quart, authorization: str | None = None) -> dict[str, Any]:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await app.test_client().get("/health", headers=headers)
    assert response.status_code == 200
    return json.loads(await response.get_data())


async def register(app: Quart, token: str = TOKEN, **fields: Any) -> None:
    assert await post(app, REGISTER, secret=SECRET, deviceToken=token, **fields) == (200, {"ok": True})


async def post_event(app: Quart, event_id: str | None = "e1", **fields: Any) -> dict[str, Any]:
    event = {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1"} | fields
    status, said = await post(app, EVENT, **event | ({"eventID": event_id} if event_id else {}))
    assert status == 200, said
    return said


async def table(name: str = "delivery_log") -> list[dict[str, Any]]:
    _, rows = await get_connection("default").execute_query(f"SELECT * FROM {name} ORDER BY updated_at, id")
    return [dict(row) for row in rows]


async def everything() -> list[dict[str, Any]]:
    tables = ("delivery_log", "device_registration", "activity_registration")
    return [row for name in tables for row in await table(name)]
