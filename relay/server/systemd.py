"""What a relay reports to the systemd that started it: ready, alive, stopping (sd_notify(3)). Elsewhere it reports nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager


def notify(environment: Mapping[str, str], state: str) -> None:
    """Send `state`, such as READY=1, to the socket in NOTIFY_SOCKET, if there is one. A service manager that is gone is no error."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        contextlib.suppress(OSError),
    ):
        manager.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """How often to report that the event loop runs: twice in each WatchdogSec=. None: nobody wants to know."""
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2_000_000 if text.isascii() and text.isdigit() and int(text) else None


@asynccontextmanager
async def reporting(environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Ready from here on, alive for as long as the event loop turns, and stopping at the end."""
    notify(environment, "READY=1")
    alive = asyncio.create_task(_alive(environment), name="relay-watchdog")
    try:
        yield
    finally:
        alive.cancel()
        notify(environment, "STOPPING=1")


async def _alive(environment: Mapping[str, str]) -> None:
    seconds = watchdog_seconds(environment)
    while seconds:
        notify(environment, "WATCHDOG=1")
        await asyncio.sleep(seconds)
