"""What a Live Activity push says: the keys of its `aps`, read once. No I/O.

Documented keys (Apple, "Starting and updating Live Activities with ActivityKit push notifications"); all times are UNIX
seconds. A key whose value has the wrong type counts as missing (assumed).
"""

import math
from dataclasses import dataclass
from typing import Any

from simulator.phone.push import Push


@dataclass(frozen=True, slots=True)
class Message:
    """One push, decoded as far as it goes without knowing the app's types; or the same said by the app, without `push`.

    `raw_*` are as sent, None if missing. `urgent`: priority 10, which counts against the hourly budget; 5 does not
    (documented).
    """

    event: str
    timestamp: float | None
    raw_content_state: Any = None
    raw_attributes: Any = None
    attributes_type: str | None = None
    alert: bool = False
    quiet: bool = False
    stale_date: float | None = None
    dismissal_date: float | None = None
    relevance_score: float = 0.0
    input_push_token: bool = False
    input_push_channel: str | None = None
    urgent: bool = True
    push: Push | None = None

    @property
    def lights(self) -> bool:
        """Whether it lights the screen up; `interruption-level: passive` keeps an alert quiet (observed)."""
        return self.alert and not self.quiet

    @property
    def ends(self) -> bool:
        """Whether it ends the activity."""
        return self.event == "end"


def read(push: Push) -> Message:
    """The message of a push; what is no Live Activity payload at all has the event ""."""
    payload = push.payload
    found = payload.get("aps") if isinstance(payload, dict) else None
    aps: dict[str, Any] = found if isinstance(found, dict) else {}
    return Message(
        event=_text(aps.get("event")) or "",
        timestamp=_number(aps.get("timestamp")),
        raw_content_state=aps.get("content-state"),
        raw_attributes=aps.get("attributes"),
        attributes_type=_text(aps.get("attributes-type")),
        alert=bool(aps.get("alert")) and isinstance(aps.get("alert"), str | dict),
        quiet=aps.get("interruption-level") == "passive",
        stale_date=_number(aps.get("stale-date")),
        dismissal_date=_number(aps.get("dismissal-date")),
        relevance_score=_number(aps.get("relevance-score")) or 0.0,
        input_push_token=_number(aps.get("input-push-token")) == 1,
        input_push_channel=_text(aps.get("input-push-channel")),
        urgent=push.priority == 10,
        push=push,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
