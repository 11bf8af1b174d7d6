"""From an event to its answer: who is to be told, what is sent, and how far that came within the deadline."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from relay import contract
from relay.contract import ALERT_TYPES, Event, EventReply
from relay.log import line
from relay.server.alerts.dispatcher import Dispatcher
from relay.server.alerts.planner import Delivery, plan
from relay.server.alerts.settlement import Status
from relay.server.batches import Batches
from relay.server.live_activities.activities import Activities, concerned
from relay.server.live_activities.record import Activity
from relay.server.recipient import Recipient
from relay.server.shelter import Shelter
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.intake")

EVENTS_AT_ONCE = 100
"""Events that are looked up and written down together."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An event that came. One without an id of its own gets one."""

    event: Event
    event_id: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class _Taken:
    """What an event set going: alerts by apns-id, of which an earlier copy may have left only some; cards, if any."""

    planned: int
    sending: dict[str, asyncio.Future[Status]]
    cards: asyncio.Task[int] | None


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
        self._take = Batches(self._take_all, most=EVENTS_AT_ONCE)
        self._shelter = Shelter(None)  # every statement has its deadline, and ten thousand phones take many

    async def close(self) -> None:
        """Wait until all that came is written down."""
        await self._take.close()
        await self._shelter.close()

    async def accept(self, event: Event) -> EventReply:
        """Written down before it is sent; what APNs has not settled within the deadline counts as queued.

        So does every Live Activity that the event changes: its push may have to wait for its turn.
        """
        arrival = _Arrival(event, event.event_id or uuid.uuid4().hex, contract.secret_hash(event.secret))
        taken = await self._take(arrival)
        sending = taken.sending.values()
        if sending:
            await asyncio.wait(sending, timeout=self._deadline)
        counts = Counter(future.result() if future.done() else "queued" for future in sending)
        counts += await self._earlier(arrival, taken)
        changed = await asyncio.shield(taken.cards) if taken.cards else 0
        return EventReply(sent=counts["sent"], failed=counts["failed"], queued=counts["queued"] + changed)

    async def _take_all(self, arrivals: Sequence[_Arrival]) -> list[_Taken]:
        """The alerts first: who is told by a sound must not wait for a card. Nor does the next batch wait for cards."""
        secret_hashes = [arrival.secret_hash for arrival in arrivals]
        recipients = await devices.recipients_of(self._db, secret_hashes)
        planned = [self._plan(arrival, phones) for arrival, phones in zip(arrivals, recipients, strict=True)]
        sending = await self._dispatcher.enqueue(planned)
        sessions = [(arrival.secret_hash, arrival.event.session_id) for arrival in arrivals]
        known = await self._activities.of_sessions(sessions)
        cards = [
            self._shelter.start(self._hear(arrival, phones, those)) if concerned(phones, those) else None
            for arrival, phones, those in zip(arrivals, recipients, known, strict=True)
        ]
        return list(map(_Taken, map(len, planned), sending, cards))

    def _plan(self, arrival: _Arrival, recipients: list[Recipient]) -> list[Delivery]:
        event, event_id, secret_hash = arrival.event, arrival.event_id, arrival.secret_hash
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
        return planned

    def _hear(
        self, arrival: _Arrival, recipients: list[Recipient], known: list[Activity]
    ) -> Coroutine[Any, Any, int]:
        return self._activities.hear(
            arrival.event,
            event_id=arrival.event_id,
            secret_hash=arrival.secret_hash,
            recipients=recipients,
            known=known,
        )

    async def _earlier(self, arrival: _Arrival, taken: _Taken) -> Counter[Status]:
        """What became of the deliveries of an earlier copy of this event; those now sending are not among them."""
        event, event_id = arrival.event, arrival.event_id
        if (
            event.event_id is None
            or event.event_type not in ALERT_TYPES
            or len(taken.sending) == taken.planned > 0
        ):
            return Counter()
        asked = deliveries.statuses(self._db, secret_hash=arrival.secret_hash, event_id=event_id)
        known = await self._shelter.run(asked)
        counts = Counter(status for apns_id, status in known.items() if apns_id not in taken.sending)
        if counts:
            log.info(line("event known", eventID=event_id, deliveries=counts.total()))
        if counts["queued"]:
            self._dispatcher.look_for_due()
        return counts
