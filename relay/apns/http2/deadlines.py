"""The deadlines of all errands, with one timer: a timer for each push would cost more than the push."""

import asyncio
from collections.abc import Callable
from typing import Final

from relay.apns.http2.errand import Errand

STEP: Final = 0.01
"""Seconds between two looks at least, so that a thousand deadlines in a row are one look."""


class Deadlines:
    """Calls `expire` for each errand whose time is over."""

    def __init__(self, expire: Callable[[Errand], None]) -> None:
        self._expire = expire
        self._errands: set[Errand] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def add(self, errand: Errand) -> None:
        """Watch this one."""
        self._errands.add(errand)
        if errand.ends < self._next:
            self._look_at(errand.ends)

    def remove(self, errand: Errand) -> None:
        """It is settled. The timer stays: it finds others, or nothing."""
        self._errands.discard(errand)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, when: float) -> None:
        self.close()
        self._next = when
        self._timer = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        now, self._next = asyncio.get_running_loop().time(), float("inf")
        for errand in [errand for errand in self._errands if errand.ends <= now]:
            self._expire(errand)
        if self._errands:
            self._look_at(max(min(errand.ends for errand in self._errands), now + STEP))
