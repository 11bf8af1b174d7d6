"""A relay's Live Activities between each database and a fake gateway, on a virtual clock."""

from collections.abc import AsyncIterator, Callable

import pytest

from activity_relay import Relay
from fake_gateway import FakeGateway
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await open_database(database_url)
    yield Database(connection)
    await close_database()


Make = Callable[..., Relay]


@pytest.fixture
async def make(db: Database, gateway: FakeGateway, clock: VirtualClock) -> AsyncIterator[Make]:
    made: list[Relay] = []

    def build(owner: str = "host:1") -> Relay:
        made.append(Relay(db, gateway, clock, owner))
        return made[-1]

    yield build
    gateway.gate.set()
    for relay in made:
        await relay.sender.engine.stop(5)


@pytest.fixture
async def relay(make: Make) -> Relay:
    """One relay with one phone that can be started by push."""
    relay = make()
    await relay.add_phone()
    return relay
