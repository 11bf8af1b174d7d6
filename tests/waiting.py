"""Waiting for a condition instead of for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which a test takes for missing what must come: no measure of anything, however busy the machine is."""


async def eventually(condition: Callable[[], T | Awaitable[T]], *, within: float = PATIENCE) -> T:
    """The first true value of `condition()` (plain or async). AssertionError if there is none within so many seconds.

    An AssertionError raised by `condition` counts as "not yet" and is shown at the end.
    """
    ends = time.monotonic() + within
    pause = 0.001
    while True:
        failed: AssertionError | None = None
        try:
            found = condition()
            value = await found if isinstance(found, Awaitable) else found
            if value:
                return value
        except AssertionError as error:
            failed = error
        if time.monotonic() > ends:
            raise AssertionError(f"not within {within:g} s: {failed or condition}") from failed
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.05)
