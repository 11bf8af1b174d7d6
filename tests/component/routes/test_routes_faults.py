"""Routes of a relay that is broken, or whose database is away."""

from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from tortoise.connection import get_connection

from component.routes.calls import GOOD, Start, post, post_event, register
from fake_gateway import FakeGateway
from mariadb import MariaDB
from relay.server.store import activities, deliveries, devices, requests, secrets
from relay.server.store.database import DatabaseError
from relay.server.store.sql import Unavailable


async def test_a_defect_shows_nothing_of_the_inside(
    app: Quart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("/etc/inside")

    for name in ("count_up_to", "register", "unregister", "recipients"):
        monkeypatch.setattr(devices, name, broken)
    for name in ("phones", "forget"):
        monkeypatch.setattr(secrets, name, broken)
    for name in ("find", "unacknowledged", "acknowledge"):
        monkeypatch.setattr(requests, name, broken)
    monkeypatch.setattr(deliveries, "recipients_at_once", broken)
    monkeypatch.setattr(activities, "of_session", broken)
    answers = [await post(app, path, **body) for path, body in GOOD.items()]
    response = await app.test_client().get("/health")
    answers.append((response.status_code, await response.get_json()))
    refusal = {"ok": False, "error": "Internal error", "code": "internal_error"}
    assert answers == [(500, refusal)] * (len(GOOD) + 1)
    assert "/etc/inside" in caplog.text


async def test_without_its_tables_it_is_unavailable(app: Quart) -> None:
    for name in ("device_registration", "activity_registration", "delivery_log", "pending_request"):
        await get_connection("default").execute_query(f"DROP TABLE {name}")
    answers = [await post(app, path, **body) for path, body in GOOD.items()]
    response = await app.test_client().get("/health")
    answers.append((response.status_code, await response.get_json()))
    assert [status for status, _ in answers] == [503] * (len(GOOD) + 1)
    assert {said["code"] for _, said in answers} == {"database_unavailable"}
    assert "device_registration" not in str(answers)


async def test_a_database_that_goes_while_the_relay_starts(
    start: Start, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(deliveries, "release_leases", gone)
    with pytest.raises(DatabaseError, match="went away: gone"):
        async with start(f"sqlite://{tmp_path}/relay.sqlite3"):
            pass
    assert gateway.closed


@pytest.mark.mariadb
async def test_the_database_goes_and_comes_back(start: Start, mariadb: MariaDB, gateway: FakeGateway) -> None:
    url = mariadb.new_database()
    async with start(url) as app:
        await register(app)
        mariadb.stop()
        try:
            for path, body in GOOD.items():
                assert (await post(app, path, **body))[0] == 503
        finally:
            mariadb.start()
        assert (await post_event(app))["sent"] == 1
        assert len(gateway.sent) == 1
    mariadb.drop_database(url)
