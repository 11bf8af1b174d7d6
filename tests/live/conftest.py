"""One world for all live tests: starting it takes some seconds, playing in it one or two."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from live.install import MissingError, installed
from live.world import LiveWorld

MISSING = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def opencode_program(pytestconfig: pytest.Config) -> Path:
    """The real OpenCode; without it the tests that need it are skipped."""
    try:
        return installed()
    except MissingError as error:
        pytestconfig.stash[MISSING] = str(error)
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole_world(opencode_program: Path) -> AsyncIterator[LiveWorld]:
    async with LiveWorld(opencode_program) as world:
        yield world


@pytest.fixture
def world(whole_world: LiveWorld) -> Iterator[LiveWorld]:
    """The world, in which nothing went wrong, and nothing secret was said, up to the end of the test."""
    yield whole_world
    assert whole_world.flaws() == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whatever the options: nobody shall believe that the real OpenCode was tested when it was not."""
    if missing := config.stash.get(MISSING, None):
        terminalreporter.write_line(f"NOTICE: the live tests were skipped: {missing}.", yellow=True)
