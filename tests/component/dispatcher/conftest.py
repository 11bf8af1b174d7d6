"""A dispatcher between a database and a fake gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.dispatcher.dispatching import DEADLINE, Clock, Make, NoJitter, Watch, register
from fake_gateway import FakeGateway
from relay.apns.gateway import Environments
from relay.server import engine
from relay.server.alerts import LIMITS, Dispatcher
from relay.server.engine import Limits
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It polls often; when something is due says the test's clock."""
    monkeypatch.setattr(engine, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(engine, "DATABASE_PAUSE", 0.005)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    connection = await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    yield Database(connection)
    await close_database()


@pytest.fixture
async def make(gateway: FakeGateway, clock: Clock) -> AsyncIterator[Make]:
    """Dispatchers that are stopped at the end."""
    made: list[Dispatcher] = []

    def build(
        db: Database, owner: str = "host:1", way: FakeGateway | None = None, limits: Limits = LIMITS
    ) -> Dispatcher:
        dispatcher = Dispatcher(
            db, Environments(way or gateway), owner=owner, push_deadline=DEADLINE, keep_days=30, clock=Watch(clock),
            jitter=NoJitter(), limits=limits,  # type: ignore[arg-type]
        )  # fmt: skip
        made.append(dispatcher)
        return dispatcher

    yield build
    gateway.gate.set()
    for dispatcher in made:
        await dispatcher.engine.stop(5)


@pytest.fixture
async def dispatcher(db: Database, make: Make) -> Dispatcher:
    """Started, with one phone in the database."""
    await register(db)
    started = make(db)
    await started.engine.start()
    return started
