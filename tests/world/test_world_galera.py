"""Two relays on two of a Galera cluster's three nodes: what holds on one database holds on a cluster, whatever happens to it.

OUTAGE_ROUNDS says how many outages there are (default 4: a relay killed, a node frozen, killed, split off; `make galera`: 50 of
seven kinds), OUTAGE_SEED which ones, and OUTAGE_ROUND that this one is played alone.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from itertools import count
from urllib.parse import urlsplit

import pymysql
import pytest
from tortoise.backends.mysql.client import MySQLClient

from activity_values import NOW, SECRET, SESSION, activity
from galera import Galera
from mariadb import MissingError
from outcomes import delivery
from relay.contract import DeviceRegister
from relay.server.delivery import Delivery
from relay.server.live_activities.activity import Activity, Changes
from relay.server.store import activities, deliveries, devices
from relay.server.store.database import SYNC_WAIT, close_database, open_database
from relay.server.store.sql import Database
from waiting import eventually
from world.outages import Store, rounds

ROUNDS = int(os.environ.get("OUTAGE_ROUNDS", "4"))
SEED = int(os.environ.get("OUTAGE_SEED", "20261130"))
ONLY = os.environ.get("OUTAGE_ROUND")

pytestmark = pytest.mark.mariadb


@pytest.fixture(scope="module")
def cluster() -> Iterator[Galera]:
    """Three nodes, of which any may die."""
    try:
        galera = Galera()
    except MissingError as error:
        pytest.skip(str(error))
    with galera:
        yield galera


async def test_whatever_happens_to_a_node_nothing_acknowledged_is_lost_or_rings_twice(
    cluster: Galera,
) -> None:
    await rounds(Store(cluster.nodes, cluster), SEED, [int(ONLY)] if ONLY else range(ROUNDS))


# What the relay's protocols stand on: two nodes that are asked for the same rows at the same moment.

LEASE_MS = 40_000
CONFLICTS, MOST_TRIES = 3, 300


@pytest.fixture
async def nodes(cluster: Galera) -> AsyncIterator[list[Database]]:
    """A database with its tables, at two nodes."""
    urls = cluster.new_database()[:2]
    await open_database(urls[0])
    await close_database()
    async with AsyncExitStack() as stack:
        opened = []
        for url in map(urlsplit, urls):
            client = MySQLClient(
                user="root", password="", host="127.0.0.1", port=url.port or 0, database=url.path[1:], charset="utf8mb4",
                connection_name="node", maxsize=5,
            )  # fmt: skip
            await client.create_connection(with_db=True)
            stack.push_async_callback(client.close)
            opened.append(Database(client))
        yield opened


@pytest.fixture
def conflicts(cluster: Galera) -> Callable[[], int]:
    """How many statements the nodes undid, since the test began, because another node was first."""

    def counted() -> int:
        names = "'wsrep_local_cert_failures', 'wsrep_local_bf_aborts'"
        found = [
            node.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})") for node in cluster.nodes
        ]
        return sum(int(str(value)) for rows in found for _, value in rows)

    before = counted()
    return lambda: counted() - before


async def until_they_met(conflicts: Callable[[], int]) -> AsyncIterator[int]:
    """Numbers of tries, until enough statements were undone: before, the test has seen nothing."""
    for number in range(MOST_TRIES):
        yield number
        if conflicts() >= CONFLICTS:
            return
    pytest.fail(f"{MOST_TRIES} tries, and the nodes met only {conflicts()} times")


async def phone(db: Database, token: str = "ab" * 32) -> str:
    """Registers a phone; returns its id."""
    device = DeviceRegister(secret="s" * 16, device_token=token)
    await devices.register(db, device, secret_hash=SECRET, bundle_id="com.example.app", now_ms=NOW)
    found = await devices.find(db, secret_hash=SECRET, device_token=token)
    assert found
    return found.device_id


async def test_what_two_nodes_claim_at_once_only_one_of_them_gets(
    nodes: list[Database], conflicts: Callable[[], int]
) -> None:
    device_id = await phone(nodes[0])
    planned = [delivery(NOW, device_id=device_id, secret_hash=SECRET) for _ in range(40)]
    await deliveries.enqueue(nodes[0], planned, owner="before:1", lease_until=NOW)
    async for number in until_they_met(conflicts):
        now_ms = NOW + (number + 1) * 2 * LEASE_MS  # the last claims' leases have run out
        claimed = await asyncio.gather(
            *(
                deliveries.claim_due(
                    db, owner=f"relay:{at}", now_ms=now_ms, lease_until=now_ms + LEASE_MS, limit=40
                )
                for at, db in enumerate(nodes)
            )
        )
        ids = [one.push.apns_id for each in claimed for one in each.deliveries]
        assert sorted(ids) == sorted(one.push.apns_id for one in planned)


async def test_of_an_event_that_reaches_two_nodes_at_once_each_push_is_made_by_one(
    nodes: list[Database], conflicts: Callable[[], int]
) -> None:
    device_id = await phone(nodes[0])

    async def enqueue(db: Database, planned: Sequence[Delivery]) -> list[Delivery]:
        return (await deliveries.enqueue(db, planned, owner="relay:1", lease_until=NOW + LEASE_MS)).new

    async for _ in until_they_met(conflicts):
        planned = [delivery(NOW, device_id=device_id, secret_hash=SECRET) for _ in range(20)]
        made = await asyncio.gather(enqueue(nodes[0], planned), enqueue(nodes[1], planned[::-1]))
        ids = [one.push.apns_id for each in made for one in each]
        assert sorted(ids) == sorted(one.push.apns_id for one in planned)


async def test_decisions_on_one_activity_at_two_nodes_are_all_made_and_its_fence_is_taken_once(
    nodes: list[Database], conflicts: Callable[[], int]
) -> None:
    numbers, events = count(1), count(1)

    def another(known: Sequence[Activity], *, now_ms: int) -> Changes:
        if not known:
            return Changes(new=[activity(attempts=1)])
        event_id = f"evt_{next(events)}"  # no two write the same
        return Changes(changed=[replace(known[0], attempts=known[0].attempts + 1, event_id=event_id)])

    async for _ in until_they_met(conflicts):
        await asyncio.gather(
            *(
                activities.decide(db, (SECRET, SESSION), another, now=lambda: NOW / 1000)
                for db in nodes
                for _ in range(3)
            )
        )
        (found,) = await activities.of_session(nodes[0], SECRET, SESSION)
        assert found.attempts == 6 * next(numbers)


async def test_a_node_that_lags_sees_what_another_wrote_a_moment_ago(
    cluster: Galera, nodes: list[Database]
) -> None:
    (writer, reader), behind = nodes, cluster.nodes[1]
    _, found = await reader.execute("SELECT DATABASE() AS name")
    name = found[0]["name"]
    with closing(connect(behind.port, name)) as holds, closing(connect(behind.port, name)) as careless:
        ask(careless, "SET SESSION wsrep_sync_wait = 0")
        ask(holds, "FLUSH TABLES WITH READ LOCK")  # nothing of the others is applied
        device_id = await phone(writer)
        reading = asyncio.create_task(devices.recipients(reader, SECRET))
        asked = "FROM information_schema.processlist WHERE info LIKE '%device_registration%' AND id <> CONNECTION_ID()"
        await eventually(lambda: reading.done() or ask(careless, f"SELECT id {asked}"))
        assert not reading.done()
        assert ask(careless, "SELECT id FROM device_registration") == ()
        ask(holds, "UNLOCK TABLES")
        assert [one.device_id for one in await reading] == [device_id]


def connect(port: int, database: str) -> pymysql.Connection:
    return pymysql.connect(host="127.0.0.1", port=port, user="root", database=database, autocommit=True)


def ask(connection: pymysql.Connection, sql: str) -> Sequence[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


async def test_a_relay_warns_of_a_node_that_does_not_wait_for_what_others_wrote(
    cluster: Galera, caplog: pytest.LogCaptureFixture
) -> None:
    (url, *_), node = cluster.new_database(), cluster.nodes[0]
    node.execute("SET GLOBAL wsrep_sync_wait = 0")
    try:
        await open_database(url)
        await close_database()
    finally:
        node.execute(f"SET GLOBAL wsrep_sync_wait = {cluster.sync_wait}")
    assert "wsrep_sync_wait=0" in caplog.text
    assert f"set wsrep_sync_wait={SYNC_WAIT} in the configuration of every node" in caplog.text
    caplog.clear()
    await open_database(url)
    await close_database()
    assert "wsrep" not in caplog.text
