"""The relay's database, open with its tables, and the environment of a relay that runs as a process."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.loopback import free_port


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await open_database(database_url)
    yield Database(connection)
    await close_database()


@pytest.fixture
def variables(
    environment: Callable[..., dict[str, str]], certificates: Any, apns: Any, tmp_path: Path
) -> dict[str, str]:
    """The environment of a relay process that pushes to the test's APNs, both environments at one port."""
    return environment(
        PORT=str(free_port()),
        DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3",
        APNS_HOST_PRODUCTION=f"127.0.0.1:{apns.port}",
        APNS_HOST_SANDBOX=f"127.0.0.1:{apns.port}",
        APNS_CA_FILE=str(certificates.ca_file),
    )
