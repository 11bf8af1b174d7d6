"""Whether a background push lets the app run. No I/O.

Documented (Apple, "Pushing background updates to your app"): `content-available: 1`, type background, priority 5, and
nothing reaches an app that was force-quit.
"""

from simulator.phone.notifications import NOT_FOR_THE_APP, UNREADABLE, Reasons, Receiver
from simulator.phone.push import Push


def against_waking(push: Push, receiver: Receiver, now: float) -> str | None:
    """Why the app does not run, None if it does; `now` is UNIX seconds."""
    return next((why for why, holds in _AGAINST if holds(push, receiver, now)), None)


_AGAINST: Reasons = (
    *NOT_FOR_THE_APP,
    *UNREADABLE,
    (
        "it has no content-available",
        lambda push, _phone, _now: push.payload["aps"].get("content-available") != 1,
    ),
    ("its priority is not 5", lambda push, _phone, _now: push.priority != 5),
    ("the app was force-quit", lambda _push, phone, _now: phone.force_quit),
)
