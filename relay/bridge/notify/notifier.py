"""From a change of a session to the events in the outbox: waits for quick answers, throttles progress, gets the text."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from relay import contract
from relay.bridge.errors import OpenCodeError
from relay.bridge.keyed import CallLater, KeyedQueue, KeyedTimers, call_later
from relay.bridge.notify.mapping import (
    DEFAULT_TEXTS,
    Sender,
    change_id,
    event,
    lost_event,
    progress_event,
    start_event,
    waiting_event,
)
from relay.bridge.notify.open_requests import MOST, SAID, OpenRequests
from relay.bridge.notify.source import Change, Kind, Retry, Source
from relay.bridge.notify.text import card_title
from relay.bridge.notify.throttle import Cards, Ends, RetryAlerts
from relay.bridge.state_file import OpenRuns
from relay.log import line

log = logging.getLogger("relay.bridge.notify.notifier")

ANSWERED = "Answered"
RETRY_ALERT = 300.0
"""Seconds: shorter waits are over before anybody could do something about them."""
HELD_SECONDS: dict[Kind, float] = {"stopped": 0.5, "perhaps_complete": 5.0}
"""So long an end is held back, because what comes next may take its place."""
REPLACED_BY: dict[Kind, Kind] = {
    "stopped": "interrupted",  # OpenCode stops runs itself just before it gives up their instance
    "perhaps_complete": "started",  # it tells a session what its subagents in the background have found
}
BOUND = 1000
"""Requests that may wait for their delay, sessions for their next progress, and changes for their text."""


class Outgoing(Protocol):
    """Where events go; an Outbox."""

    def put(self, event: contract.Event) -> None:
        """Send it."""

    def withdraw(self, session_id: str, event_id: str) -> None:
        """Do not send it if it could not be sent until now."""


class Notifier:
    """Puts into the outbox what became of the sessions, in order for each session.

    A request that is answered within `permission_delay` seconds is not sent: somebody sits at the computer, or a rule
    answered it. A model that keeps a session waiting for longer than `retry_alert` seconds rings once. Of the event types only
    `alerts` ring; the others move the card. A run gets a card after `card_after` seconds; one that is complete in less than
    `min_duration` does not ring, and what completes in one session within `bundle` seconds of an alert rings as one.
    """

    def __init__(
        self,
        source: Source,
        sender: Sender,
        outbox: Outgoing,
        *,
        permission_delay: float,
        retry_alert: float = RETRY_ALERT,
        alerts: frozenset[contract.EventType] = contract.ALERT_TYPES,
        min_duration: float = 0.0,
        card_after: float = 0.0,
        bundle: float = 0.0,
        keep_answered: bool = True,
        open_runs: OpenRuns | None = None,
        requests: OpenRequests | None = None,
        call_later: CallLater = call_later,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._sender = sender
        self._outbox = outbox
        self._permission_delay = permission_delay
        self._alerts = alerts
        self._open_runs = open_runs or OpenRuns()
        self._clock = clock
        self._monotonic = monotonic
        self._card_after = card_after
        self._cards, self._ends = Cards(), Ends(min_duration=min_duration, bundle=bundle)
        self._retry_alerts = RetryAlerts(retry_alert if "error" in alerts else 0)
        self._keep_answered = keep_answered
        self._requests = requests
        self._withdrawn: dict[str, list[str]] = {}
        self._decided: dict[str, str] = {}
        self._rung: OrderedDict[str, str] = (
            OrderedDict()
        )  # requests whose alerts are on the phone, and their words
        self._delays = KeyedTimers(self._ring, bound=BOUND, dropped=_log_overflow, call_later=call_later)
        self._pauses = KeyedTimers(self._show, bound=BOUND, dropped=self._show, call_later=call_later)
        self._starts = KeyedTimers(self._start, bound=BOUND, dropped=self._start, call_later=call_later)
        self._held = KeyedTimers(self._send_held, bound=BOUND, dropped=self._send_held, call_later=call_later)
        self._texts: KeyedQueue[Change | contract.Event] = KeyedQueue(
            "bridge-text", self._send_with_text, bound=BOUND, dropped=_log_overflow
        )

    def decided(self, request_id: str, decision: str) -> None:
        """A phone says so, and OpenCode is told: what comes next of the request is its answer."""
        self._decided[request_id] = SAID[decision]

    def follow(self, source: Source) -> None:
        """From now on this source says what the sessions are called and what they do."""
        self._source = source

    def notify(self, change: Change) -> None:
        """Take in a change. Returns at once."""
        held = self._held.cancel(change.session_id)
        if held and REPLACED_BY[held.kind] != change.kind:
            self._send_held(held)
        HANDLERS[change.kind](self, change)

    async def close(self, drain_seconds: float) -> None:
        """Send what is still waiting, delayed requests and progress at once, within `drain_seconds`."""
        for change in self._delays.close():
            self._ring(change)
        for change in self._held.close():
            self._send_held(change)
        self._starts.close()
        for change in self._pauses.close():
            self._show(change)
        for left in await self._texts.close(drain_seconds):
            log.error(line("not sent", **_names(left), reason="the bridge stops"))

    def lost(self) -> None:
        """OpenCode has been away for long: all cards say so, and the newest request that waits rings once more."""
        subject_id = str(int(self._clock() * 1000))
        open_ids = dict.fromkeys([*self._open_runs.ids(), *self._cards.sessions()])
        asking = [one for one in open_ids if self._cards.asked(one)]
        for session_id in open_ids:
            self._pauses.cancel(session_id)
            rings = session_id in asking[-1:] and "permission" in self._alerts
            asked = self._cards.asked(session_id) if rings else None
            title = self._source.title(session_id)
            event = lost_event(session_id, title, asked, subject_id, self._sender)
            if event.content_state:
                self._cards.lose(session_id, event.content_state, self._monotonic())
            self._send(event)

    def found(self) -> None:
        """It is back: what was missed has been reported, and the cards show what goes on."""
        for session_id in self._cards.sessions():
            self._progress(Change("progress", session_id, str(int(self._clock() * 1000))))

    # One for each kind of change.

    def _started(self, change: Change) -> None:
        session_id = change.session_id
        if self._source.state(session_id, self._clock() * 1000) is None:
            return  # over already: what was held until the session was known
        goes_on = self._open_runs.open(session_id) and self._cards.showing(session_id)
        self._open_runs.begin(session_id)
        self._ends.begin(session_id, self._monotonic())
        if goes_on:
            self._progress(change)  # after an end that was held back
        elif self._card_after > 0:
            self._starts.start(session_id, self._card_after, change)
        else:
            self._start(change)

    def _progress(self, change: Change) -> None:
        now_ms = self._clock() * 1000
        state = self._state(change.session_id)
        if state and change.retry and self._retry_alerts.due(change.session_id, change.retry, now_ms):
            self._wait(change, change.retry, state, now_ms)
        elif state and change.session_id not in self._starts:
            self._offer(change, state)

    def _offer(self, change: Change, state: contract.ContentState) -> None:
        wait = self._cards.offer(change.session_id, state, self._monotonic())
        if wait is None:
            return
        if wait > 0:
            self._pauses.start(change.session_id, wait, change)
        else:
            self._pauses.cancel(change.session_id)
            self._show(change)

    def _wait(self, change: Change, retry: Retry, state: contract.ContentState, now_ms: float) -> None:
        """The model keeps the session waiting for long; a request that waits for the person goes on being shown."""
        self._pauses.cancel(change.session_id)
        self._starts.cancel(change.session_id)
        state = self._cards.begin(change.session_id, state, self._monotonic())
        title = self._source.title(change.session_id)
        self._send(waiting_event(change, retry, title, state, now_ms, self._sender))

    def _asked(self, change: Change) -> None:
        if self._permission_delay > 0:
            self._delays.start(change.subject_id, self._permission_delay, change)
        else:
            self._ring(change)

    def _answered(self, change: Change) -> None:
        if self._requests and self._requests.close(change.subject_id):
            self._withdrawn.setdefault(change.session_id, []).append(change.subject_id)
        change = replace(change, text=change.text or self._decided.pop(change.subject_id, ""))
        self._delays.cancel(change.subject_id)
        asked_id = change_id(Change("asked", change.session_id, change.subject_id), self._sender)
        self._outbox.withdraw(change.session_id, asked_id)
        replacing = self._replacing(change, asked_id)
        was_last = self._cards.answer(change.session_id, change.subject_id)
        if was_last and not self._open_runs.open(change.session_id):
            # A child asked while its root did not run: nothing else will ever end the card that showed it.
            last = Change("stopped", change.session_id, change.subject_id, ANSWERED)
            self._end(last)
            self._send(msgspec.structs.replace(self._event(last, ANSWERED), **replacing))
        elif replacing:
            self._replace(change, replacing)
        else:
            self._progress(change)

    def _replacing(self, change: Change, asked_id: str) -> dict[str, Any]:
        """What makes an event of the session take the place of the alert that asked; nothing if none is on the phone."""
        words = self._rung.pop(change.subject_id, None)
        if words is None:
            return {}
        title = card_title(self._source.title(change.session_id))
        return {"replaces": asked_id, "title": title, "body": f"{change.text or ANSWERED}: {words}"}

    def _replace(self, change: Change, replacing: dict[str, Any]) -> None:
        title = card_title(self._source.title(change.session_id))
        over = contract.ContentState(
            status="working", session_title=title, last_message=change.text or ANSWERED
        )
        state = self._state(change.session_id) or over  # its end is what comes next
        self._pauses.cancel(change.session_id)
        shown = self._cards.begin(change.session_id, state, self._monotonic())
        progress = progress_event(change.session_id, shown, change.subject_id, self._sender)
        self._send(msgspec.structs.replace(progress, **replacing))

    def _completed(self, change: Change) -> None:
        wait = self._ends.complete(change.session_id, self._monotonic())
        if wait is None:
            self._ended(replace(change, kind="stopped", text=DEFAULT_TEXTS["complete"]))
        elif wait > 0:
            self._held.start(change.session_id, wait, replace(change, kind="perhaps_complete"))
        else:
            self._complete(change)

    def _complete(self, change: Change) -> None:
        # Only now, after the end of the turn, is the text the final one.
        self._ends.ring(change.session_id, self._monotonic())
        self._end(change)
        self._texts.put(change.session_id, change)

    def _hold(self, change: Change) -> None:
        self._pauses.cancel(change.session_id)
        self._held.start(change.session_id, HELD_SECONDS[change.kind], change)

    def _send_held(self, change: Change) -> None:
        if change.kind == "stopped":
            self._ended(change)
        else:
            self._complete(replace(change, kind="complete"))

    def _ended(self, change: Change) -> None:
        self._end(change)
        self._send(self._event(change, change.text))

    # What they share.

    def _state(self, session_id: str) -> contract.ContentState | None:
        """What the session does; of one that does not run, what it asks, for its subagents may."""
        state = self._source.state(session_id, self._clock() * 1000)
        if state is None and (asked := self._cards.asked(session_id)):
            return msgspec.structs.replace(asked, session_title=card_title(self._source.title(session_id)))
        return state

    def _start(self, change: Change) -> None:
        state = self._source.state(change.session_id, self._clock() * 1000)
        if state is None:
            return
        self._pauses.cancel(change.session_id)
        shown = self._cards.begin(change.session_id, state, self._monotonic())
        directory = self._source.directory(change.session_id)
        self._send(start_event(change.session_id, shown, directory, change.subject_id, self._sender))

    def _ring(self, change: Change) -> None:
        alert = self._event(change, change.text)
        if alert.content_state:
            self._pauses.cancel(change.session_id)
            self._starts.cancel(change.session_id)
            state, now = alert.content_state, self._monotonic()
            shown = self._cards.ask(change.session_id, change.subject_id, state, now)
            alert = msgspec.structs.replace(alert, content_state=shown)
        if alert.event_type == "permission" and alert.body and not self._keep_answered:
            self._rung[change.subject_id] = alert.body
            if len(self._rung) > BOUND:
                self._rung.popitem(last=False)
        if alert.event_type == "permission" and self._requests:
            request = self._requests.ask(change, self._clock())
            alert = msgspec.structs.replace(alert, request=request)
        self._send(alert)

    def _show(self, change: Change) -> None:
        if state := self._cards.take(change.session_id, self._monotonic()):
            self._send(progress_event(change.session_id, state, change.subject_id, self._sender))

    def _end(self, change: Change) -> None:
        self._open_runs.end(change.session_id, change_id(change, self._sender))
        self._pauses.cancel(change.session_id)
        self._starts.cancel(change.session_id)
        self._ends.end(change.session_id)
        self._cards.end(change.session_id)
        self._retry_alerts.end(change.session_id)

    def _send(self, event: contract.Event) -> None:
        if over := self._withdrawn.pop(event.session_id, None):
            event = msgspec.structs.replace(event, withdraws=over[-MOST:])
        if self._texts.busy(event.session_id):
            self._texts.put(event.session_id, event)  # after what waits for its text
        else:
            self._outbox.put(event)

    async def _send_with_text(self, item: Change | contract.Event) -> None:
        if isinstance(item, Change):
            item = self._event(item, await self._newest_text(item))
        self._outbox.put(item)

    def _event(self, change: Change, text: str) -> contract.Event:
        return event(change, self._source.title(change.session_id), text, self._sender, self._alerts)

    async def _newest_text(self, change: Change) -> str:
        try:
            return await self._source.newest_text(change.session_id, change.subject_id)
        except OpenCodeError as error:
            log.warning(line("no text", sessionID=change.session_id, reason=error))
            return ""  # the alert matters more than its text


HANDLERS: dict[Kind, Callable[[Notifier, Change], None]] = {
    "started": Notifier._started,
    "progress": Notifier._progress,
    "asked": Notifier._asked,
    "answered": Notifier._answered,
    "complete": Notifier._completed,
    "error": Notifier._ended,
    "stopped": Notifier._hold,
    "perhaps_complete": Notifier._hold,
    "interrupted": Notifier._ended,
}


def _log_overflow(item: Change | contract.Event) -> None:
    log.error(line("dropped", **_names(item), reason="too many changes wait"))


def _names(item: Change | contract.Event) -> dict[str, object]:
    kind = item.kind if isinstance(item, Change) else item.event_type
    return {"kind": kind, "sessionID": item.session_id}
