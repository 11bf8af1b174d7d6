"""Carries accepted pushes to their devices: hands over, keeps, throws away, and writes every step down."""

from simulator.apns.delivery.delivery_log import DeliveryLog, token_suffix
from simulator.apns.delivery.fates import Fate, fate
from simulator.apns.delivery.handset import Handset
from simulator.apns.delivery.mailbox import Mailbox, Parcel
from simulator.clock import Clock
from simulator.journal import Journal


class Courier:
    """One for both environments: a device has one mailbox. Nothing a device does is raised to the provider."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.log = DeliveryLog()
        self.mailbox = Mailbox()
        self._clock = clock
        self._journal = journal

    def deliver(self, parcel: Parcel) -> None:
        """Do with a push what its fate is now. It is written down before the device gets it."""
        try:
            decided = fate(parcel, self._clock.now())
        except Exception as error:  # a fault of the fake phone is no fault of the provider's connection
            self._failed(parcel, error)
            return
        self._note(parcel, decided)
        if decided.outcome == "stored":
            self._keep(parcel)
        elif decided.outcome == "sent":
            self._hand_over(parcel)

    def reconnected(self, handset: Handset) -> None:
        """A device is back: deliver what waits for it, in order of acceptance."""
        for parcel in self.mailbox.collect(handset):
            self.deliver(parcel)

    def settle(self) -> None:
        """Throw away what has waited too long."""
        self._discard(self.mailbox.expire(self._clock.now()), "expired")

    def forget(self, token: str) -> None:
        """The app of this device token is gone: throw away what waits for it."""
        self._discard(self.mailbox.withdraw(token), "unregistered")

    def close_channel(self, channel_id: str) -> None:
        """The channel was deleted: throw away what came by it."""
        self._discard(self.mailbox.close(channel_id), "channel_deleted")

    def reset(self) -> None:
        """Forget what waits, and the log, without a word."""
        self.log, self.mailbox = DeliveryLog(), Mailbox()

    def _keep(self, parcel: Parcel) -> None:
        replaced = self.mailbox.store(parcel)
        if replaced is not None:
            self._note(replaced, Fate("discarded", "replaced"))

    def _hand_over(self, parcel: Parcel) -> None:
        if parcel.handset is None:
            return
        try:
            parcel.handset.receive(parcel.delivery)
        except Exception as error:  # as above
            self._failed(parcel, error)

    def _discard(self, parcels: list[Parcel], why: str) -> None:
        for parcel in parcels:
            self._note(parcel, Fate("discarded", why))

    def _note(self, parcel: Parcel, decided: Fate) -> None:
        entry = self.log.note(parcel, decided, self._clock.now())
        self._journal.record(
            "apns",
            "delivery",
            apns_id=entry.apns_id,
            apns_unique_id=parcel.delivery.apns_unique_id,
            token=entry.token,
            channel_id=entry.channel_id,
            device=entry.device,
            outcome=decided.outcome,
            why=decided.why,
        )

    def _failed(self, parcel: Parcel, error: Exception) -> None:
        delivery = parcel.delivery
        self._journal.record(
            "apns",
            "delivery_failed",
            apns_id=delivery.apns_id,
            token=token_suffix(delivery.device_token),
            error=repr(error),
        )
