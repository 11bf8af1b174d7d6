"""Waiting for a world that stands still can be broken off, whatever moves meanwhile."""

import asyncio

import pytest

from simulator.replay.world import ReplayWorld


async def test_a_wait_that_is_cancelled_as_something_moves_ends() -> None:
    """The person presses Ctrl-C in the very turn of the loop in which an event arrives."""
    world = ReplayWorld()
    waiting = asyncio.create_task(world.still(60.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.journal.record("iPhone", "notification")
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5.0):
            await waiting
