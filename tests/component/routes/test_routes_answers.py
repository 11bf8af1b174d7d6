"""An answer's way through the relay: taken once, fetched until acknowledged, refused with what became of the request. On both databases."""

import asyncio
import json
import time
from typing import Any

import pytest
from quart import Quart
from tortoise.connection import get_connection

from component.routes.calls import ACK, ANSWER, FETCH, SECRET, TOKEN, Start, post, post_event, register
from fake_gateway import FakeGateway
from relay import contract
from relay.answers import Answer
from relay.server.store import requests
from relay.server.store.sql import Database

NONCE, WRONG = "n" * 22, "w" * 22
OTHER = "another-secret-of-24-chars"


def request(request_id: str = "per_1", lasts: int = 600, **fields: Any) -> dict[str, Any]:
    return {
        "id": request_id,
        "kind": "permission",
        "nonce": NONCE,
        "expiresAt": int(time.time()) + lasts,
        "choices": [{"value": "once", "label": "Allow"}, {"value": "reject", "label": "Deny"}],
    } | fields


async def ask(app: Quart, request_id: str = "per_1", **fields: Any) -> None:
    await post_event(app, f"evt_{request_id}", eventType="permission", request=request(request_id, **fields))


async def say(app: Quart, request_id: str = "per_1", **fields: Any) -> tuple[int, dict[str, Any]]:
    body = {
        "secret": SECRET,
        "requestID": request_id,
        "nonce": NONCE,
        "decision": "once",
        "deviceToken": TOKEN,
    }
    return await post(app, ANSWER, **body | fields)


async def fetched(app: Quart, **fields: Any) -> list[dict[str, Any]]:
    status, said = await post(app, FETCH, **{"secret": SECRET} | fields)
    assert status == 200, said
    return list(said["answers"])


async def test_the_push_carries_what_its_buttons_answer_to(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    await ask(app)
    payload = json.loads(gateway.sent[-1].payload)
    assert payload["aps"]["category"] == "permission.answer"
    assert payload["request"] == payload["body"]["request"]
    assert payload["request"]["nonce"] == NONCE
    (row,) = await table_of_requests()
    assert NONCE not in json.dumps(row, default=str), "only its hash is kept"


async def table_of_requests() -> list[dict[str, Any]]:
    _, rows = await get_connection("default").execute_query("SELECT * FROM pending_request")
    return [dict(row) for row in rows]


async def test_an_answer_is_taken_once_and_fetched_until_it_is_acknowledged(
    start: Start, database_url: str
) -> None:
    async with start(database_url) as app:
        await ask(app)
        assert await fetched(app) == []
        assert await say(app) == (202, {"ok": True, "state": "taken"})
        for _ in range(2):
            (answer,) = await fetched(app)
            expires_at = answer.pop("expiresAt")
            assert expires_at == (await table_of_requests())[0]["expires_at"] // 1000
            assert answer == {"requestID": "per_1", "nonce": NONCE, "decision": "once", "by": TOKEN[-8:]}
        assert await say(app) == (202, {"ok": True, "state": "taken"}), "its first reply may have been lost"
        status, late = await say(app, decision="reject", deviceToken="cd" * 32)
        assert (status, late["code"], late["state"], late["by"]) == (
            409,
            "request_answered",
            "answered",
            TOKEN[-8:],
        )
        for _ in range(2):
            assert await post(app, ACK, secret=SECRET, requestID="per_1", outcome="applied") == (
                200,
                {"ok": True},
            )
        assert await fetched(app) == []
        assert (await say(app))[1]["code"] == "request_answered"
        (row,) = await table_of_requests()
        assert (row["state"], row["outcome"], row["answer"]) == ("answered", "applied", None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"requestID": "per_2"}, "unknown_request"),
        ({"nonce": WRONG}, "unknown_request"),
        ({"secret": OTHER}, "unknown_request"),
    ],
)
async def test_who_does_not_know_it_learns_nothing_of_it(
    app: Quart, fields: dict[str, str], code: str
) -> None:
    await ask(app)
    body = {"secret": SECRET, "requestID": "per_1", "nonce": NONCE, "decision": "once"} | fields
    status, said = await post(app, ANSWER, **body)
    assert (status, said["code"]) == (404, code)
    assert await fetched(app) == []


async def test_ten_wrong_nonces_close_it_also_for_the_right_one(start: Start, database_url: str) -> None:
    async with start(database_url) as app:
        await ask(app)
        for _ in range(10):
            assert (await say(app, nonce=WRONG))[0] == 404
        status, said = await say(app)
        assert (status, said["code"]) == (409, "request_closed")
        assert await fetched(app) == []


async def test_too_late_and_withdrawn_are_said(start: Start, database_url: str) -> None:
    async with start(database_url) as app:
        await ask(app, lasts=-1)
        assert (await say(app))[1]["code"] == "request_expired"
        await ask(app, "per_2")
        await post_event(app, "evt_w", eventType="progress", withdraws=["per_2", "per_9"])
        status, said = await say(app, "per_2")
        assert (status, said["code"], said["error"]) == (
            409,
            "request_withdrawn",
            "Nobody waits for an answer any more",
        )
        await ask(app, "per_2")  # the same event, sent again because its reply was lost
        assert (await say(app, "per_2"))[1]["code"] == "request_withdrawn"


@pytest.mark.parametrize(
    "fields",
    [{"decision": None}, {"text": "x"}, {"answers": []}, {"nonce": "short"}, {"decision": ""}],
)
async def test_what_is_no_answer_is_refused(app: Quart, fields: dict[str, Any]) -> None:
    await ask(app)
    assert (await say(app, **fields))[0] == 400
    assert await fetched(app) == []


async def test_a_long_answer_is_refused(app: Quart) -> None:
    await ask(app)
    status, said = await say(app, proof="p" * 64, more="x" * 1024)
    assert (status, said["code"]) == (413, "body_too_large")


async def test_so_many_requests_wait_and_no_more(app: Quart, gateway: FakeGateway) -> None:
    await register(app)
    for number in range(101):
        await ask(app, f"per_{number}")
    assert (await say(app, "per_99"))[0] == 202
    assert (await say(app, "per_100"))[0] == 404
    assert "request" not in json.loads(gateway.sent[-1].payload), "no button that nobody hears"


async def test_forgetting_the_secret_forgets_its_requests(app: Quart) -> None:
    await ask(app)
    await say(app)
    await post(app, "/v1/secret/forget", secret=SECRET)
    assert await table_of_requests() == []


class TestWaiting:
    """The bridge's long poll."""

    async def test_it_ends_as_soon_as_an_answer_comes(self, app: Quart) -> None:
        await ask(app)
        waiting = asyncio.create_task(fetched(app, wait=25))
        other = asyncio.create_task(fetched(app, secret=OTHER, wait=1))
        await asyncio.sleep(0)
        assert (await say(app))[0] == 202
        async with asyncio.timeout(10):
            assert [one["requestID"] for one in await waiting] == ["per_1"]
            assert await other == []

    async def test_an_answer_that_another_relay_took_is_found(self, start: Start, database_url: str) -> None:
        async with start(database_url) as one:
            await ask(one)
            waiting = asyncio.create_task(fetched(one, wait=25))
            await asyncio.sleep(0.05)
            # What another process on the same database does: the same statements, and nobody here is woken.
            answer = Answer(secret=SECRET, request_id="per_1", nonce=NONCE, decision="reject")
            (row,) = await table_of_requests()
            taken = await requests.answer(
                Database(get_connection("default")),
                answer,
                secret_hash=contract.secret_hash(SECRET),
                expires_at_ms=row["expires_at"],
                now_ms=int(time.time() * 1000),
            )
            assert taken
            async with asyncio.timeout(10):
                assert [one["decision"] for one in await waiting] == ["reject"]

    async def test_a_relay_that_stops_lets_nobody_wait(self, start: Start, database_url: str) -> None:
        async with asyncio.timeout(20):
            async with start(database_url) as app:
                waiting = asyncio.create_task(fetched(app, wait=25))
                await asyncio.sleep(0.05)
            assert await waiting == []
