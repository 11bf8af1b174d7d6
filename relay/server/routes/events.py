"""POST /v1/event: which alerts an event asks for, which Live Activities it changes, and how far the pushes came in time.

The route is plain ASGI before Quart, because a busy relay spends its time in it: Quart's own handling of a request
(contexts, signals, sessions, three tasks) costs as much as everything else that an event needs together, and nothing of it
is needed here. Every other request goes on to Quart.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from relay import contract
from relay.contract import ALERT_TYPES, Event, EventReply, Message
from relay.http_errors import REFUSALS
from relay.log import line
from relay.server.alerts.dispatcher import Dispatcher
from relay.server.alerts.planner import plan
from relay.server.background import BackgroundTasks, Batches
from relay.server.delivery import Delivery, DeliveryStatus, Recipient
from relay.server.live_activities.life import concerned
from relay.server.live_activities.sender import ActivitySender
from relay.server.routes.envelope import refusal
from relay.server.store import activities as activity_table
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.routes.events")

PATH = "/v1/event"
EVENTS_AT_ONCE = 100
"""Events that are looked up and written down together."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An event that came. One without an id of its own gets one."""

    event: Event
    event_id: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What an event set going: alerts by apns-id, of which an earlier copy may have left only some; Live Activities, if any."""

    planned: int
    sending: dict[str, asyncio.Future[DeliveryStatus]]
    activities: asyncio.Task[int] | None


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
    ) -> None:
        self._db, self._dispatcher, self._activities = db, dispatcher, activities
        self._deadline, self._now = deadline, now
        self._accept_batched = Batches(self._accept_all, most=EVENTS_AT_ONCE)
        # No deadline: every statement has its own, and ten thousand phones take many.
        self._background = BackgroundTasks(None)

    async def close(self) -> None:
        """Wait until all that came is written down."""
        await self._accept_batched.close()
        await self._background.close()

    async def accept(self, event: Event) -> EventReply:
        """Written down before it is sent; pushes that have not ended within the deadline count as queued.

        So does every Live Activity that the event changes: its push may have to wait for its turn.
        """
        arrival = _Arrival(event, event.event_id or uuid.uuid4().hex, contract.secret_hash(event.secret))
        accepted = await self._accept_batched(arrival)
        sending = accepted.sending.values()
        if sending:
            await asyncio.wait(sending, timeout=self._deadline)
        counts = Counter(status.result() if status.done() else "queued" for status in sending)
        counts += await self._earlier(arrival, accepted)
        changed = await asyncio.shield(accepted.activities) if accepted.activities else 0
        return EventReply(sent=counts["sent"], failed=counts["failed"], queued=counts["queued"] + changed)

    async def _accept_all(self, arrivals: Sequence[_Arrival]) -> list[_Accepted]:
        """The alerts first: a sound must not wait for a Live Activity. Nor does the next batch wait for Live Activities."""
        recipients = await devices.recipients_of(self._db, [arrival.secret_hash for arrival in arrivals])
        planned = [self._plan(arrival, phones) for arrival, phones in zip(arrivals, recipients, strict=True)]
        sending = await self._dispatcher.enqueue(planned)
        sessions = [(arrival.secret_hash, arrival.event.session_id) for arrival in arrivals]
        known = await activity_table.of_sessions(self._db, sessions)
        changes = [
            self._background.start(
                self._activities.receive(
                    arrival.event,
                    event_id=arrival.event_id,
                    secret_hash=arrival.secret_hash,
                    recipients=phones,
                    known=those,
                )
            )
            if concerned(phones, those)
            else None
            for arrival, phones, those in zip(arrivals, recipients, known, strict=True)
        ]
        return list(map(_Accepted, map(len, planned), sending, changes))

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

    async def _earlier(self, arrival: _Arrival, accepted: _Accepted) -> Counter[DeliveryStatus]:
        """What became of the deliveries of an earlier copy of this event; those now sending are not among them."""
        event, event_id = arrival.event, arrival.event_id
        all_are_new = len(accepted.sending) == accepted.planned > 0
        if event.event_id is None or event.event_type not in ALERT_TYPES or all_are_new:
            return Counter()
        known = await self._background.run(
            deliveries.statuses(self._db, secret_hash=arrival.secret_hash, event_id=event_id)
        )
        counts = Counter(status for apns_id, status in known.items() if apns_id not in accepted.sending)
        if counts:
            log.info(line("event known", eventID=event_id, deliveries=counts.total()))
        if counts["queued"]:
            self._dispatcher.engine.wake()
        return counts


class EventRoute:
    """ASGI middleware over one intake. A caller who hangs up meanwhile changes nothing."""

    def __init__(self, app: ASGIFramework, intake: Intake, *, max_body: int, body_timeout: float) -> None:
        self._app, self._intake = app, intake
        self._max_body, self._body_timeout = max_body, body_timeout

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer an event, or pass on."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await _respond(send, *await self._answer(receive))
        else:
            await self._app(scope, receive, send)

    async def _answer(self, receive: ASGIReceiveCallable) -> tuple[Message, int]:
        try:
            async with asyncio.timeout(self._body_timeout):
                body = await self._body(receive)
        except TimeoutError:
            return REFUSALS[408], 408
        if len(body) > self._max_body:
            return REFUSALS[413], 413
        try:
            return await self._intake.accept(contract.decode(body, Event)), 200
        except Exception as error:
            return refusal(error)

    async def _body(self, receive: ASGIReceiveCallable) -> bytes:
        """The body, or so much of it that it is too large. One that breaks off is no JSON."""
        body = b""
        more = True
        while more and len(body) <= self._max_body:
            message = cast(dict[str, Any], await receive())
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


async def _respond(send: ASGISendCallable, message: Message, status: int) -> None:
    body = contract.encode(message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
