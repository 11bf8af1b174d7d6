"""A world for a whole file of tests: starting one takes two seconds, playing in it takes one."""

from collections.abc import AsyncIterator

import pytest_asyncio

from simulator.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world
