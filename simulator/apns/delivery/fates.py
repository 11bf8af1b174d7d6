"""What becomes of an accepted push, as a table: sent, stored or discarded (Apple: Viewing the status of push notifications)."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from simulator.apns.delivery.delivery import Delivery
from simulator.apns.delivery.mailbox import Parcel, kept_until
from simulator.apns.reasons import Confidence

Outcome = Literal["sent", "stored", "discarded"]

STATUS: Final = "Apple: Viewing the status of push notifications using Metrics and APNs"
SENDING: Final = "Apple: Sending notification requests to APNs"
BROADCAST: Final = "Apple: Sending broadcast push notification requests to APNs"
BROADCAST_EVENTS: Final = frozenset({"update", "end"})


class Fate(NamedTuple):
    """`why` only for discarded: expired, unregistered, replaced, not_for_broadcast, or what the device says."""

    outcome: Outcome
    why: str | None = None


class Row(NamedTuple):
    """If `applies`, this is the fate; the first row that applies decides."""

    name: str
    applies: Callable[[Parcel, float], bool]
    fate: Callable[[Parcel], Fate]
    source: str
    confidence: Confidence


def fate(parcel: Parcel, now: float) -> Fate:
    """Decide at `now`, UNIX seconds; when the push is accepted, and again when its device comes back."""
    return next(row.fate(parcel) for row in FATES if row.applies(parcel, now))


def is_gone(parcel: Parcel) -> bool:
    """Whether the app was removed from the device, confirmed or not."""
    token = parcel.token
    return token is not None and (token.uninstalled_at is not None or token.unregistered_since is not None)


def _is_late(parcel: Parcel, now: float) -> bool:
    """Past its time, other than at the one attempt that every push has when it is accepted."""
    return now > parcel.delivery.accepted_at and kept_until(parcel.delivery) <= now


def _is_foreign_to_broadcast(delivery: Delivery) -> bool:
    aps = delivery.payload.get("aps")
    event = aps.get("event") if isinstance(aps, dict) else None
    return delivery.channel_id is not None and not (isinstance(event, str) and event in BROADCAST_EVENTS)


def _refusal(parcel: Parcel) -> str | None:
    return None if parcel.handset is None else parcel.handset.refuses(parcel.delivery)


def _must_not_wake(parcel: Parcel, now: float) -> bool:
    """Apple: priority 1 puts the device's power above all else, and does not wake it."""
    asleep = parcel.handset is not None and parcel.handset.asleep
    return asleep and parcel.delivery.priority == 1 and kept_until(parcel.delivery) > now


# fmt: off
FATES: Final[tuple[Row, ...]] = (
    Row("app removed", lambda p, _: is_gone(p), lambda _: Fate("discarded", "unregistered"), STATUS, "documented"),
    Row("broadcasts update and end only", lambda p, _: _is_foreign_to_broadcast(p.delivery), lambda _: Fate("discarded", "not_for_broadcast"), BROADCAST, "assumed"),
    Row("too late", _is_late, lambda _: Fate("discarded", "expired"), STATUS, "documented"),
    Row("device does not take it", lambda p, _: _refusal(p) is not None, lambda p: Fate("discarded", _refusal(p)), STATUS, "documented"),
    Row("must not be woken", _must_not_wake, lambda _: Fate("stored"), SENDING, "documented"),
    Row("device reachable", lambda p, _: p.handset is None or p.handset.online, lambda _: Fate("sent"), STATUS, "documented"),
    Row("may wait", lambda p, now: kept_until(p.delivery) > now, lambda _: Fate("stored"), STATUS, "documented"),
    Row("may not wait", lambda _, __: True, lambda _: Fate("discarded", "expired"), STATUS, "documented"),
)
# fmt: on
