"""Limits over the whole app: no route is without one, what each refusal says, and what others notice of it: nothing."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from component.routes.calls import ACTIVITY, ANSWER, EVENT, GOOD, REGISTER, SECRET, TOKEN, Start, table
from fake_gateway import FakeGateway
from relay.openapi import DOCUMENT_PATH
from relay.server.metrics import CODES
from relay.server.routes.limits import OF_SECRET
from relay.server.routes.table import ROUTES
from waiting import eventually

ADMIN = "an-admin-token-of-the-tests-of-limits"
HOME, ELSEWHERE, PROXY, WATCHER = "192.0.2.1", "198.51.100.1", "10.0.0.1", "203.0.113.9"
OTHER_SECRET = "t" * 24


class Limited:
    """An app with limits, asked from some address."""

    def __init__(self, app: Quart) -> None:
        self._app = app

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, peer: str = HOME, **headers: str
    ) -> tuple[int, bytes, str | None]:
        """Status, body, Retry-After."""
        response = await self._app.test_client().open(
            path,
            method=method,
            data=body or None,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            scope_base={"client": (peer, 4711)},
        )
        return response.status_code, await response.get_data(), response.headers.get("Retry-After")

    async def post(self, path: str, *, peer: str = HOME, **fields: Any) -> tuple[int, dict[str, Any]]:
        """What is said when is said in the header, too."""
        body = json.dumps(GOOD[path] | fields).encode()
        status, said, after = await self.ask("POST", path, body, peer=peer)
        found: dict[str, Any] = json.loads(said)
        assert (str(found["retryAfter"]) if "retryAfter" in found else None) == after
        return status, found

    async def statuses(self, path: str, times: int, *, peer: str = HOME, **fields: Any) -> list[int]:
        return [(await self.post(path, peer=peer, **fields))[0] for _ in range(times)]

    async def hits(self) -> dict[str, int]:
        """By limit, what the metrics say."""
        status, text, _ = await self.ask("GET", "/metrics", peer=WATCHER, Authorization=f"Bearer {ADMIN}")
        assert status == 200
        found = re.findall(r'^relay_limits_hit_total\{limit="(\w+)"\} (\d+)', text.decode(), re.MULTILINE)
        return {name: int(number) for name, number in found if number != "0"}


Limit = Callable[..., AbstractAsyncContextManager[Limited]]


@pytest.fixture
def limited(start: Start, tmp_path: Path) -> Limit:
    """`limited(PHONES="2")`: an app with RELAY_LIMIT_PHONES=2, and others as they are."""

    @asynccontextmanager
    async def build(proxies: str = "none", **numbers: str) -> Any:
        variables = {f"RELAY_LIMIT_{name}": number for name, number in numbers.items()}
        variables |= {"RELAY_LIMITS": "on", "RELAY_TRUSTED_PROXIES": proxies, "RELAY_ADMIN_TOKEN": ADMIN}
        async with start(f"sqlite://{tmp_path}/relay.sqlite3", **variables) as app:
            yield Limited(app)

    return build


# No route is without a limit.


async def test_every_route_counts_for_its_address(start: Start, tmp_path: Path) -> None:
    """Whatever Quart knows, and what it does not; for each method, right or wrong, with and without the admin token."""
    variables = {"RELAY_LIMITS": "on", "RELAY_ADMIN_TOKEN": ADMIN, "RELAY_LIMIT_REQUESTS": "1"}
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", **variables) as app:
        limited = Limited(app)
        paths = {rule.rule for rule in app.url_map.iter_rules()} | {route.path for route in ROUTES}
        asked = 0
        for path in sorted(paths | {DOCUMENT_PATH, "/metrics", "/admin", "/no-such-path", "/"}):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                for headers in ({}, {"Authorization": f"Bearer {ADMIN}"}):
                    asked += 1
                    peer = f"10.1.{asked >> 8}.{asked & 255}"
                    assert (await limited.ask(method, path, peer=peer, **headers))[0] != 429
                    status, said, after = await limited.ask(method, path, peer=peer, **headers)
                    assert (status, after) == (429, "60"), (method, path)
                    if method != "HEAD":
                        assert json.loads(said) == {
                            "ok": False,
                            "error": "Too many requests from this address: 1 a minute",
                            "code": "too_many_requests",
                            "retryAfter": 60,
                        }


def test_every_route_with_a_secret_counts_for_it() -> None:
    assert set(OF_SECRET) == {
        route for route in ROUTES if "secret" in getattr(route.body, "__annotations__", {})
    }
    assert set(OF_SECRET) == {route for route in ROUTES if route.body}


@pytest.mark.parametrize("route", OF_SECRET, ids=lambda route: route.path)
async def test_a_secret_has_its_own_limit_on_each(limited: Limit, route: Any) -> None:
    """From whatever address; the other secrets have theirs, and a broken character in the body is no way around it."""
    status_of_one = 404 if route.path == ANSWER else 200
    async with limited(REGISTRATIONS="2", EVENTS_MINUTE="2", ANSWERS="2", FETCHES="2") as relay:
        assert await relay.statuses(route.path, 2, peer=HOME) == [status_of_one] * 2
        status, said = await relay.post(route.path, peer=ELSEWHERE)
        assert (status, said["retryAfter"]) == (429, 30)
        assert said["code"] in (
            "too_many_registrations",
            "too_many_events",
            "too_many_answers",
            "too_many_fetches",
        )
        broken = json.dumps(GOOD[route.path] | {"later": "@"}).encode().replace(b"@", rb"\ud83d")
        assert (await relay.ask("POST", route.path, broken))[0] == 429
        assert await relay.statuses(route.path, 1, secret=OTHER_SECRET) == [status_of_one]
        assert await relay.hits() == {OF_SECRET[route][-1 if route.path != EVENT else 0]: 2}


async def test_what_is_refused_can_be_counted() -> None:
    assert {"too_many_requests", "too_many_phones", "day_limit_reached"} < set(CODES)


# By address.


async def test_registrations_of_one_address_under_many_secrets(limited: Limit) -> None:
    async with limited(ADDRESS_REGISTRATIONS="3") as relay:
        secrets = [f"{number:024}" for number in range(5)]
        said = [await relay.post(REGISTER, secret=secret) for secret in secrets]
        assert [status for status, _ in said] == [200, 200, 200, 429, 429]
        assert said[-1][1]["code"] == "too_many_registrations"
        assert await relay.statuses(REGISTER, 1, secret=secrets[4], peer=ELSEWHERE) == [200]
        assert len(await table("device_registration")) == 4
        assert await relay.hits() == {"address_registrations": 2}


async def test_behind_a_proxy_the_clients_address_counts(
    limited: Limit, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(proxies="10.0.0.0/8", REQUESTS="1") as relay:
        for client in (HOME, ELSEWHERE):
            for status in (200, 429):
                found = await relay.ask("GET", "/health", peer=PROXY, X_Forwarded_For=f"1.2.3.4, {client}")
                assert found[0] == status
        assert "remedy" not in caplog.text


async def test_a_proxy_that_nobody_named_is_named_in_the_log(
    limited: Limit, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(REQUESTS="1") as relay:
        for _ in range(3):
            await relay.ask("GET", "/health", peer=PROXY, X_Forwarded_For=HOME)
    (line,) = [one.getMessage() for one in caplog.records if "limit hit" in one.getMessage()][:1]
    assert line == (
        "limit hit limit=requests address=10.0.0.1 "
        'remedy="if 10.0.0.1 is your proxy, name it in RELAY_TRUSTED_PROXIES"'
    )
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) <= 2


async def test_requests_at_once(limited: Limit, gateway: FakeGateway) -> None:
    """While APNs keeps two events waiting, a third from there is refused, and one from elsewhere is not; then it is taken again."""
    async with limited(ADDRESS_CONNECTIONS="2") as relay:
        await relay.post(REGISTER)
        gateway.gate.clear()
        waiting = [asyncio.create_task(relay.post(EVENT)) for _ in range(2)]
        await eventually(lambda: len(gateway.sent) == 2)
        status, said = await relay.post(EVENT)
        assert (status, said["code"]) == (429, "too_many_connections")
        assert (await relay.post(EVENT, peer=ELSEWHERE, secret=OTHER_SECRET))[0] == 200
        gateway.gate.set()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200, 200]
        assert (await relay.post(EVENT))[0] == 200
        assert await relay.hits() == {"connections": 1}


async def test_bodies(limited: Limit) -> None:
    async with limited(BODY="200") as relay:
        for path in GOOD:
            status, said, _ = await relay.ask("POST", path, b" " * 201)
            assert (status, json.loads(said)["code"]) == (413, "body_too_large")
        assert (await relay.ask("GET", "/health", b" " * 201))[0] == 413
        assert await relay.hits() == {"body": len(GOOD) + 1}


async def test_off_is_off(limited: Limit) -> None:
    names = (
        "REQUESTS",
        "ADDRESS_REGISTRATIONS",
        "ADDRESS_CONNECTIONS",
        "REGISTRATIONS",
        "PHONES",
        "ACTIVITIES",
    )
    off = dict.fromkeys((*names, "EVENTS_MINUTE", "EVENTS_DAY", "CONNECTIONS", "BODY", "BODY_SECONDS"), "0")
    async with limited(**off) as relay:
        assert await relay.statuses(REGISTER, 130) == [200] * 130
        assert (await relay.ask("POST", EVENT, json.dumps(GOOD[EVENT]).encode().ljust(100_000)))[0] == 200
        assert "rateLimits" not in (await relay.post(EVENT))[1]
        assert await relay.hits() == {}


# By secret.


async def test_phones_of_a_secret(limited: Limit) -> None:
    """Those that are registered may register again, one that goes makes room; at once, too, none gets in between."""
    async with limited(PHONES="3") as relay:
        tokens = [f"{number:02x}" * 32 for number in range(8)]
        said = await asyncio.gather(*(relay.post(REGISTER, deviceToken=token) for token in tokens))
        assert sorted(status for status, _ in said) == [200] * 3 + [429] * 5
        (refused, *_) = [reply for status, reply in said if status == 429]
        assert refused == {
            "ok": False,
            "error": "This secret has as many phones as it may: 3",
            "code": "too_many_phones",
            "retryAfter": 600,
        }
        known = [token for token, (status, _) in zip(tokens, said, strict=True) if status == 200]
        assert await relay.statuses(REGISTER, 1, deviceToken=known[0].upper()) == [200]
        assert await relay.statuses(REGISTER, 1, deviceToken=TOKEN, secret=OTHER_SECRET) == [200]
        assert (await relay.post("/v1/device/unregister", deviceToken=known[0]))[0] == 200
        assert await relay.statuses(REGISTER, 2, deviceToken=TOKEN) == [200, 200]
        assert await relay.hits() == {"phones": 5}


async def test_activities_of_a_secret(limited: Limit) -> None:
    async with limited(ACTIVITIES="2") as relay:
        sessions = ["ses_1", "ses_2", "ses_3"]
        said = [(await relay.post(ACTIVITY, sessionID=session))[0] for session in sessions]
        assert said == [200, 200, 429]
        assert await relay.statuses(ACTIVITY, 1, sessionID="ses_2", activityToken="cd" * 40) == [200]
        assert await relay.statuses(ACTIVITY, 1, sessionID="ses_2", deviceToken=TOKEN) == [429]
        assert (await relay.post("/v1/activity/unregister", sessionID="ses_1"))[0] == 200
        assert await relay.statuses(ACTIVITY, 1, sessionID="ses_3") == [200]
        assert await relay.hits() == {"activities": 2}


async def test_what_is_left_is_in_every_reply_to_an_event(limited: Limit) -> None:
    async with limited(EVENTS_DAY="10") as relay:
        left = [(await relay.post(EVENT))[1]["rateLimits"] for _ in range(3)]
        assert [(one["maximum"], one["remaining"]) for one in left] == [(10, 9), (10, 8), (10, 7)]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["resetsAt"]) for one in left)
        assert [one["resetsAt"] for one in left] == sorted({one["resetsAt"] for one in left})
        assert (await relay.post(EVENT, secret=OTHER_SECRET))[1]["rateLimits"]["remaining"] == 9


def alerts(gateway: FakeGateway) -> list[dict[str, Any]]:
    return [json.loads(push.payload) for push in gateway.sent]


async def test_of_a_day_cards_stop_first_and_the_phone_says_it_once(
    limited: Limit, gateway: FakeGateway
) -> None:
    """Also across a restart. The alert belongs to no session: no card ends."""
    async with limited(EVENTS_DAY="10") as relay:
        await relay.post(REGISTER)
        card = {"eventType": "progress", "serverID": "server-1"}
        said = [await relay.post(EVENT, **card) for _ in range(10)]
        assert [status for status, _ in said] == [200] * 8 + [429] * 2
        assert said[-1][1] == {
            "ok": False,
            "error": "Too many events of this secret: 10 a day",
            "code": "day_limit_reached",
            "retryAfter": 8640,
        }
        await eventually(lambda: len(gateway.sent) == 1)
        assert [(await relay.post(EVENT))[0] for _ in range(4)] == [200, 200, 429, 429]
        rung = alerts(gateway)
        assert [one["aps"]["alert"]["title"] for one in rung].count("Daily limit reached") == 1
        assert rung[0]["aps"]["alert"]["body"].startswith("OpenCode has used up its 10 events a day")
        assert (rung[0]["sessionID"], rung[0]["serverID"]) == ("relay", "server-1")
        assert await relay.hits() == {"events_day": 4}
    async with limited(EVENTS_DAY="10") as relay:
        sent = len(gateway.sent)
        assert await relay.statuses(EVENT, 9, eventType="progress") == [200] * 8 + [429]
        await asyncio.sleep(0)
        assert (await relay.post(EVENT))[0] == 200
        await eventually(lambda: len(gateway.sent) > sent)
        assert [one["aps"]["alert"]["title"] for one in alerts(gateway)].count("Daily limit reached") == 1


async def test_a_body_that_is_wrong_costs_no_secret_anything(limited: Limit) -> None:
    """Its route says what is wrong with it."""
    async with limited(EVENTS_MINUTE="1") as relay:
        for body in (b"", b"{", b"[]", b'{"secret": 7}', json.dumps({"secret": SECRET}).encode()[:-1]):
            status, said, _ = await relay.ask("POST", EVENT, body)
            assert (status, json.loads(said)["code"]) == (400, "invalid_body")
        assert await relay.statuses(EVENT, 2) == [200, 429]


async def test_the_log_says_who_and_of_each_limit_one_line_a_minute(
    limited: Limit, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(EVENTS_MINUTE="1") as relay:
        await relay.statuses(EVENT, 20)
        (said,) = [one.getMessage() for one in caplog.records if one.getMessage().startswith("limit hit")]
    assert re.fullmatch(r"limit hit limit=events_minute address=192\.0\.2\.1 secretHash=[0-9a-f]{12}…", said)
    assert SECRET not in caplog.text
