"""Opening the database: migrations, two processes at once, what the URL says, a file that is damaged."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from tortoise import Tortoise
from tortoise.exceptions import OperationalError
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor

from relay.contract import DeviceRegister
from relay.server.store import database, deliveries, devices
from relay.server.store.database import (
    MIGRATE_TRIES,
    DatabaseError,
    close_database,
    migrate,
    open_database,
    orm_config,
)
from relay.server.store.sql import Database, Unavailable

PHONE = DeviceRegister(secret="s" * 16, device_token="ab" * 32)


async def test_the_second_time_there_is_nothing_to_do(database_url: str, db: Database) -> None:
    await devices.register(db, PHONE, secret_hash="a" * 64, bundle_id="com.example.app", now_ms=1)
    assert await migrate() == []
    await close_database()
    again = Database(await open_database(database_url))
    assert await devices.count(again) == 1


async def test_two_processes_may_open_a_fresh_database_at_once(database_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from relay.server.store.database import close_database, open_database\n"
        "async def main():\n"
        "    await open_database(sys.argv[1])\n"
        "    await close_database()\n"
        "asyncio.run(main())\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, database_url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [(await process.communicate())[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    db = Database(await open_database(database_url))
    assert await devices.count(db) == await deliveries.count(db) == 0
    await close_database()


@pytest.mark.parametrize("failures", [MIGRATE_TRIES - 1, MIGRATE_TRIES])
async def test_it_tries_again_while_another_process_makes_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    really, left = MigrationExecutor.migrate, iter([True] * failures)

    async def migrate_after_some_failures(self: MigrationExecutor, **options: Any) -> None:
        if next(left, False):
            raise OperationalError("table exists")
        await really(self, **options)

    monkeypatch.setattr(MigrationExecutor, "migrate", migrate_after_some_failures)
    monkeypatch.setattr(database, "MIGRATE_PAUSE", 0)
    url = f"sqlite://{tmp_path}/relay.sqlite3"
    if failures == MIGRATE_TRIES:
        with pytest.raises(DatabaseError, match=r"cannot use the database sqlite://.*: table exists"):
            await open_database(url)
        return
    assert await devices.count(Database(await open_database(url))) == 0
    await close_database()


async def test_the_migrations_make_what_the_models_say(db: Database) -> None:
    assert Tortoise.apps is not None
    detector = MigrationAutodetector(Tortoise.apps, orm_config("")["apps"])
    assert await detector.changes() == []


async def test_asyncmy_would_replace_aiomysql(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tortoise takes it wherever it is installed."""
    monkeypatch.setattr(database, "find_spec", lambda name: object() if name == "asyncmy" else None)
    with pytest.raises(DatabaseError, match="asyncmy"):
        await open_database("mysql://root@127.0.0.1:1/relay")
    await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    await close_database()


async def test_what_is_in_the_url_wins_over_the_defaults(tmp_path: Path) -> None:
    db = Database(await open_database(f"sqlite://{tmp_path}/relay.sqlite3?busy_timeout=123"))
    for name, value in (("busy_timeout", 123), ("synchronous", 1), ("journal_mode", "wal")):
        _, found = await db.execute(f"PRAGMA {name}")
        assert tuple(found[0]) == (value,)
    await close_database()


async def test_a_file_that_is_damaged_on_the_way_is_lost(tmp_path: Path) -> None:
    db = Database(await open_database(f"sqlite://{tmp_path}/relay.sqlite3"))
    try:
        await db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await db.execute("PRAGMA shrink_memory")  # else its pages are remembered
        file = tmp_path / "relay.sqlite3"
        with file.open("r+b") as opened:
            opened.seek(100)
            opened.write(b"\xff" * (file.stat().st_size - 100))
        with pytest.raises(Unavailable, match="malformed"):
            await db.execute("SELECT COUNT(*) FROM delivery_log")
        assert db.lost.is_set()
        assert "Restore it" in db.why_lost
    finally:
        await close_database()
