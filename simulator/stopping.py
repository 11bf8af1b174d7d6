"""SIGINT and SIGTERM end a server in good order, on every system."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

SIGNALS: Final = ("SIGINT", "SIGTERM")
HANGUP: Final = "SIGHUP"
"""A terminal is closed; Windows has no such signal."""


def on_stop(stop: Callable[[], object], *further: str) -> None:
    """Call `stop` on the running loop at Ctrl-C, at SIGTERM, and at the `further` signals that this system has.

    Windows has no `loop.add_signal_handler`: there Python's own handler is called, for asyncio's loop wakes up at a signal.
    """
    loop = asyncio.get_running_loop()
    for number in (getattr(signal, name) for name in (*SIGNALS, *further) if hasattr(signal, name)):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
