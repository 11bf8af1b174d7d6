"""Waiting for the server that the bridge is to follow, and noticing that it is to be found elsewhere by now."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import random as system_random
from typing import TextIO, TypeVar

from relay.backoff import Backoff
from relay.bridge.errors import BadServiceFile, NoServer, OpenCodeError, Unreachable, Unready
from relay.bridge.sources.discovery import Discovery, Found, Place
from relay.log import line

log = logging.getLogger("relay.bridge.lookout")

T = TypeVar("T")

START_BACKOFF = Backoff(first=0.25, cap=5.0)
"""While OpenCode is not up yet somebody is waiting for the pairing code, so the pauses stay short."""
POLL_SECONDS = 0.5
"""Between two looks at the connection to OpenCode."""
AWAY_SECONDS = 15.0
"""A server that was found is away for so long before another one is looked for: it may be about to restart."""


async def wait_for(
    find: Callable[[], Awaitable[T]],
    where: str,
    out: TextIO,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    random: Callable[[], float] = system_random,
) -> T:
    """What `find` finds, once OpenCode answers. Why it does not is said once, and again when it is another reason.

    Raises Refused or NotOpenCode: waiting would not help then.
    """
    attempt = 0
    said: set[str] = set()
    while True:
        try:
            return await find()
        except Unreachable as error:
            attempt += 1
            words = waiting_words(error, where)
            if words not in said:
                said.add(words)
                print(words, file=out, flush=True)
                log.warning(line("waiting", url=where, reason=error))
            await sleep(START_BACKOFF.delay(attempt, random))


def waiting_words(error: Unreachable, where: str) -> str:
    """What the person who started the bridge reads while it waits. Pure."""
    if isinstance(error, Unready | BadServiceFile | NoServer):
        return f"Waiting for OpenCode: {error}"
    return f"Waiting for OpenCode at {where} (start it with: opencode serve)"


def found_words(found: Found) -> str:
    """Which server was found, and how to choose another. Pure."""
    lines = [f"Following {found.place}"]
    if found.other:
        url = found.other.address.url
        lines.append(f"Also here: {found.other}; --opencode-url {url} follows that one instead")
    if found.flaw:
        lines.append(f"Not the managed service of OpenCode 2: {found.flaw}")
    return "\n".join(lines)


async def is_elsewhere(
    discovery: Discovery,
    place: Place,
    connected: Callable[[], bool],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the server at `place` has another URL or password by now, or another one answers in its stead.

    The service's file is read anew while the connection is lost, and once when it is back. `clock` only grows.
    """
    was_connected, connected_at = True, clock()
    while True:
        await sleep(POLL_SECONDS)
        is_connected = connected()
        if not (is_connected and was_connected):
            away = clock() - connected_at > AWAY_SECONDS
            if discovery.moved(place) or (away and await _another(discovery, place)):
                log.warning(line("elsewhere", before=place.address.url))
                return
        was_connected, connected_at = is_connected, clock() if is_connected else connected_at


async def _another(discovery: Discovery, place: Place) -> bool:
    if discovery.given is not None:
        return False
    try:
        found = await discovery.find()
    except OpenCodeError:
        return False
    return found.place.address != place.address
