"""The whole app with a fake gateway."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from quart import Quart

from component.routes.calls import Start
from fake_gateway import FakeGateway
from relay.server import settings
from relay.server.app import running_app


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def start(environment: Callable[..., dict[str, str]], gateway: FakeGateway) -> Start:
    def build(database_url: str, **variables: str) -> AbstractAsyncContextManager[Quart]:
        return running_app(
            settings.load(environment(DATABASE_URL=database_url, **variables)), gateway=gateway
        )

    return build


@pytest.fixture
async def app(start: Start, tmp_path: Path) -> AsyncIterator[Quart]:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_EVENT_DEADLINE="0.2") as running:
        yield running
