"""Virtual time that passes by itself, for tests in which something waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.clock import VirtualClock


@asynccontextmanager
async def passing(clock: VirtualClock, step: float) -> AsyncIterator[None]:
    """In steps of so many seconds, as fast as the machine lets everybody else act in between."""

    async def tick() -> None:
        while True:
            await clock.advance(step)
            await asyncio.sleep(0)

    task = asyncio.create_task(tick(), name="tick")
    try:
        yield
    finally:
        task.cancel()
