"""Events as they come in: which alerts each asks for, which Live Activities it changes, and how far the pushes came in time."""

import asyncio
import logging
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from relay import contract
from relay.contract import ALERT_TYPES, Event, EventReply, Refusal
from relay.log import line
from relay.server.admission import Admission, SecretRefused
from relay.server.alerts import Dispatcher, plan
from relay.server.answers import PendingRequests
from relay.server.background import BackgroundTasks, Batches
from relay.server.delivery import Delivery, DeliveryStatus, Recipient
from relay.server.live_activities.sender import ActivitySender
from relay.server.metrics import Recorder
from relay.server.store import activities as activity_table
from relay.server.store import deliveries
from relay.server.store.sql import Database, Refused

if TYPE_CHECKING:  # only where spans are exported there are its packages
    from relay.server.tracing import EventSpan, Tracing

log = logging.getLogger("relay.server.intake")

EVENTS_AT_ONCE = 100
"""Events that are looked up and written down together."""
MOST_WITH_MANY = 1000
"""Secrets with very many phones that are remembered; one that is forgotten is found out again."""
DAY_LIMIT_SESSION = "relay"
"""What the app is given as the session of the alert that is the relay's own; there is none."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An event that came. One without an id of its own gets one."""

    event: Event
    event_id: str
    secret_hash: str
    span: "EventSpan | None" = None


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What an event set going: alerts by apns-id, of which an earlier copy may have left only some; Live Activities.

    `refusal`: nothing, because its secret is not taken.
    """

    planned: int
    sending: dict[str, asyncio.Future[DeliveryStatus]]
    activities: asyncio.Task[int]
    refusal: Refusal | None = None


class Intake:
    """Accepts events. A resend of the same eventID sends nothing again and reports what became of the first."""

    def __init__(
        self,
        db: Database,
        dispatcher: Dispatcher,
        activities: ActivitySender,
        *,
        deadline: float,
        now: Callable[[], float],
        bundle_ids: frozenset[str] = frozenset(),
        recorder: Recorder | None = None,
        admission: Admission | None = None,
        tracing: "Tracing | None" = None,
        requests: PendingRequests | None = None,
    ) -> None:
        self._tracing, self._requests = tracing, requests
        self._admission = admission or Admission(db)
        self._recorder = recorder or Recorder()
        self._db, self._dispatcher, self._activities = db, dispatcher, activities
        self._bundle_ids = bundle_ids
        self._deadline, self._now = deadline, now
        self._accept_batched: Batches[_Arrival, _Accepted | asyncio.Task[_Accepted]] = Batches(
            self._accept_all, most=EVENTS_AT_ONCE, owner=attrgetter("secret_hash")
        )
        self._known_activities = Batches(
            partial(activity_table.of_sessions, db), most=EVENTS_AT_ONCE, owner=itemgetter(0)
        )
        self._with_many: OrderedDict[str, None] = OrderedDict()
        """Secrets that were found to have very many phones, the latest last: their events wait for no batch, and hold up none."""
        # No deadline: every statement has its own, and ten thousand phones take many.
        self._background = BackgroundTasks(None)

    async def close(self) -> None:
        """Wait until all that came is written down."""
        await self._accept_batched.close()
        await self._background.close()

    async def accept(self, event: Event, headers: Mapping[str, str] | None = None) -> EventReply:
        """Written down before it is sent; pushes that have not ended within the deadline count as queued.

        So does every Live Activity that the event changes: its push may have to wait for its turn. Raises SecretRefused, after the
        same statements as for a secret that has no phone. `headers`: of its request, as far as they name a trace.
        """
        if event.request or event.withdraws:
            event = await self._noted(event)
        arrival = _Arrival(event, event.event_id or uuid.uuid4().hex, contract.secret_hash(event.secret))
        if self._tracing is None:
            return await self._accept(arrival)
        key = (arrival.secret_hash, arrival.event_id)
        about = {"event_type": event.event_type, "session_id": event.session_id}
        with self._tracing.event(headers or {}, key, **about) as span:
            return span.replied(await self._accept(replace(arrival, span=span)))

    async def _accept(self, arrival: _Arrival) -> EventReply:
        event = arrival.event
        begun: _Accepted | asyncio.Task[_Accepted]
        if arrival.secret_hash in self._with_many:
            begun = self._background.start(self._accept_many(arrival))
        else:
            begun = await self._accept_batched(arrival)
        accepted = begun if isinstance(begun, _Accepted) else await asyncio.shield(begun)
        if not accepted.refusal:
            self._recorder.event(event.event_type)
        sending = accepted.sending.values()
        if sending:
            await asyncio.wait(sending, timeout=self._deadline)
        counts = Counter(status.result() if status.done() else "queued" for status in sending)
        counts += await self._earlier(arrival, accepted)
        changed = await asyncio.shield(accepted.activities)
        if accepted.refusal:
            raise SecretRefused(accepted.refusal)
        return EventReply(sent=counts["sent"], failed=counts["failed"], queued=counts["queued"] + changed)

    def say_day_limit(self, secret: str, server_id: object, most: int) -> None:
        """Ring once on the secret's phones: its events of a day are used up. Returns at once; the day is in the eventID, so that it is
        once, too, where this relay starts again or another says it.
        """
        day = time.strftime("%Y-%m-%d", time.gmtime(self._now()))
        event = Event(
            secret=secret,
            event_type="error",
            session_id=DAY_LIMIT_SESSION,
            server_id=server_id if isinstance(server_id, str) and server_id else None,
            title="Daily limit reached",
            body=f"OpenCode has used up its {most} events a day at this relay. Cards move more slowly; alerts may come later.",
            event_id=f"day-limit-{day}",
        )
        self._background.start(self.accept(event))

    async def _noted(self, event: Event) -> Event:
        """Before anything rings, so that whoever answers at once is known. Raises SecretRefused."""
        secret_hash = contract.secret_hash(event.secret)
        if refusal := await self._admission.refusal(secret_hash):
            raise SecretRefused(refusal)
        return event if self._requests is None else await self._requests.note(event, secret_hash)

    async def _accept_all(
        self, arrivals: Sequence[_Arrival]
    ) -> list[_Accepted | asyncio.Task[_Accepted] | Exception]:
        """The alerts; whatever else an event sets going does not keep them waiting, nor the next batch. Of an event with very many
        phones the task that accepts it.
        """
        began = self._now()
        hashes = [arrival.secret_hash for arrival in arrivals]
        refusals = await self._admission.refusals(hashes)
        recipients = await deliveries.recipients_at_once(self._db, hashes)
        looked_up = self._step(
            "recipients looked up", arrivals, [len(phones or ()) for phones in recipients], began
        )
        found = [[] if refusal else phones for refusal, phones in zip(refusals, recipients, strict=True)]
        few = [
            (arrival, self._served(phones), refusal)
            for arrival, phones, refusal in zip(arrivals, found, refusals, strict=True)
            if phones is not None
        ]
        planned = [self._plan(arrival, phones) for arrival, phones, _ in few]
        sending = await self._dispatcher.enqueue(planned)
        written = [arrival for arrival, _, _ in few]
        self._step("deliveries written", written, [len(alerts) for alerts in planned], looked_up)
        begun = iter(
            [
                self._begun(arrival, phones, of_one, len(alerts), refusal)
                for (arrival, phones, refusal), alerts, of_one in zip(few, planned, sending, strict=True)
            ]
        )
        return [
            self._background.start(self._accept_many(arrival)) if phones is None else next(begun)
            for arrival, phones in zip(arrivals, found, strict=True)
        ]

    async def _accept_many(self, arrival: _Arrival) -> _Accepted:
        """An event with very many phones, a page at a time: what comes meanwhile for others is accepted in between. A secret's events
        are accepted one after the other, so that a flood of them asks the database for no more than one. Raises SecretRefused: a secret
        with very many phones may be revoked while its events wait.
        """
        secret_hash = arrival.secret_hash
        self._remember(secret_hash)
        async with self._db.turn(("very many phones", secret_hash)):
            if refusal := await self._admission.refusal(secret_hash):
                raise SecretRefused(refusal)
            accepted, phones = await self._accept_pages(arrival)
        if phones <= deliveries.PAGE:
            self._with_many.pop(secret_hash, None)
        return accepted

    def _remember(self, secret_hash: str) -> None:
        self._with_many[secret_hash] = None
        self._with_many.move_to_end(secret_hash)
        if len(self._with_many) > MOST_WITH_MANY:
            self._with_many.popitem(last=False)

    async def _accept_pages(self, arrival: _Arrival) -> tuple[_Accepted, int]:
        """And how many phones the secret has."""
        began = self._now()
        recipients: list[Recipient] = []
        sending: dict[str, asyncio.Future[DeliveryStatus]] = {}
        planned = read = 0
        async for page in deliveries.pages_of(self._db.of(arrival.secret_hash), arrival.secret_hash):
            phones = self._served(page)
            alerts = self._plan(arrival, phones)
            (begun,) = await self._dispatcher.enqueue([alerts], secret_hash=arrival.secret_hash)
            if isinstance(begun, Refused):
                raise begun
            recipients += phones
            sending |= begun
            planned += len(alerts)
            read += len(page)
        self._step("deliveries written", [arrival], [planned], began)
        following = self._background.start(self._follow(arrival, recipients, planned, many=True))
        return _Accepted(planned, sending, following), read

    def _begun(
        self,
        arrival: _Arrival,
        phones: list[Recipient],
        sending: dict[str, asyncio.Future[DeliveryStatus]] | Refused,
        alerts: int,
        refusal: Refusal | None,
    ) -> _Accepted | Refused:
        if isinstance(sending, Refused):
            return sending
        following = self._background.start(self._follow(arrival, phones, alerts, refusal))
        return _Accepted(alerts, sending, following, refusal)

    def _step(self, name: str, arrivals: Sequence[_Arrival], counts: Sequence[int], began: float) -> float:
        """A span of each event from `began` (UNIX seconds) to now, which is returned."""
        now = self._now()
        for arrival, count in zip(arrivals, counts, strict=True):
            if arrival.span is not None:
                arrival.span.step(name, began, now, count)
        return now

    def _plan(self, arrival: _Arrival, phones: list[Recipient]) -> list[Delivery]:
        return plan(
            arrival.event,
            event_id=arrival.event_id,
            secret_hash=arrival.secret_hash,
            recipients=phones,
            now_ms=int(self._now() * 1000),
        )

    def _served(self, phones: Sequence[Recipient]) -> list[Recipient]:
        return [phone for phone in phones if self._serves(phone)]

    def _serves(self, phone: Recipient) -> bool:
        """Not a phone of an app that was taken off the list after it registered."""
        return not self._bundle_ids or phone.bundle_id in self._bundle_ids

    async def _follow(
        self,
        arrival: _Arrival,
        recipients: list[Recipient],
        alerts: int,
        refusal: Refusal | None = None,
        *,
        many: bool = False,
    ) -> int:
        """What comes after the alerts, for a sound must not wait for it: a line in the log, and the Live Activities of the
        session; how many of them change. `many`: the secret has very many phones.
        """
        event, event_id, secret_hash = arrival.event, arrival.event_id, arrival.secret_hash
        log.info(
            line(
                "event refused" if refusal else "event",
                eventID=event_id,
                eventType=event.event_type,
                sessionID=event.session_id,
                secretHash=f"{secret_hash[:12]}…",
                **({"reason": refusal.code} if refusal else {"deliveries": alerts}),
            )
        )
        session = (secret_hash, event.session_id)
        if many:
            known = await activity_table.of_session(self._db.of(secret_hash), *session)
        else:
            known = await self._known_activities(session)
        if refusal or (not known and not recipients):
            return 0  # nothing can change, and nobody's turn is waited for
        return await self._activities.receive(
            event,
            event_id=event_id,
            secret_hash=secret_hash,
            recipients=recipients,
            known=known,
            many=many,
        )

    async def _earlier(self, arrival: _Arrival, accepted: _Accepted) -> Counter[DeliveryStatus]:
        """What became of the deliveries of an earlier copy of this event; those now sending are not among them."""
        event, event_id = arrival.event, arrival.event_id
        all_are_new = len(accepted.sending) == accepted.planned > 0
        if event.event_id is None or event.event_type not in ALERT_TYPES or all_are_new:
            return Counter()
        known = await self._background.run(
            deliveries.statuses(
                self._db.of(arrival.secret_hash), secret_hash=arrival.secret_hash, event_id=event_id
            )
        )
        counts = Counter(status for apns_id, status in known.items() if apns_id not in accepted.sending)
        if counts:
            log.info(line("event known", eventID=event_id, deliveries=counts.total()))
        if counts["queued"]:
            self._dispatcher.engine.wake()
        return counts
