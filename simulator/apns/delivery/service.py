"""Brings accepted pushes to their devices, and keeps the delivery log: what became of each push, step by step.

The log is the one of Apple's Push Notifications Console.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from simulator.apns.delivery.device import Device
from simulator.apns.delivery.mailbox import AcceptedPush, Disposition, Mailbox, Outcome, disposition
from simulator.apns.profile import Profile
from simulator.clock import Clock
from simulator.journal import Journal

SIZE: Final = 100_000  # entries
SUFFIX: Final = 8  # hex digits of a token that may be shown


class DeliveryService:
    """One for both environments: a device has one mailbox. An error of a device never reaches the provider."""

    def __init__(self, clock: Clock, journal: Journal, profile: Profile) -> None:
        self._profile = profile
        self.log = DeliveryLog()
        self.mailbox = Mailbox()
        self._clock = clock
        self._journal = journal

    def deliver(self, push: AcceptedPush) -> None:
        """Send, store or discard a push that was just accepted. The log and the journal have it before the device does.

        Its one attempt is made at the time of its acceptance, also where the clock has moved on since, as a real one does.
        """
        self._dispose_of(push, push.delivery.accepted_at)

    def _dispose_of(self, push: AcceptedPush, now: float) -> None:
        try:
            decided = disposition(push, now)
        except Exception as error:  # an error of the fake phone must not end the provider's connection
            self._failed(push, error)
            return
        self._note(push, decided)
        if decided.outcome == "stored":
            self._keep(push)
        elif decided.outcome == "sent":
            self._hand_over(push)

    def reconnected(self, device: Device) -> None:
        """A device is back: deliver what waits for it, in order of acceptance."""
        for push in self.mailbox.collect(device):
            self._dispose_of(push, self._clock.now())

    def discard_expired(self) -> None:
        """Discard what has waited too long."""
        self._discard(self.mailbox.expire(self._clock.now()), "expired")

    def forget(self, token: str) -> None:
        """The app of this device token is gone: discard what waits for it."""
        self._discard(self.mailbox.withdraw(token), "unregistered")

    def close_channel(self, channel_id: str) -> None:
        """The channel was deleted: discard what came by it."""
        self._discard(self.mailbox.close(channel_id), "channel_deleted")

    def reset(self) -> None:
        """Forget what waits, and the log. The journal gets no entry."""
        self.log, self.mailbox = DeliveryLog(), Mailbox()

    def _keep(self, push: AcceptedPush) -> None:
        replaced = self.mailbox.store(push, self._profile.mailbox)
        if replaced is not None:
            self._note(replaced, Disposition("discarded", "replaced"))

    def _hand_over(self, push: AcceptedPush) -> None:
        if push.device is None:
            return
        try:
            push.device.receive(push.delivery)
        except Exception as error:  # as above
            self._failed(push, error)

    def _discard(self, pushes: list[AcceptedPush], why: str) -> None:
        for push in pushes:
            self._note(push, Disposition("discarded", why))

    def _note(self, push: AcceptedPush, decided: Disposition) -> None:
        entry = self.log.note(push, decided, self._clock.now())
        self._journal.record(
            "apns",
            "delivery",
            apns_id=entry.apns_id,
            apns_unique_id=push.delivery.apns_unique_id,
            token=entry.token,
            channel_id=entry.channel_id,
            device=entry.device,
            outcome=decided.outcome,
            why=decided.why,
        )

    def _failed(self, push: AcceptedPush, error: Exception) -> None:
        delivery = push.delivery
        self._journal.record(
            "apns",
            "delivery_failed",
            apns_id=delivery.apns_id,
            token=token_suffix(delivery.device_token),
            error=repr(error),
        )


class Step(NamedTuple):
    """One change: when (UNIX seconds), what, and why if it was discarded."""

    at: float
    outcome: Outcome
    why: str | None


@dataclass(slots=True)
class LogEntry:
    """One accepted push; a broadcast has one for each device. `token` is the end of the device token only."""

    unique_id: str
    apns_id: str
    realm: str
    topic: str
    push_type: str
    token: str
    channel_id: str | None
    device: str | None
    received_at: float
    steps: list[Step] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome | None:
        """The last step's; None before the first."""
        return self.steps[-1].outcome if self.steps else None

    @property
    def why(self) -> str | None:
        """The last step's."""
        return self.steps[-1].why if self.steps else None


class DeliveryLog:
    """The newest entries, by apns-unique-id; the oldest are removed. Apple keeps them for 7 days."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._entries: OrderedDict[str, LogEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, push: AcceptedPush, disposition: Disposition, now: float) -> LogEntry:
        """Add a step of a push, at `now` in UNIX seconds; the first one makes its entry."""
        entry = self._entries.get(push.unique_id)
        if entry is None:
            entry = self._entries[push.unique_id] = _entry(push)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        entry.steps.append(Step(now, disposition.outcome, disposition.why))
        return entry

    def find(self, unique_id: str) -> LogEntry | None:
        """By apns-unique-id, in either case of letters."""
        return self._entries.get(unique_id.lower())

    def by_apns_id(self, apns_id: str) -> LogEntry | None:
        """The newest of this apns-id, which a provider may have used again; a broadcast has its apns-request-id there."""
        found = self.entries(apns_id=apns_id)
        return found[-1] if found else None

    def entries(
        self, *, apns_id: str | None = None, token: str | None = None, channel_id: str | None = None
    ) -> list[LogEntry]:
        """The oldest first: those of one apns-id, of tokens that end so (or of one whole token), of one channel."""
        ending = None if token is None else token_suffix(token) or token.lower()
        return [
            entry
            for entry in self._entries.values()
            if (apns_id is None or entry.apns_id.lower() == apns_id.lower())
            and (ending is None or entry.token.endswith(ending))
            and channel_id in (None, entry.channel_id)
        ]


def token_suffix(token: str) -> str:
    """What may be shown of a device token; nothing of a short one, of which eight digits would be too much."""
    return token[-SUFFIX:].lower() if len(token) > 2 * SUFFIX else ""


def _entry(push: AcceptedPush) -> LogEntry:
    delivery = push.delivery
    return LogEntry(
        unique_id=push.unique_id,
        apns_id=delivery.apns_id,
        realm=delivery.realm,
        topic=delivery.topic,
        push_type=delivery.push_type,
        token=token_suffix(delivery.device_token),
        channel_id=delivery.channel_id,
        device=None if push.device is None else push.device.name,
        received_at=delivery.accepted_at,
    )
