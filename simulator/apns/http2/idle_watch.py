"""Notices that a connection has had no request for too long, by the sandbox's clock."""

import asyncio
from collections.abc import Callable

from simulator.apns.profile import Profile
from simulator.clock import Clock


class IdleWatch:
    """Watches from the first `touch` on. `is_busy`: answers are still due, so it is not idle; `on_idle` is called once."""

    def __init__(
        self, clock: Clock, profile: Profile, is_busy: Callable[[], bool], on_idle: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._profile = profile
        self._is_busy = is_busy
        self._on_idle = on_idle
        self._since = 0.0
        self._task: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Something came. The watch begins when the profile knows idleness at all."""
        if self._profile.idle_after_s is None:
            return
        self._since = self._clock.now()
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="apns idle watch")

    def stop(self) -> None:
        """The connection is gone."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        while (idle_after_s := self._profile.idle_after_s) is not None:
            left = self._since + idle_after_s - self._clock.now()
            if left > 0:
                await self._clock.sleep(left)
            elif self._is_busy():
                self._since = self._clock.now()
            else:
                self._on_idle()
                return
        self._task = None  # the profile was changed: the next touch may begin anew
