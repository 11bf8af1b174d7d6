"""From an event to its answer: who is to be told, what is sent, and how far that came within the deadline."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence

from relay import contract
from relay.activities import Activities
from relay.batches import Batches
from relay.contract import Event, EventReply
from relay.dispatcher import Dispatcher
from relay.logfmt import line
from relay.planner import ALERTS, plan
from relay.recipient import Recipient
from relay.settlement import Status
from relay.shelter import Shelter
from relay.store import deliveries, devices
from relay.store.sql import Database

log = logging.getLogger("relay.intake")

EVENTS_AT_ONCE = 100
"""Whose phones one statement looks up."""


class Intake:
    """Accepts events. A resend of the same eventID sends nothing again and reports what became of the first."""

    def __init__(
        self,
        db: Database,
        dispatcher: Dispatcher,
        activities: Activities,
        *,
        deadline: float,
        now: Callable[[], float],
    ) -> None:
        self._db, self._dispatcher, self._activities = db, dispatcher, activities
        self._deadline, self._now = deadline, now
        self._shelter = Shelter(None)  # every statement has its deadline, and ten thousand phones take many
        self._recipients = Batches(self._look_up, most=EVENTS_AT_ONCE)

    async def close(self) -> None:
        """Wait until all that came is written down."""
        await self._shelter.close()

    async def accept(self, event: Event) -> EventReply:
        """Written down before it is sent; what APNs has not settled within the deadline counts as queued.

        So does every Live Activity that the event changes: its push may have to wait for its turn.
        """
        known, sending, activities = await self._shelter.run(self._take(event))
        if sending:
            await asyncio.wait(sending, timeout=self._deadline)
        counts = known + Counter(future.result() if future.done() else "queued" for future in sending)
        return EventReply(sent=counts["sent"], failed=counts["failed"], queued=counts["queued"] + activities)

    async def _take(self, event: Event) -> tuple[Counter[Status], list[asyncio.Future[Status]], int]:
        """The alerts first: who is told by a sound must not wait for a card."""
        secret_hash = contract.secret_hash(event.secret)
        event_id = event.event_id or uuid.uuid4().hex
        recipients = await self._recipients(secret_hash)
        known, sending = await self._enqueue(event, event_id, secret_hash, recipients)
        changed = await self._activities.hear(
            event, event_id=event_id, secret_hash=secret_hash, recipients=recipients
        )
        return known, sending, changed

    async def _look_up(self, secret_hashes: Sequence[str]) -> list[list[Recipient]]:
        return await devices.recipients_of(self._db, secret_hashes)

    async def _enqueue(
        self, event: Event, event_id: str, secret_hash: str, recipients: list[Recipient]
    ) -> tuple[Counter[Status], list[asyncio.Future[Status]]]:
        now_ms = int(self._now() * 1000)
        planned = plan(
            event, event_id=event_id, secret_hash=secret_hash, recipients=recipients, now_ms=now_ms
        )
        log.info(
            line(
                "event",
                eventID=event_id,
                eventType=event.event_type,
                sessionID=event.session_id,
                secretHash=f"{secret_hash[:12]}…",
                deliveries=len(planned),
            )
        )
        sending = await self._dispatcher.enqueue(planned) if planned else {}
        if event.event_id is None or event.event_type not in ALERTS or len(sending) == len(planned) > 0:
            return Counter(), list(sending.values())
        return await self._earlier(secret_hash, event_id, set(sending)), list(sending.values())

    async def _earlier(self, secret_hash: str, event_id: str, sending: set[str]) -> Counter[Status]:
        """What became of the deliveries of an earlier copy of this event; those now sending are not among them."""
        known = await deliveries.statuses(self._db, secret_hash=secret_hash, event_id=event_id)
        counts = Counter(status for apns_id, status in known.items() if apns_id not in sending)
        if counts:
            log.info(line("event known", eventID=event_id, deliveries=counts.total()))
        if counts["queued"]:
            self._dispatcher.look_for_due()
        return counts
