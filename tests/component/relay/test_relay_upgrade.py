"""A database made by the relay 0.1.0, as first published: today's relay opens it, keeps what is in it, and goes on."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tortoise.connection import get_connection

from fake_gateway import FakeGateway
from relay.server import settings
from relay.server.app import running_app
from relay.server.store.database import close_database, open_database
from relay.server.store.shards import shard_of
from simulator.clock import VirtualClock
from waiting import eventually

OLD = Path(__file__).parent / "data" / "relay-0.1.0.db"
"""Two phones of one secret, three deliveries (one of them queued and leased to a relay that died), two Live Activities."""
MADE_AT = 1_800_000_000
"""UNIX seconds."""


@pytest.fixture
async def gateway(environment: Callable[..., dict[str, str]], tmp_path: Path) -> AsyncIterator[FakeGateway]:
    """What a relay that was started on a copy of it sends, a minute and a half later."""
    shutil.copy(OLD, tmp_path / "relay.sqlite3")
    configured = settings.load(environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3"))
    sent = FakeGateway()
    async with running_app(configured, clock=VirtualClock(MADE_AT + 90), gateway=sent):
        yield sent


async def rows(query: str) -> list[tuple[Any, ...]]:
    _, found = await get_connection("default").execute_query(query)
    return [tuple(dict(row).values()) for row in found]


async def test_an_old_database_is_opened_and_its_work_goes_on(gateway: FakeGateway) -> None:
    assert await rows(
        "SELECT device_token, apns_env, activity_format FROM device_registration ORDER BY device_token"
    ) == [("ab" * 32, "production", "flat"), ("ef" * 32, "sandbox", None)]

    async def all_sent() -> bool:
        return await rows("SELECT count(*) FROM delivery_log WHERE status <> 'sent'") == [(0,)]

    await eventually(lambda: len(gateway.sent) == 2)
    await eventually(all_sent)
    alert, card = sorted(gateway.sent, key=lambda push: push.push_type)
    assert (alert.push_type, alert.device_token) == ("alert", "ab" * 32)
    assert b'"Fix the tests"' in alert.payload
    assert (card.push_type, card.device_token) == ("liveactivity", "12" * 40)
    assert b'"Reading files"' in card.payload
    assert await rows("SELECT session_id, stage FROM activity_registration ORDER BY session_id") == [
        ("ses_1", "ended"),
        ("ses_2", "active"),
    ]
    assert await rows(
        "SELECT status_at, dead_tokens FROM activity_registration WHERE session_id = 'ses_2'"
    ) == [(0, "[]")]


async def test_what_waits_in_an_old_database_gets_the_shard_of_its_secret(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / "relay.sqlite3")
    await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    every = "SELECT DISTINCT secret_hash, shard FROM"
    waiting = await rows(f"{every} delivery_log WHERE status = 'queued'")
    cards = await rows(f"{every} activity_registration")
    assert len(waiting) == len(cards) == 1
    assert [shard_of(secret_hash) for secret_hash, _ in waiting + cards] == [
        shard for _, shard in waiting + cards
    ]
    assert await rows("SELECT DISTINCT shard FROM delivery_log WHERE status <> 'queued'") == [(None,)]
    await close_database()


NEWER = ("0003_tokens", "0004_refused_secrets", "0005_sight", "0006_known_secrets", "0007_pairing_keys", "0008_shards", "0009_pending_requests")  # fmt: skip


@pytest.mark.parametrize("name", NEWER)
async def test_a_migration_that_a_killed_relay_left_half_done_is_completed(
    database_url: str, name: str
) -> None:
    """MySQL commits each change of a table by itself, so the columns may be there and the migration not recorded."""
    await open_database(database_url)
    await get_connection("default").execute_query(f"DELETE FROM tortoise_migrations WHERE name >= '{name}'")
    await close_database()
    await open_database(database_url)
    assert await rows(f"SELECT count(*) FROM tortoise_migrations WHERE name = '{name}'") == [(1,)]
    await close_database()
