"""Outages at random moments under load, on SQLite, and with two relays on MariaDB: nothing that was acknowledged is lost or rings twice.

OUTAGE_ROUNDS says how many rounds are played on each database (default 5: every outage once), OUTAGE_SEED which ones, and
OUTAGE_ROUND that this one is played alone.
"""

import os
from collections.abc import Iterator

import pytest

from mariadb import MariaDB, MissingError
from world.outages import Store, rounds

ROUNDS = int(os.environ.get("OUTAGE_ROUNDS", "5"))
SEED = int(os.environ.get("OUTAGE_SEED", "20261130"))
ONLY = os.environ.get("OUTAGE_ROUND")
NUMBERS = [int(ONLY)] if ONLY else range(ROUNDS)


@pytest.fixture
def own_mariadb() -> Iterator[MariaDB]:
    """A server that may die: nobody else uses it."""
    try:
        server = MariaDB()
    except MissingError as error:
        pytest.skip(str(error))
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
async def test_an_outage_at_any_moment_loses_nothing_acknowledged_and_rings_nothing_twice(
    database: str, request: pytest.FixtureRequest
) -> None:
    servers = [request.getfixturevalue("own_mariadb")] if database == "mariadb" else []
    await rounds(Store(servers), SEED, NUMBERS)
