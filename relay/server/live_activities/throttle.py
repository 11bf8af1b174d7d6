"""Pure: when the newest state may go out, and how urgently.

Sources: Apple, "Starting and updating Live Activities with ActivityKit push notifications" (priority 10 counts against
an hourly budget, 5 does not; over it the system may throttle: documented); the budget's size is not documented, about
15 an hour were observed; APNs limits pushes to one token (429 TooManyRequests), about one a second is advised.
"""

from dataclasses import dataclass

from relay.contract import PROGRESS_SECONDS

PHASE_MS = 1_000
"""A phase change waits at most for the end of the second in which the last push began: APNs' limit for one token."""
EQUAL_PHASE_MS = PROGRESS_SECONDS * 1_000
HOUR_MS = 3_600_000
PRIORITY_10_AN_HOUR = 10
"""Above it priority 5, which costs the phone's budget nothing."""

FIRST_PAUSE_MS = {"not sent": 1_000} | dict.fromkeys(("maybe sent", "later", "dead"), EQUAL_PHASE_MS)
"""Before the next try, by what became of the last: what did not leave may go soon, what may have arrived has the pace of
an update. It doubles with each failure. Apple asks for 15 minutes after a 5xx (documented): for a push that is repeated;
here the newest state goes out instead, ever more rarely."""
LONGEST_PAUSE_MS = 900_000


@dataclass(frozen=True, slots=True)
class LastPush:
    """The push before: its state's status, and when it began (UTC ms)."""

    status: str | None
    at: int


def due_at(status: str, last: LastPush, *, retry_at: int, now_ms: int) -> int:
    """When a state with this status may be pushed (UTC ms)."""
    pause = EQUAL_PHASE_MS if status == last.status else PHASE_MS
    return max(window_ends(last.at, pause, now_ms), min(retry_at, now_ms + LONGEST_PAUSE_MS))


def window_ends(last_at: int, pause: int, now_ms: int) -> int:
    """When the pause since the last push is over, at the earliest now. Nothing was pushed later than now: if it says so,
    the clock was set back, and only the pause remains.
    """
    return max(now_ms, min(last_at, now_ms) + pause)


def priority(urgent: bool, priority_10_at: tuple[int, ...], now_ms: int) -> int:
    """10 for what a person must see, as long as the hour's budget bears it; else 5."""
    return 10 if urgent and len(within_hour(priority_10_at, now_ms)) < PRIORITY_10_AN_HOUR else 5


def within_hour(times: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    """Those that lie less than an hour back."""
    return tuple(at for at in times if at > now_ms - HOUR_MS)


def retry_pause(first_ms: int, attempts: int) -> int:
    """Milliseconds before the next try, after so many that failed in a row."""
    return int(min(first_ms * 2 ** min(attempts, 12), LONGEST_PAUSE_MS))
