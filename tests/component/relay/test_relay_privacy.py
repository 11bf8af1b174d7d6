"""Texts of pushes that have ended, and who may read SQLite's files."""

import asyncio
import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

import outcomes
from activity_relay import Relay
from fake_gateway import FakeGateway
from outcomes import ALERT, answered
from relay.server.alerts import Dispatcher
from relay.server.delivery import DeliveryResult
from relay.server.store import deliveries
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.clock import VirtualClock

NOW = 1_800_000_000_000
TEXT = b"the secret of the person"


def files(path: Path) -> list[Path]:
    return [one for one in path.parent.iterdir() if one.name.startswith(path.name)]


def readable(path: Path) -> list[str]:
    """The files in which the text can be found."""
    return [one.name for one in files(path) if TEXT in one.read_bytes()]


async def sent(db: Database, count: int) -> None:
    """So many alerts with the text are written down, and their results, which keep none."""
    payload = b'{"t":"' + TEXT * 20 + b'"}'
    planned = [outcomes.delivery(NOW, push=replace(ALERT, payload=payload)) for _ in range(count)]
    await deliveries.enqueue(db, planned, owner="host:1", lease_until=NOW)
    results = [
        DeliveryResult(
            delivery=one,
            outcome=answered(200),
            status="sent",
            apns_env="production",
            at=NOW,
            due_at=0,
            latency_ms=1,
        )
        for one in planned
    ]
    await deliveries.save(db, results)


@pytest.mark.parametrize("when", ["swept", "closed", "started again"])
async def test_texts_of_pushes_that_have_ended_are_in_no_file(tmp_path: Path, when: str) -> None:
    """SQLite, "PRAGMA secure_delete" and "PRAGMA wal_checkpoint": deleted content else stays in free pages and in the log."""
    path = tmp_path / "relay.sqlite3"
    db = Database(await open_database(f"sqlite://{path}"))
    await sent(db, 50)
    assert readable(path), "the test looks in the wrong place"
    if when == "swept":
        dispatcher = Dispatcher(
            db, FakeGateway(), owner="host:1", push_deadline=10, keep_days=30, clock=VirtualClock()
        )
        await dispatcher.sweep()
        assert not readable(path)
    await close_database()
    if when == "started again":
        await open_database(f"sqlite://{path}")
        await close_database()
    assert not readable(path)


async def test_what_still_waits_is_kept_and_what_is_deleted_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    db = Database(await open_database(f"sqlite://{path}"))
    waiting = outcomes.delivery(NOW, push=replace(ALERT, payload=b'{"t":"it waits"}'))
    await deliveries.enqueue(db, [waiting], owner="host:1", lease_until=NOW)
    await sent(db, 3)
    await deliveries.forget(db, before_ms=NOW + 1, limit=1000)
    await close_database()
    assert not readable(path)
    assert b"it waits" in path.read_bytes()


async def test_texts_of_cards_that_are_over_are_in_no_file(tmp_path: Path) -> None:
    """Nor is what an event for them said: ten minutes after their end, when no card that comes late is told of it any more."""
    path, clock, text = tmp_path / "relay.sqlite3", VirtualClock(), TEXT.decode()
    db = Database(await open_database(f"sqlite://{path}"))
    relay = Relay(db, FakeGateway(), clock, "host:1")
    await relay.add_phone()
    await relay.receive("start", title=text, body=text)
    await relay.push()
    await relay.register()
    await relay.receive("permission", title=text, body=text)
    await relay.run(2)
    await relay.receive("complete", title=text, body=text)
    await relay.run(20)
    assert relay.pushed[-1][:2] == ("end", "complete")
    assert readable(path), "the test looks in the wrong place"
    await clock.advance(700)
    await relay.sender.sweep()
    await relay.sender.engine.stop(5)
    await db.truncate_log()
    assert not readable(path)
    assert (await relay.row()).stage == "ended"
    await close_database()


async def test_somebody_who_reads_in_a_transaction_does_not_hold_up_the_relay(tmp_path: Path) -> None:
    """A backup, or a shell that somebody left open: SQLite would wait for it as long as for a lock, and all statements behind it."""
    path = tmp_path / "relay.sqlite3"
    db = Database(await open_database(f"sqlite://{path}?busy_timeout=60000"))
    await sent(db, 1)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM delivery_log").fetchall()
    await sent(db, 3)
    await asyncio.wait_for(db.truncate_log(), 7)  # 60 s, and Unavailable after 8, if it waited
    _, (timeout,) = await db.execute("PRAGMA busy_timeout")
    assert timeout["timeout"] == 60_000
    assert readable(path)
    reader.close()
    await db.truncate_log()
    assert not readable(path)
    await close_database()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
async def test_only_the_owner_may_read_a_fresh_database(tmp_path: Path, umask: int) -> None:
    path, before = tmp_path / "relay.sqlite3", os.umask(umask)
    try:
        db = Database(await open_database(f"sqlite://{path}"))
        await sent(db, 1)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in files(path)}
        assert modes == dict.fromkeys(("relay.sqlite3", "relay.sqlite3-wal", "relay.sqlite3-shm"), 0o600)
        await close_database()
    finally:
        os.umask(before)


async def test_a_database_of_an_earlier_relay_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    old = sqlite3.connect(path)
    old.execute("PRAGMA journal_mode=WAL")
    old.execute("CREATE TABLE other (id)")
    old.commit()
    for one in files(path):
        one.chmod(0o644)
    await open_database(f"sqlite://{path}")
    assert {stat.S_IMODE(one.stat().st_mode) for one in files(path)} == {0o600}
    await close_database()
    old.close()


async def test_a_file_of_another_owner_is_used_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "relay.sqlite3"
    path.touch(0o644)
    path.chmod(0o644)

    def refused(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    await open_database(f"sqlite://{path}")
    await close_database()
    assert f"database file is open to others file={path}" in caplog.text
