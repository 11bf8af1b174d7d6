"""Opening a database: what is refused, what is tried again."""

from pathlib import Path

import pytest
from tortoise.exceptions import OperationalError
from tortoise.migrations.executor import MigrationExecutor

from relay.server.store import database
from relay.server.store.database import DatabaseError, close_database, open_database


async def test_asyncmy_would_replace_aiomysql(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tortoise takes it wherever it is installed."""
    monkeypatch.setattr(database, "find_spec", lambda name: object() if name == "asyncmy" else None)
    with pytest.raises(DatabaseError, match="asyncmy"):
        await open_database("mysql://root@127.0.0.1:1/relay")
    await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    await close_database()


async def test_a_migration_that_fails_is_tried_three_times(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tries = 0

    async def fail(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise OperationalError("table delivery_log already exists")

    monkeypatch.setattr(database, "MIGRATE_PAUSE", 0.0)
    monkeypatch.setattr(MigrationExecutor, "migrate", fail)
    with pytest.raises(
        DatabaseError, match=r"cannot use the database sqlite://.*: table delivery_log already exists"
    ):
        await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    assert tries == 3


async def test_what_is_in_the_url_wins_over_the_defaults(tmp_path: Path) -> None:
    connection = await open_database(f"sqlite://{tmp_path}/relay.sqlite3?busy_timeout=123")
    _, rows = await connection.execute_query("PRAGMA busy_timeout")
    assert tuple(rows[0]) == (123,)
    _, rows = await connection.execute_query("PRAGMA synchronous")
    assert tuple(rows[0]) == (1,)
    _, rows = await connection.execute_query("PRAGMA journal_mode")
    assert tuple(rows[0]) == ("wal",)
    await close_database()
