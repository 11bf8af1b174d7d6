"""What an idle connection needs. Pure: times are seconds of one clock."""

from enum import Enum
from typing import Final

PING_AFTER: Final = 60.0
"""Seconds without a byte from the peer. Apple suggests to ping after an hour; but idle connections were seen to die
without a word much sooner (golang/go#14607), and node-apn pings each minute without complaint.
"""
PING_ANSWER: Final = 10.0
"""Seconds in which a living peer answers a ping."""
IDLE_LIFE: Final = 3600.0
"""Seconds without a push, after which the last connection is closed. Apple: keep connections open, for hours."""
SPARE_LIFE: Final = 60.0
"""The same for one of several connections: the load that called for it is over."""


class Care(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    PING = "ping"
    DRAIN = "drain"
    ABORT = "abort"


def care(now: float, *, heard: float, pushed: float, pinged: float, spare: bool) -> Care:
    """For a connection that last heard a byte, sent a push, and sent a ping at these times."""
    if pinged > heard:
        return Care.ABORT if now - pinged >= PING_ANSWER else Care.NOTHING
    if now - pushed >= (SPARE_LIFE if spare else IDLE_LIFE):
        return Care.DRAIN
    return Care.PING if now - heard >= PING_AFTER else Care.NOTHING
