"""What became of each accepted push, step by step, as in the delivery log of Apple's Push Notifications Console."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from simulator.apns.delivery.fates import Fate, Outcome
from simulator.apns.delivery.mailbox import Parcel

SIZE: Final = 100_000  # entries
SUFFIX: Final = 8  # hex digits of a token that may be shown


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
    """The newest entries, by apns-unique-id; the oldest give way. Apple keeps them for 7 days."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._entries: OrderedDict[str, LogEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, parcel: Parcel, fate: Fate, now: float) -> LogEntry:
        """Write down a step of a push, at `now` in UNIX seconds; the first makes its entry."""
        entry = self._entries.get(parcel.unique_id)
        if entry is None:
            entry = self._entries[parcel.unique_id] = _entry(parcel)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        entry.steps.append(Step(now, fate.outcome, fate.why))
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


def _entry(parcel: Parcel) -> LogEntry:
    delivery = parcel.delivery
    return LogEntry(
        unique_id=parcel.unique_id,
        apns_id=delivery.apns_id,
        realm=delivery.realm,
        topic=delivery.topic,
        push_type=delivery.push_type,
        token=token_suffix(delivery.device_token),
        channel_id=delivery.channel_id,
        device=None if parcel.handset is None else parcel.handset.name,
        received_at=delivery.accepted_at,
    )
