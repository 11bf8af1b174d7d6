"""/metrics is closed: without the admin token every route, method and header gets what an unknown path gets."""

import asyncio
from itertools import product
from pathlib import Path

import pytest
from quart import Quart

from component.routes.calls import GOOD, Start
from relay.openapi import DOCUMENT_PATH
from relay.server.routes import metrics
from relay.server.routes.table import ROUTES
from relay.server.store import deliveries
from waiting import eventually

ADMIN = "an-admin-token-of-the-tests-of-metrics"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
STRANGERS: list[dict[str, str]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {ADMIN[:-1]}"},
    {"Authorization": f"Bearer {ADMIN}x"},
    {"Authorization": f"Bearer {ADMIN.upper()}"},
    {"Authorization": f"Basic {ADMIN}"},
    {"Authorization": ADMIN},
    {"Authorization": "Bearer \u00fc\u00ff"},
    {"Authorization": f"Bearer {ADMIN}, Bearer {ADMIN}"},
    {"Cookie": f"token={ADMIN}"},
    {"X-Forwarded-For": "127.0.0.1"},
]
PATHS = (
    "/metrics",
    "/metrics/",
    "//metrics",
    "/Metrics",
    "/metrics?token=" + ADMIN,
    "/x/../metrics",
    "/%6detrics",
)


async def asked(
    app: Quart, method: str, path: str, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    response = await app.test_client().open(path, method=method, headers=headers)
    named = {name.lower(): value for name, value in response.headers.items()}
    return response.status_code, named, await response.get_data()


@pytest.mark.parametrize("configured", [{}, {"RELAY_ADMIN_TOKEN": ADMIN}])
async def test_closed_it_is_as_if_it_were_not_there(
    start: Start, tmp_path: Path, configured: dict[str, str]
) -> None:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", **configured) as app:
        for method in METHODS:
            unknown = await asked(app, method, "/no-such-path", {})
            assert unknown[0] == 404
            for path, headers in product(PATHS, STRANGERS):
                assert await asked(app, method, path, headers) == unknown, (method, path, headers)
        if not configured:
            bearer = {"Authorization": f"Bearer {ADMIN}"}
            assert (await asked(app, "GET", "/metrics", bearer))[0] == 404
            assert (await asked(app, "GET", "/metrics", {"Authorization": "Bearer None"}))[0] == 404


async def test_no_route_shows_any_of_it(start: Start, tmp_path: Path) -> None:
    """Not the replies, not the headers, not the document: for each route and method, with and without a body."""
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=ADMIN) as app:
        routes = {rule.rule for rule in app.url_map.iter_rules()}
        assert routes == {route.path for route in ROUTES} | {DOCUMENT_PATH}
        for path, method in product(sorted(routes), METHODS):
            client = app.test_client()
            if method in ("POST", "PUT", "PATCH"):
                response = await client.open(path, method=method, json=GOOD.get(path, {}))
            else:
                response = await client.open(path, method=method)
            said = await response.get_data() + str(response.headers).encode()
            assert b"relay_" not in said
            assert b"metrics" not in said
            assert ADMIN.encode() not in said


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_opens_it(start: Start, tmp_path: Path, scheme: str) -> None:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=ADMIN) as app:
        status, headers, text = await asked(app, "GET", "/metrics", {"Authorization": f"{scheme} {ADMIN}"})
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"relay_build_info{" in text
    assert headers["cache-control"] == "no-store"


async def test_a_database_that_hangs_does_not_hold_a_reader(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database knows is left out, and the next reader asks it again."""
    monkeypatch.setattr(metrics, "GAUGES_SECONDS", 0.05)
    real = deliveries.waiting

    async def hanging(*_: object, **__: object) -> tuple[int, int | None]:
        await asyncio.Event().wait()
        raise AssertionError

    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=ADMIN) as app:
        bearer = {"Authorization": f"Bearer {ADMIN}"}
        monkeypatch.setattr(deliveries, "waiting", hanging)
        status, _, text = await asked(app, "GET", "/metrics", bearer)
        assert (status, b"relay_events_total" in text, b"relay_phones" in text) == (200, True, False)
        monkeypatch.setattr(deliveries, "waiting", real)

        async def whole() -> bool:  # a busy machine may take longer than the deadline
            return b"relay_phones" in (await asked(app, "GET", "/metrics", bearer))[2]

        await eventually(whole)


async def test_with_the_token_it_is_still_only_read(start: Start, tmp_path: Path) -> None:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=ADMIN) as app:
        for method in set(METHODS) - {"GET", "HEAD"}:
            assert (await asked(app, method, "/metrics", {"Authorization": f"Bearer {ADMIN}"}))[0] == 404


async def test_the_port_of_its_own_has_nothing_else(start: Start, tmp_path: Path) -> None:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3") as app:
        own = app.metrics_app  # type: ignore[attr-defined]
        assert (await asked(own, "GET", "/metrics", {}))[0] == 200
        for route in ROUTES:
            assert (await asked(own, route.method, route.path, {}))[0] == 404
        assert (await asked(own, "GET", DOCUMENT_PATH, {}))[0] == 404
