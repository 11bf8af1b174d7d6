"""How APNs treats one connection, given what it answered there: stream limit, slowing down, and showing the door. Pure."""

from typing import Final

from simulator.apns.profile import Profile

GONE: Final = 410  # not counted as an error (Apple: Handling notification responses from APNs)


class Manners:
    """One connection's record. `profile` may change at any time, which counts from the next answer on."""

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
        """Seconds that the errors so far cost the next answer."""
        profile = self._profile
        if not self.errors or not profile.error_delay_s:
            return 0.0
        return min(self.errors * profile.error_delay_s, profile.error_delay_limit_s)

    def lower(self) -> None:
        """The stream limit was lowered: only an accepted push restores it (OpenRadar 27870881)."""
        self._lowered = True

    def limit_before(self, status: int, *, authenticated: bool) -> int | None:
        """The stream limit to announce before an answer of this status goes out; None: leave it."""
        if not authenticated or (self._lowered and status >= 300):
            return None
        self._lowered = False
        return self._profile.certificate_stream_limit if self._by_certificate else self._profile.stream_limit

    def counts_out(self, status: int) -> bool:
        """Count this answer; True if the connection has now seen too many errors."""
        if status < 300:
            self.errors = 0
        elif 400 <= status < 500 and status != GONE:
            self.errors += 1
            return self.errors == self._profile.errors_before_close
        return False
