"""Waiting for a condition in real time, where servers of this machine need a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 30.0
TURNS = 10


async def until(look: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when `look()` is true, plain or async. TimeoutError if it never is."""
    gives_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if await found if isinstance(found, Awaitable) else found:
            return
        if time.monotonic() > gives_up_at:
            raise TimeoutError(f"still waiting after {PATIENCE_SECONDS:g} s: {look.__qualname__}")
        await asyncio.sleep(0.002)


async def turns() -> None:
    """Let whoever was just woken begin."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
