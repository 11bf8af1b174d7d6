"""What the database refuses costs only the one event that brought it, and tables hold every text whatever the server's default is."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tortoise.connection import get_connection

import outcomes
from fake_gateway import FakeGateway
from mariadb import MariaDB
from outcomes import ALERT, answered
from relay import contract
from relay.clock import SystemClock
from relay.contract import DeviceRegister, Event, EventReply
from relay.server.alerts import Dispatcher
from relay.server.delivery import Delivery, DeliveryResult
from relay.server.intake import Intake
from relay.server.live_activities.sender import ActivitySender
from relay.server.routes.events import refusal
from relay.server.store import deliveries, devices
from relay.server.store.database import DatabaseError, close_database, open_database
from relay.server.store.sql import Database, Refused, Unavailable

NOW = 1_800_000_000_000
EMOJI = "Fix 👩‍👩‍👧 日本 \U0002070e"


def delivery(text: str = "{}", **changes: Any) -> Delivery:
    return outcomes.delivery(NOW, push=replace(ALERT, payload=text.encode()), **changes)


async def test_an_event_that_the_database_refuses_says_why_and_costs_no_other(db: Database) -> None:
    """One batch: the culprit gets 422, which no server sends again; the others get their alerts."""
    await refuse_culprits(db)
    gateway = FakeGateway()
    device = DeviceRegister(secret="s" * 24, device_token="ab" * 32)
    await devices.register(
        db, device, secret_hash=contract.secret_hash(device.secret), bundle_id="com.example.app", now_ms=NOW
    )
    dispatcher = Dispatcher(db, gateway, owner="host:1", push_deadline=10, keep_days=30, clock=SystemClock())
    sender = ActivitySender(db, gateway, owner="host:1", push_deadline=10, clock=SystemClock())
    intake = Intake(db, dispatcher, sender, deadline=5, now=SystemClock().now)
    events = [
        Event(
            secret=device.secret,
            event_type="complete",
            session_id=f"ses_{n}",
            title="CULPRIT" if n == 7 else EMOJI,
        )
        for n in range(20)
    ]
    replies = await asyncio.gather(*map(intake.accept, events), return_exceptions=True)
    assert [reply.sent for reply in replies if isinstance(reply, EventReply)] == [1] * 19
    fault = replies[7]
    assert isinstance(fault, Refused)
    message, status = refusal(fault)
    assert (status, message.code, message.details) == (422, "not_stored", "it breaks a rule of the table")
    assert len(gateway.sent) == 19
    await intake.close()
    await dispatcher.engine.stop(5)


async def refuse_culprits(db: Database) -> None:
    """The table takes no text with the word CULPRIT."""
    rule = (
        "ALTER TABLE delivery_log ADD CONSTRAINT no_culprit CHECK (payload NOT LIKE '%CULPRIT%')"
        if db._mysql
        else "CREATE TRIGGER no_culprit BEFORE INSERT ON delivery_log WHEN NEW.payload LIKE '%CULPRIT%' "
        "BEGIN SELECT RAISE(ABORT, 'no culprits'); END"
    )
    await get_connection("default").execute_query(rule)


@pytest.mark.parametrize(
    "culprits", [{0}, {57}, {199, 200}, {0, 1, 2, 449}, set(range(450))], ids=lambda it: str(len(it))
)
async def test_only_the_culprits_of_a_batch_are_refused(db: Database, culprits: set[int]) -> None:
    await refuse_culprits(db)
    planned = [delivery("CULPRIT" if number in culprits else "fine") for number in range(450)]
    written = await deliveries.enqueue(db, planned, owner="host:1", lease_until=NOW + 40_000)
    assert written.new == [one for number, one in enumerate(planned) if number not in culprits]
    assert set(written.refused) == {planned[number].push.apns_id for number in culprits}
    assert await deliveries.count(db) == 450 - len(culprits)
    again = await deliveries.enqueue(db, planned, owner="host:1", lease_until=NOW + 40_000)
    assert again.new == []


async def test_a_result_that_the_table_refuses_keeps_no_other_from_being_written(db: Database) -> None:
    """Its status is written all the same, or the push would be sent again and again."""
    rule = (
        "ALTER TABLE delivery_log ADD CONSTRAINT no_culprit CHECK (reason <> 'CULPRIT')"
        if db._mysql
        else "CREATE TRIGGER no_culprit BEFORE UPDATE ON delivery_log WHEN NEW.reason = 'CULPRIT' "
        "BEGIN SELECT RAISE(ABORT, 'no culprits'); END"
    )
    await get_connection("default").execute_query(rule)
    planned = [delivery() for _ in range(5)]
    await deliveries.enqueue(db, planned, owner="host:1", lease_until=NOW + 40_000)
    results = [
        DeliveryResult(
            delivery=one, outcome=answered(400, "CULPRIT" if number == 2 else "BadTopic"), status="failed",
            apns_env="production", at=NOW, due_at=0, latency_ms=1,
        )
        for number, one in enumerate(planned)
    ]  # fmt: skip
    await deliveries.save(db, results)
    _, rows = await db.execute("SELECT id, status, reason, payload FROM delivery_log")
    found = {row["id"]: (row["status"], row["reason"], row["payload"]) for row in rows}
    for number, one in enumerate(planned):
        assert found[one.push.apns_id] == ("failed", None if number == 2 else "BadTopic", None)


@pytest.mark.parametrize("culprit", ["too long", "not in the character set", "no number"])
async def test_what_a_table_refuses_is_no_outage(mariadb: MariaDB, culprit: str) -> None:
    """MariaDB, "Error codes": 1406 ER_DATA_TOO_LONG, 1366 ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, 1264 ER_WARN_DATA_OUT_OF_RANGE."""
    url = mariadb.new_database()
    try:
        db = Database(await open_database(url))
        await db.execute("CREATE TABLE narrow (id VARCHAR(3) PRIMARY KEY, n TINYINT) CHARACTER SET latin1")
        values = {"too long": ("abcd", 1), "not in the character set": ("日", 1), "no number": ("a", 1000)}[
            culprit
        ]
        with pytest.raises(Refused):
            await db.execute("INSERT INTO narrow (id, n) VALUES (?, ?)", values)
        with pytest.raises(Unavailable):
            await db.execute("INSERT INTO nowhere (id) VALUES (?)", ["a"])
    finally:
        await close_database()
        mariadb.drop_database(url)


async def test_half_of_an_emoji_is_no_outage(db: Database) -> None:
    with pytest.raises(Refused):
        await db.execute("UPDATE delivery_log SET reason = ?", ["\ud83d"])


@pytest.mark.parametrize("value", [2**70, object()], ids=["a large number", "no value"])
async def test_what_sqlite_cannot_write_is_no_outage(tmp_path: Path, value: object) -> None:
    db = Database(await open_database(f"sqlite://{tmp_path}/relay.sqlite3"))
    with pytest.raises(Refused):
        await db.execute("UPDATE delivery_log SET attempts = ?", [value])
    await close_database()


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3", "ascii"])
@pytest.mark.parametrize("tables", ["fresh", "made by an earlier relay"])
async def test_tables_hold_every_text_whatever_the_servers_default(
    mariadb: MariaDB, charset: str, tables: str
) -> None:
    """utf8mb3 has no characters beyond U+FFFF (MariaDB, "Unicode"): an emoji would be refused, or become a question mark."""
    url = mariadb.new_database()
    name = url.rpartition("/")[2]
    try:
        mariadb.execute(f"ALTER DATABASE {name} CHARACTER SET {charset}")
        if tables != "fresh":
            await open_database(url)
            await close_database()
            for table in ("delivery_log", "device_registration", "activity_registration"):
                mariadb.execute(f"ALTER TABLE {name}.{table} CONVERT TO CHARACTER SET {charset}")
        db = Database(await open_database(f"{url}?charset=latin1"))
        planned = delivery(json.dumps({"t": EMOJI}, ensure_ascii=False))
        assert (await deliveries.enqueue(db, [planned], owner="host:1", lease_until=0)).new == [planned]
        _, rows = await db.execute("SELECT payload FROM delivery_log")
        assert json.loads(rows[0]["payload"]) == {"t": EMOJI}
    finally:
        await close_database()
        mariadb.drop_database(url)


async def test_a_relay_that_may_not_convert_its_tables_says_so_and_what_to_do(mariadb: MariaDB) -> None:
    url = mariadb.new_database()
    name = url.rpartition("/")[2]
    try:
        await open_database(url)
        await close_database()
        mariadb.execute(f"ALTER TABLE {name}.delivery_log CONVERT TO CHARACTER SET utf8mb3")
        mariadb.execute(f"CREATE USER 'poor_{name}'@'%' IDENTIFIED BY ''")
        mariadb.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO 'poor_{name}'@'%'")
        poor = url.replace("root@", f"poor_{name}@")
        with pytest.raises(DatabaseError, match=r"ALTER TABLE delivery_log CONVERT TO CHARACTER SET utf8mb4"):
            await open_database(poor)
        _, rows = await Database(await open_database(url)).execute("SELECT 1")
        assert rows
    finally:
        await close_database()
        mariadb.drop_database(url)
        mariadb.execute(f"DROP USER IF EXISTS 'poor_{name}'@'%'")
