"""What becomes of an accepted push, as a table (sent, stored or discarded), and what waits for a device that APNs cannot reach.

Pure: every time comes in as `now`, UNIX seconds. Apple describes what waits in two ways, so the profile has both. "one": APNs
keeps one push for each app on a device, and a newer one takes its place ("Sending notification requests to APNs"; so says
Apple's support, too: developer forum thread 775455). "queue": it keeps several for each app ("User Notifications updates",
June 2024, which names the collapse id beside it). Assumed: in "one" alerts and background pushes share the place whatever
their collapse id; in "queue" a push takes the place of one with the same collapse id, and of background pushes the newest
is kept ("Pushing background updates to your app"). In both a Live Activity has one place for each of its tokens, and a
broadcast one for each subscription.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from simulator.apns.delivery.device import Delivery, Device
from simulator.apns.profile import Storage
from simulator.apns.reasons import Confidence
from simulator.apns.registry import DeviceToken

Outcome = Literal["sent", "stored", "discarded"]

MAX_QUEUE: Final = 100  # pushes of an app on a device; Apple names no number

STATUS: Final = "Apple: Viewing the status of push notifications using Metrics and APNs"
SENDING: Final = "Apple: Sending notification requests to APNs"
BROADCAST: Final = "Apple: Sending broadcast push notification requests to APNs"
BROADCAST_EVENTS: Final = frozenset({"update", "end"})
DAY: Final = 86_400.0
STORED_FOR: Final = 30 * DAY  # Apple: Viewing the status of push notifications
BROADCAST_STORED_FOR: Final = 8 * 3600.0  # Apple: Setting up broadcast push notifications


class AcceptedPush(NamedTuple):
    """An accepted push on its way to one device. `unique_id` is its key in the delivery log, also in production.

    `token` is None for a broadcast; `device` None if the token leads to no device.
    """

    unique_id: str
    delivery: Delivery
    token: DeviceToken | None
    device: Device | None
    activity: str = ""


def kept_until(delivery: Delivery) -> float:
    """When APNs gives it up. apns-expiration 0 or a time gone by: at once, after the one attempt."""
    longest = STORED_FOR if delivery.channel_id is None else BROADCAST_STORED_FOR
    limit = delivery.accepted_at + longest
    return limit if delivery.expiration is None else min(delivery.expiration, limit)


class Disposition(NamedTuple):
    """`why` only for discarded: expired, unregistered, replaced, not_for_broadcast, or what the device says."""

    outcome: Outcome
    why: str | None = None


class Row(NamedTuple):
    """If `applies`, this is the disposition; the first row that applies decides."""

    name: str
    applies: Callable[[AcceptedPush, float], bool]
    disposition: Callable[[AcceptedPush], Disposition]
    source: str
    confidence: Confidence


def disposition(push: AcceptedPush, now: float) -> Disposition:
    """Decide at `now`, UNIX seconds; when the push is accepted, and again when its device comes back."""
    return next(row.disposition(push) for row in DISPOSITIONS if row.applies(push, now))


def is_gone(push: AcceptedPush) -> bool:
    """Whether the app was removed from the device, confirmed or not."""
    token = push.token
    return token is not None and (token.uninstalled_at is not None or token.unregistered_since is not None)


def _is_late(push: AcceptedPush, now: float) -> bool:
    """Past its time, other than at the one attempt that every push has when it is accepted."""
    return now > push.delivery.accepted_at and kept_until(push.delivery) <= now


def _is_foreign_to_broadcast(delivery: Delivery) -> bool:
    aps = delivery.payload.get("aps")
    event = aps.get("event") if isinstance(aps, dict) else None
    return delivery.channel_id is not None and not (isinstance(event, str) and event in BROADCAST_EVENTS)


def _refusal(push: AcceptedPush) -> str | None:
    return None if push.device is None else push.device.refuses(push.delivery)


def _must_not_wake(push: AcceptedPush, now: float) -> bool:
    """Apple: priority 1 puts the device's power above all else, and does not wake it."""
    asleep = push.device is not None and push.device.asleep
    return asleep and push.delivery.priority == 1 and kept_until(push.delivery) > now


# fmt: off
DISPOSITIONS: Final[tuple[Row, ...]] = (
    Row("app removed", lambda p, _: is_gone(p), lambda _: Disposition("discarded", "unregistered"), STATUS, "documented"),
    Row("broadcasts update and end only", lambda p, _: _is_foreign_to_broadcast(p.delivery), lambda _: Disposition("discarded", "not_for_broadcast"), BROADCAST, "assumed"),
    Row("too late", _is_late, lambda _: Disposition("discarded", "expired"), STATUS, "documented"),
    Row("device does not take it", lambda p, _: _refusal(p) is not None, lambda p: Disposition("discarded", _refusal(p)), STATUS, "documented"),
    Row("must not be woken", _must_not_wake, lambda _: Disposition("stored"), SENDING, "documented"),
    Row("device reachable", lambda p, _: p.device is None or p.device.online, lambda _: Disposition("sent"), STATUS, "documented"),
    Row("may wait", lambda p, now: kept_until(p.delivery) > now, lambda _: Disposition("stored"), STATUS, "documented"),
    Row("may not wait", lambda _, __: True, lambda _: Disposition("discarded", "expired"), STATUS, "documented"),
)
# fmt: on


class Slot(NamedTuple):
    """A place for one push: a device, by the identity of its object, a box of it, and in a queue which of its places."""

    device: int
    box: str
    place: str = ""


def slot_of(push: AcceptedPush, storage: Storage = "one") -> Slot:
    """Where it would wait."""
    delivery, token = push.delivery, push.token
    if token is None:
        box = f"{delivery.channel_id}/{push.activity}"
    elif delivery.push_type == "liveactivity":
        box = token.token
    else:
        return Slot(id(push.device), f"{delivery.realm}/{token.bundle_id}", _place(push, storage))
    return Slot(id(push.device), f"{delivery.realm}/{box}")


def _place(push: AcceptedPush, storage: Storage) -> str:
    delivery = push.delivery
    if storage == "one":
        return ""
    if delivery.push_type == "background":
        return "background"
    return f"push {push.unique_id}" if delivery.collapse_id is None else f"collapsed {delivery.collapse_id}"


class Mailbox:
    """One push a slot, in the order of their acceptance. An app's queue holds MAX_QUEUE pushes; then its oldest gives way."""

    def __init__(self) -> None:
        self._waiting: dict[Slot, AcceptedPush] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def store(self, push: AcceptedPush, storage: Storage = "one") -> AcceptedPush | None:
        """Keep this one; what it takes the place of is returned. Stored last means accepted last."""
        slot = slot_of(push, storage)
        replaced = self._waiting.pop(slot, None)
        self._waiting[slot] = push
        return replaced or self._overflow(slot)

    def _overflow(self, added: Slot) -> AcceptedPush | None:
        """What has to go for this one: the oldest of a queue that is too long."""
        if not added.place:
            return None
        queue = [slot for slot in self._waiting if slot[:2] == added[:2]]
        return self._waiting.pop(queue[0]) if len(queue) > MAX_QUEUE else None

    def collect(self, device: Device) -> list[AcceptedPush]:
        """Take out all that waits for a device, the first accepted first."""
        return self._take([slot for slot, push in self._waiting.items() if push.device is device])

    def withdraw(self, token: str) -> list[AcceptedPush]:
        """Take out what was sent to this device token."""
        return self._take(
            [slot for slot, each in self._waiting.items() if each.delivery.device_token == token]
        )

    def close(self, channel_id: str) -> list[AcceptedPush]:
        """Take out what came by this channel."""
        return self._take(
            [slot for slot, each in self._waiting.items() if each.delivery.channel_id == channel_id]
        )

    @property
    def first_expiry(self) -> float | None:
        """When the first of them is given up; None if nothing waits."""
        return min((kept_until(push.delivery) for push in self._waiting.values()), default=None)

    def expire(self, now: float) -> list[AcceptedPush]:
        """Take out what is kept no longer."""
        return self._take([slot for slot, each in self._waiting.items() if kept_until(each.delivery) <= now])

    def _take(self, slots: list[Slot]) -> list[AcceptedPush]:
        return [self._waiting.pop(slot) for slot in slots]
