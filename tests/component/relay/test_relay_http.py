"""Every route and every way to misuse it, over the whole app with a fake gateway."""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from tortoise.connection import get_connection

from fake_gateway import FakeGateway
from mariadb import MariaDB
from relay import settings
from relay.apns.push import Answered, MaybeSent, NotSent
from relay.app import MAX_BODY, running_app
from relay.database import DatabaseError
from relay.store import activities, deliveries, devices
from relay.store.sql import Unavailable
from waiting import eventually

SECRET = "s" * 24
TOKEN = "ab" * 32
REGISTER, UNREGISTER, EVENT = "/v1/device/register", "/v1/device/unregister", "/v1/event"
ACTIVITY, NO_ACTIVITY = "/v1/activity/register", "/v1/activity/unregister"
NOTHING = {"ok": True, "sent": 0, "failed": 0, "queued": 0}

Start = Callable[..., AbstractAsyncContextManager[Quart]]


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def start(environment: Callable[..., dict[str, str]], gateway: FakeGateway) -> Start:
    def build(database_url: str, **variables: str) -> AbstractAsyncContextManager[Quart]:
        return running_app(
            settings.load(environment(DATABASE_URL=database_url, **variables)), gateway=gateway
        )

    return build


@pytest.fixture
async def app(start: Start, tmp_path: Path) -> AsyncIterator[Quart]:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_EVENT_DEADLINE="0.2") as running:
        yield running


async def post(app: Quart, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return await post_raw(app, path, json.dumps(fields).encode())


async def post_raw(app: Quart, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    response = await app.test_client().post(path, data=body)
    assert response.content_type == "application/json"
    return response.status_code, json.loads(await response.get_data())


async def register(app: Quart, token: str = TOKEN, **fields: Any) -> None:
    assert await post(app, REGISTER, secret=SECRET, deviceToken=token, **fields) == (200, {"ok": True})


async def tell(app: Quart, event_id: str | None = "e1", **fields: Any) -> dict[str, Any]:
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


class TestDevices:
    async def test_a_phone_comes_and_goes(self, app: Quart) -> None:
        await register(app, TOKEN.upper(), apnsEnv="sandbox", bundleId="com.other", unknown=[1])
        await register(app, apnsEnv="production")
        (row,) = await table("device_registration")
        assert (row["device_token"], row["bundle_id"]) == (TOKEN, "com.example.app")
        assert row["apns_env"] == "production"
        assert SECRET not in str(row)
        for _ in range(2):
            assert await post(app, UNREGISTER, secret=SECRET, deviceToken=TOKEN) == (200, {"ok": True})
        assert await table("device_registration") == []

    async def test_health_counts_rows(self, app: Quart) -> None:
        client = app.test_client()
        await register(app)
        await tell(app)
        said = await (await client.get("/health")).get_json()
        assert said == {"ok": True, "devices": 1, "deliveries": 1}

    async def test_a_log_names_no_token_and_no_secret(
        self, app: Quart, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await register(app)
        await tell(app, title="Geheim", body="Ganz geheim")
        await post(app, UNREGISTER, secret=SECRET, deviceToken=TOKEN)
        assert "…abababab" in caplog.text
        for private in (SECRET, TOKEN, "geheim", "Geheim"):
            assert private not in caplog.text


GOOD = {
    REGISTER: {"secret": SECRET, "deviceToken": TOKEN},
    UNREGISTER: {"secret": SECRET, "deviceToken": TOKEN},
    ACTIVITY: {"secret": SECRET, "sessionID": "ses_1", "activityToken": TOKEN},
    NO_ACTIVITY: {"secret": SECRET, "sessionID": "ses_1"},
    EVENT: {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1"},
}
BAD_VALUES: dict[str, list[Any]] = {
    "secret": [None, "", "s" * 15, "s" * 513, 7, ["s" * 24]],
    "deviceToken": [None, "", "a", "xyz", "ab" * 257, 7, {}, "ab\n"],
    "activityToken": [None, "", "a", "xyz", "ab" * 257, 7, {}, "ab\n"],
    "eventType": [None, "", "done", 1, ["complete"]],
    "sessionID": [None, "", "a b", "a\u0000b", "a\n", "é", "s" * 129, 1e300, True],
}
OPTIONAL_BAD = [
    (REGISTER, "apnsEnv", None),
    (REGISTER, "apnsEnv", "staging"),
    (REGISTER, "bundleId", "com/example"),
    (REGISTER, "pushToStartToken", "zz"),
    (REGISTER, "activityFormat", "round"),
    (ACTIVITY, "apnsEnv", "staging"),
    (ACTIVITY, "bundleId", "com/example"),
    (ACTIVITY, "deviceToken", "zz"),
    (ACTIVITY, "activityFormat", "round"),
    (NO_ACTIVITY, "deviceToken", "zz"),
    (EVENT, "title", ""),
    (EVENT, "body", 7),
    (EVENT, "serverID", "x" * 129),
    (EVENT, "eventID", "x" * 65),
    (EVENT, "eventID", 10**30),
    (EVENT, "contentState", {"status": "working"}),
    (EVENT, "contentState", []),
]
RAW = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"{",
    b'{"secret": NaN}',
    b'{"secret": 1e999}',
    b"\xff\xfe{}",
    b'{"secret": "\xff"}',
    b'{"secret": "' + b"\\ud800" * 20 + b'", "deviceToken": "ab", "eventType": "complete", "sessionID": "s"}',
    b"[" * 30_000,
    b'{"a":' * 10_000,
]


def wrong_fields() -> list[tuple[str, str, Any]]:
    required = [(path, name, bad) for path, body in GOOD.items() for name in body for bad in BAD_VALUES[name]]
    return required + OPTIONAL_BAD


class TestRefusals:
    async def refused(self, answer: tuple[int, dict[str, Any]]) -> None:
        status, said = answer
        assert status == 400
        assert (said["ok"], said["code"], said["error"]) == (False, "invalid_body", "Invalid request body")
        assert said["details"]
        assert SECRET not in str(said)

    async def test_every_wrong_value_of_every_field(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        before = await everything()
        for path, name, bad in wrong_fields():
            await self.refused(await post(app, path, **GOOD[path] | {name: bad}))
        assert await everything() == before
        assert not gateway.sent

    async def test_every_required_field_is_required(self, app: Quart) -> None:
        for path, body in GOOD.items():
            for name in body:
                await self.refused(await post(app, path, **{key: body[key] for key in body if key != name}))
        assert await everything() == []

    @pytest.mark.parametrize("body", RAW, ids=lambda body: repr(body[:24]))
    async def test_what_is_no_object_of_the_contract(self, app: Quart, body: bytes) -> None:
        for path in GOOD:
            await self.refused(await post_raw(app, path, body))
        assert await everything() == []

    async def test_a_lone_surrogate_in_a_text(self, app: Quart) -> None:
        await register(app)
        body = json.dumps(GOOD[EVENT] | {"title": "\ud800"}).encode()
        await self.refused(await post_raw(app, EVENT, body))

    async def test_a_body_that_is_too_large(self, app: Quart) -> None:
        for path in GOOD:
            status, said = await post_raw(app, path, b" " * 2**20)
            assert (status, said) == (
                413,
                {"ok": False, "error": "Request body too large", "code": "body_too_large"},
            )
            body = json.dumps(GOOD[path]).encode().ljust(MAX_BODY)
            assert (await post_raw(app, path, body))[0] == 200

    async def test_a_body_that_is_too_large_in_chunks(self, app: Quart) -> None:
        async with app.test_client().request(EVENT, method="POST") as connection:
            for _ in range(16):
                await connection.send(b" " * 2**16)
            await connection.send_complete()
        response = await connection.as_response()
        assert response.status_code == 413
        assert (await response.get_json())["code"] == "body_too_large"

    @pytest.mark.parametrize(
        "path",
        ["/", "/v1", "/v1/event/", "/v1//event", "/static/x", "/health/..", "/%00", "/é" * 500],
    )
    async def test_unknown_routes(self, app: Quart, path: str) -> None:
        for method in ("GET", "POST"):
            response = await app.test_client().open(path, method=method)
            assert response.status_code == 404
            assert await response.get_json() == {"ok": False, "error": "Not found", "code": "not_found"}

    async def test_every_route_answers_a_wrong_method_with_the_envelope(self, app: Quart) -> None:
        rules = {str(rule): rule.methods for rule in app.url_map.iter_rules()}
        assert set(rules) == {"/health", *GOOD}
        for path, methods in rules.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "X"} - methods:
                response = await app.test_client().open(path, method=method)
                assert response.status_code == 405
                assert set(response.headers["Allow"].split(", ")) == methods
                said = await response.get_json()
                assert said == {"ok": False, "error": "Method not allowed", "code": "method_not_allowed"}


class TestFaults:
    async def test_a_defect_tells_nothing_of_the_inside(
        self, app: Quart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError("/etc/inside")

        for name in ("count", "register", "unregister", "recipients", "recipients_of"):
            monkeypatch.setattr(devices, name, broken)
        monkeypatch.setattr(activities, "of_session", broken)
        answers = [await post(app, path, **body) for path, body in GOOD.items()]
        response = await app.test_client().get("/health")
        answers.append((response.status_code, await response.get_json()))
        refusal = {"ok": False, "error": "Internal error", "code": "internal_error"}
        assert answers == [(500, refusal)] * (len(GOOD) + 1)
        assert "/etc/inside" in caplog.text

    async def test_without_its_tables_it_is_unavailable(self, app: Quart) -> None:
        for name in ("device_registration", "activity_registration", "delivery_log"):
            await get_connection("default").execute_query(f"DROP TABLE {name}")
        answers = [await post(app, path, **body) for path, body in GOOD.items()]
        response = await app.test_client().get("/health")
        answers.append((response.status_code, await response.get_json()))
        assert [status for status, _ in answers] == [503] * (len(GOOD) + 1)
        assert {said["code"] for _, said in answers} == {"database_unavailable"}
        assert "device_registration" not in str(answers)

    async def test_a_database_that_goes_while_the_relay_starts(
        self, start: Start, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def gone(*_: Any) -> None:
            raise Unavailable("gone")

        monkeypatch.setattr(deliveries, "release_leases", gone)
        with pytest.raises(DatabaseError, match="went away: gone"):
            async with start(f"sqlite://{tmp_path}/relay.sqlite3"):
                pass
        assert gateway.closed

    @pytest.mark.mariadb
    async def test_the_database_goes_and_comes_back(
        self, start: Start, mariadb: MariaDB, gateway: FakeGateway
    ) -> None:
        url = mariadb.new_database()
        async with start(url) as app:
            await register(app)
            mariadb.stop()
            try:
                for path, body in GOOD.items():
                    assert (await post(app, path, **body))[0] == 503
            finally:
                mariadb.start()
            assert (await tell(app))["sent"] == 1
            assert len(gateway.sent) == 1
        mariadb.drop_database(url)


class TestEvents:
    @pytest.fixture
    async def app(self, start: Start, database_url: str) -> AsyncIterator[Quart]:
        """On both databases."""
        async with start(database_url, RELAY_EVENT_DEADLINE="0.2") as running:
            yield running

    async def test_delivered_is_logged(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        assert await tell(app, title="Title 👩‍👩‍👧") == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        (push,), (row,) = gateway.sent, await table()
        assert uuid.UUID(row["id"]).version == 5
        assert row["id"] == push.apns_id
        assert (row["status"], row["http_status"], row["reason"]) == ("sent", 200, None)
        assert (row["event_id"], row["session_id"], row["token_suffix"]) == ("e1", "ses_1", "abababab")
        assert row["latency_ms"] >= 0
        assert row["payload"] is None
        assert "👩‍👩‍👧" in json.loads(push.payload)["aps"]["alert"]["title"]

    async def test_refused_is_failed(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        gateway.answers = [Answered(400, "BadTopic")]
        assert await tell(app) == NOTHING | {"failed": 1}
        (row,) = await table()
        assert (row["status"], row["http_status"], row["reason"]) == ("failed", 400, "BadTopic")

    async def test_slow_is_queued_and_settled_later(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        gateway.gate.clear()
        assert await tell(app) == NOTHING | {"queued": 1}
        assert await tell(app) == NOTHING | {"queued": 1}
        assert [row["status"] for row in await table()] == ["queued"]
        gateway.gate.set()
        await eventually(lambda: statuses_are("sent"))
        assert await tell(app) == NOTHING | {"sent": 1}
        assert len(gateway.sent) == 1

    async def test_not_reached_is_queued(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        gateway.answers = [NotSent("refused")]
        assert await tell(app) == NOTHING | {"queued": 1}
        (row,) = await table()
        assert (row["status"], row["attempts"], row["error"]) == ("queued", 1, "refused")

    async def test_without_a_phone_nothing_happens(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        assert await tell(app, secret="o" * 24) == NOTHING
        assert await tell(app, eventType="progress") == NOTHING
        assert await tell(app, None, eventType="start", contentState=None) == NOTHING
        assert (gateway.sent, await table()) == ([], [])

    async def test_each_phone_for_itself(self, app: Quart, gateway: FakeGateway) -> None:
        for token in ("aa", "bb", "cc"):
            await register(app, token)
        gateway.answers = [Answered(200), Answered(400, "BadTopic"), MaybeSent("lost")]
        assert await tell(app) == {"ok": True, "sent": 1, "failed": 1, "queued": 1}
        assert {push.device_token for push in gateway.sent} == {"aa", "bb", "cc"}
        assert len({push.collapse_id for push in gateway.sent}) == 1

    async def test_a_resend_sends_nothing_and_reports_the_same(
        self, app: Quart, gateway: FakeGateway
    ) -> None:
        await register(app, "aa")
        await register(app, "bb")
        gateway.answers = [Answered(400, "BadTopic")]
        first = await tell(app)
        assert first == NOTHING | {"sent": 1, "failed": 1}
        assert await tell(app) == first
        assert await tell(app, title="Other text") == first
        assert len(gateway.sent) == 2
        assert await tell(app, "E1") == NOTHING | {"sent": 2}

    async def test_a_resend_after_the_dead_token_went_reports_the_same(
        self, app: Quart, gateway: FakeGateway
    ) -> None:
        await register(app)
        gateway.answers = [Answered(410, "Unregistered", None)]
        assert await tell(app) == NOTHING | {"failed": 1}
        assert await table("device_registration") == []
        assert await tell(app) == NOTHING | {"failed": 1}

    async def test_a_resend_reaches_the_phone_that_came_since(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app, "aa")
        await tell(app)
        for token in ("bb", "cc"):
            await register(app, token)
        assert await tell(app) == NOTHING | {"sent": 3}
        assert sorted(push.device_token for push in gateway.sent) == ["aa", "bb", "cc"]

    async def test_events_without_an_id_are_all_new(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        assert [await tell(app, None), await tell(app, None)] == [NOTHING | {"sent": 1}] * 2
        assert len({push.apns_id for push in gateway.sent}) == 2

    async def test_fifty_copies_at_once_are_one_push_for_each_phone(
        self, app: Quart, gateway: FakeGateway
    ) -> None:
        for token in ("aa", "bb"):
            await register(app, token)
        answers = await asyncio.gather(*(tell(app) for _ in range(50)))
        assert sorted(push.device_token for push in gateway.sent) == ["aa", "bb"]
        assert {said["sent"] + said["failed"] + said["queued"] for said in answers} == {2}
        assert await tell(app) == NOTHING | {"sent": 2}

    async def test_a_caller_who_hangs_up_loses_nothing(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        gateway.gate.clear()
        for turns in range(40):
            request = asyncio.create_task(tell(app, f"e{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
        gateway.gate.set()
        last = await tell(app, "last")
        assert last["sent"] == 1
        await eventually(lambda: statuses_are("sent"))
        logged = [row["id"] for row in await table()]
        assert sorted(push.apns_id for push in gateway.sent) == sorted(logged)
        assert len(logged) > 20

    async def test_a_caller_who_hangs_up_while_apns_is_slow(self, app: Quart, gateway: FakeGateway) -> None:
        await register(app)
        gateway.gate.clear()
        request = asyncio.create_task(tell(app))
        await eventually(lambda: gateway.sent)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        gateway.gate.set()
        await eventually(lambda: statuses_are("sent"))
        assert len(gateway.sent) == 1


async def statuses_are(status: str) -> bool:
    found = await table()
    return bool(found) and {row["status"] for row in found} == {status}
