"""The relay's database, open with its tables."""

from collections.abc import AsyncIterator

import pytest

from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await open_database(database_url)
    yield Database(connection)
    await close_database()
