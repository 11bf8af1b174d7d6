"""Outages at random moments under load, on SQLite and on MariaDB: nothing that was acknowledged is lost or rings twice.

OUTAGE_ROUNDS says how many rounds are played on each database (default 5: every outage once), OUTAGE_SEED which ones, and
OUTAGE_ROUND that this one is played alone.
"""

import os
import sys
from collections.abc import Iterator
from random import Random

import pytest

from mariadb import MariaDB, MissingError
from world.outages import OUTAGES, outages, play

ROUNDS = int(os.environ.get("OUTAGE_ROUNDS", "5"))
SEED = int(os.environ.get("OUTAGE_SEED", "20261130"))
ONLY = os.environ.get("OUTAGE_ROUND")


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
    server: MariaDB | None = request.getfixturevalue("own_mariadb") if database == "mariadb" else None
    failed: list[str] = []
    events = longest = 0.0
    async with outages(server) as one:
        for number in [int(ONLY)] if ONLY else range(ROUNDS):
            name = list(OUTAGES)[number % len(OUTAGES)]
            try:
                reported = await play(one, name, Random(f"{SEED} {number}"), number)
            except AssertionError as error:
                failed.append(f"OUTAGE_SEED={SEED} OUTAGE_ROUND={number}: {name}\n  {error}")
                continue
            events, longest = events + len(reported.acknowledged), max(longest, reported.longest)
            print(
                f"{database} {number} {name}: {len(reported.acknowledged)} events, {dict(reported.answers)}",
                file=sys.stderr,
                flush=True,
            )
    print(f"{database}: {events:g} events, longest request {longest:.2f} s", file=sys.stderr)
    assert not failed, "\n".join(failed)
