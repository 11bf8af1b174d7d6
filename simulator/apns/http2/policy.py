"""How APNs treats one connection: stream limit, delays and closing after errors, idleness, and responses that are held back."""

import asyncio
from collections.abc import Callable
from typing import Final

from simulator.apns.messages import Response
from simulator.apns.profile import Profile
from simulator.clock import Clock

GONE: Final = 410  # not counted as an error (Apple: Handling notification responses from APNs)


class ConnectionPolicy:
    """Stream limit and errors of one connection. `profile` may change at any time, which counts from the next response on."""

    def __init__(self, profile: Profile, *, by_certificate: bool = False) -> None:
        self._profile = profile
        self._by_certificate = by_certificate
        self._lowered = False
        self.errors = 0  # 4xx in a row, 410 left aside

    @property
    def first_limit(self) -> int:
        """MAX_CONCURRENT_STREAMS of the first SETTINGS (Apple: Sending notification requests to APNs)."""
        return (
            self._profile.certificate_stream_limit
            if self._by_certificate
            else self._profile.first_stream_limit
        )

    @property
    def delay_s(self) -> float:
        """Seconds that the errors so far cost the next response."""
        profile = self._profile
        if not self.errors or not profile.error_delay_s:
            return 0.0
        return min(self.errors * profile.error_delay_s, profile.error_delay_limit_s)

    def lower(self) -> None:
        """The stream limit was lowered: only an accepted push restores it (OpenRadar 27870881)."""
        self._lowered = True

    def limit_before(self, status: int, *, authenticated: bool) -> int | None:
        """The stream limit to announce before a response of this status goes out; None: leave it."""
        if not authenticated or (self._lowered and status >= 300):
            return None
        self._lowered = False
        return self._profile.certificate_stream_limit if self._by_certificate else self._profile.stream_limit

    def ends_after(self, status: int) -> bool:
        """Count this response; True if the connection has now seen too many errors."""
        if status < 300:
            self.errors = 0
        elif 400 <= status < 500 and status != GONE:
            self.errors += 1
            return self.errors == self._profile.errors_before_close
        return False


class IdleWatch:
    """Watches from the first `touch` on. `is_busy`: responses are still due, so it is not idle; `on_idle` is called once."""

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
        """A request came. The watch begins when the profile has a time after which a connection is idle."""
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


class HeldResponses:
    """Responses that the person at the controls holds back, and lets go. Shared by all connections of a sandbox."""

    def __init__(self) -> None:
        self._to_hold = 0
        self._held: list[Callable[[], None]] = []

    def hold(self) -> None:
        """Hold back the response to the next request that is accepted; called twice, of the next two."""
        self._to_hold += 1

    def release(self) -> int:
        """Send what was held back, in order, and hold nothing more; how many these were."""
        held, self._held, self._to_hold = self._held, [], 0
        for send in held:
            send()
        return len(held)

    def holds(self, response: Response, send: Callable[[], None]) -> bool:
        """True if this response waits here until `release` calls `send`."""
        if not self._to_hold or response.reason is not None:
            return False
        self._to_hold -= 1
        self._held.append(send)
        return True
