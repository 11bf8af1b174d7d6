"""One world for all live tests: starting it takes some seconds, playing in it one or two."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from live.install import MissingError, installed
from live.second_install import banner, installed2
from live.second_server import stand_in
from live.second_world import LiveWorld2
from live.world import LiveWorld

MISSING = pytest.StashKey[str]()
MISSING_2 = pytest.StashKey[str]()
STAND_IN = "a stand-in"


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


@pytest.fixture(scope="session", params=[STAND_IN, "OpenCode 2"])
def opencode2_program(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A real OpenCode 2; without it its tests are skipped. Before it a program that stands in for it."""
    if request.param == STAND_IN:
        return stand_in(tmp_path_factory.mktemp("program"))
    try:
        return installed2()
    except MissingError as error:
        pytestconfig.stash[MISSING_2] = str(error)
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole_world2(opencode2_program: Path) -> AsyncIterator[LiveWorld2]:
    async with LiveWorld2(opencode2_program) as world:
        yield world


@pytest.fixture
def world2(whole_world2: LiveWorld2) -> Iterator[LiveWorld2]:
    """A world around OpenCode 2 in the foreground, in which nothing went wrong up to the end of the test."""
    yield whole_world2
    assert whole_world2.flaws() == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whatever the options: nobody shall believe that the real OpenCode was tested when it was not."""
    if missing := config.stash.get(MISSING, None):
        terminalreporter.write_line(f"NOTICE: the live tests were skipped: {missing}.", yellow=True)
    if missing := config.stash.get(MISSING_2, None):
        for line in banner(missing):
            terminalreporter.write_line(line, red=True, bold=True)
