"""What the phone did with an activity, and why: what the pure rules hand to whoever writes it down. No I/O."""

from dataclasses import dataclass
from typing import Literal

from simulator.phone.activitykit.activity import Activity
from simulator.phone.push import Push

What = Literal["started", "updated", "ended", "deferred", "dropped", "stale", "dismissed", "budget reset"]


@dataclass(frozen=True, slots=True)
class Happened:
    """One fact at `at` (UNIX seconds). `push` is None for what time or a person did, `activity` for what concerns none.

    `log` is the line the phone logs, "" for none; `until` is when something deferred is looked at again.
    """

    at: float
    what: What
    why: str = ""
    activity: Activity | None = None
    push: Push | None = None
    log: str = ""
    until: float | None = None
