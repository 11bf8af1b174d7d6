"""From a change of a session to the events in the outbox: waits for quick answers, throttles progress, gets the text."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from relay import contract
from relay.bridge.errors import OpenCodeError
from relay.bridge.notify.cards import Cards
from relay.bridge.notify.changes import Change, Kind
from relay.bridge.notify.lanes import Lanes
from relay.bridge.notify.mapping import (
    Sender,
    change_id,
    event,
    newest_text,
    progress_event,
    start_event,
)
from relay.bridge.notify.open_runs import OpenRuns
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.sessions import Sessions
from relay.log import line

log = logging.getLogger("relay.bridge.notify.notifier")

MESSAGES = 20
"""So many of the newest messages are looked through for a text."""
ANSWERED = "Answered"
BOUND = 1000
"""Requests that may wait for their delay, sessions for their next progress, and changes for their text."""


class Outgoing(Protocol):
    """Where events go; an Outbox."""

    def put(self, event: contract.Event) -> None:
        """Send it."""

    def withdraw(self, session_id: str, event_id: str) -> None:
        """Do not send it if it could not be sent until now."""


class Announcer:
    """Tells the outbox what became of the sessions, in order for each session.

    A request that is answered within `permission_delay` seconds is not told: somebody sits at the desk, or a rule
    answered it. Of the event types only `alerts` ring; the others move the card.
    """

    def __init__(
        self,
        opencode: OpenCode,
        sender: Sender,
        outbox: Outgoing,
        *,
        sessions: Sessions,
        permission_delay: float,
        alerts: frozenset[contract.EventType] = contract.ALERT_TYPES,
        open_runs: OpenRuns | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opencode = opencode
        self._sender = sender
        self._outbox = outbox
        self._sessions = sessions
        self._permission_delay = permission_delay
        self._alerts = alerts
        self._open_runs = open_runs or OpenRuns()
        self._sleep = sleep
        self._clock = clock
        self._monotonic = monotonic
        self._cards = Cards()
        self._delays: Lanes[Change] = Lanes("bridge-delay", self._wait, bound=BOUND, dropped=_log_overflow)
        self._pauses: Lanes[tuple[Change, float]] = Lanes(
            "bridge-progress", self._pause, bound=BOUND, dropped=lambda paused: self._show(paused[0])
        )
        self._texts: Lanes[Change | contract.Event] = Lanes(
            "bridge-text", self._announce, bound=BOUND, dropped=_log_overflow
        )

    def tell(self, change: Change) -> None:
        """Take note of a change. Returns at once."""
        TELLERS[change.kind](self, change)

    async def close(self, drain_seconds: float) -> None:
        """Tell what is still waiting, delayed requests and progress at once, within `drain_seconds`."""
        for change in await self._delays.close(0):
            self._ring(change)
        for change, _ in await self._pauses.close(0):
            self._show(change)
        for left in await self._texts.close(drain_seconds):
            kind = left.kind if isinstance(left, Change) else left.event_type
            log.error(line("untold", kind=kind, sessionID=left.session_id, reason="the bridge stops"))

    # One for each kind of change.

    def _started(self, change: Change) -> None:
        session_id = change.session_id
        state = self._sessions.state(session_id, self._clock() * 1000)
        if state is None:
            return  # over already: what was held until the session was learnt
        self._open_runs.begin(session_id)
        self._pauses.cancel(session_id)
        state = self._cards.begin(session_id, state, self._monotonic())
        directory = self._sessions.directory(session_id)
        self._send(start_event(session_id, state, directory, change.fact, self._sender))

    def _progress(self, change: Change) -> None:
        state = self._sessions.state(change.session_id, self._clock() * 1000)
        wait = self._cards.offer(change.session_id, state, self._monotonic()) if state else None
        if wait is None:
            return
        self._pauses.cancel(change.session_id)
        if wait > 0:
            self._pauses.put(change.session_id, (change, wait))
        else:
            self._show(change)

    def _asked(self, change: Change) -> None:
        if self._permission_delay > 0:
            self._delays.put(change.fact, change)
        else:
            self._ring(change)

    def _answered(self, change: Change) -> None:
        self._delays.cancel(change.fact)
        asked = Change("asked", change.session_id, change.fact)
        self._outbox.withdraw(change.session_id, change_id(asked, self._sender))
        was_last = self._cards.answer(change.session_id, change.fact)
        if was_last and not self._open_runs.open(change.session_id):
            # A child asked while its root did not run: nothing else will ever end the card that showed it.
            self._ended(Change("stopped", change.session_id, change.fact, ANSWERED))
        else:
            self._progress(change)

    def _completed(self, change: Change) -> None:
        # Only now, after the end of the turn, is the text the final one.
        self._end(change)
        self._texts.put(change.session_id, change)

    def _ended(self, change: Change) -> None:
        self._end(change)
        self._send(self._event(change, change.text))

    # What they share.

    async def _wait(self, change: Change) -> None:
        await self._sleep(self._permission_delay)
        self._ring(change)

    async def _pause(self, paused: tuple[Change, float]) -> None:
        change, seconds = paused
        await self._sleep(seconds)
        self._show(change)

    def _ring(self, change: Change) -> None:
        told = self._event(change, change.text)
        if told.content_state:
            self._pauses.cancel(change.session_id)
            self._cards.ask(change.session_id, change.fact, told.content_state, self._monotonic())
        self._send(told)

    def _show(self, change: Change) -> None:
        if state := self._cards.take(change.session_id, self._monotonic()):
            self._send(progress_event(change.session_id, state, change.fact, self._sender))

    def _end(self, change: Change) -> None:
        self._open_runs.end(change.session_id, change_id(change, self._sender))
        self._pauses.cancel(change.session_id)
        self._cards.end(change.session_id)

    def _send(self, told: contract.Event) -> None:
        if self._texts.busy(told.session_id):
            self._texts.put(told.session_id, told)  # after what waits for its text
        else:
            self._outbox.put(told)

    async def _announce(self, item: Change | contract.Event) -> None:
        if isinstance(item, Change):
            item = self._event(item, await self._newest_text(item))
        self._outbox.put(item)

    def _event(self, change: Change, text: str) -> contract.Event:
        return event(change, self._sessions.title(change.session_id), text, self._sender, self._alerts)

    async def _newest_text(self, change: Change) -> str:
        try:
            messages = await self._opencode.messages(change.session_id, MESSAGES)
            return newest_text(messages, change.fact)  # the next run may have begun
        except OpenCodeError as error:
            log.warning(line("no text", sessionID=change.session_id, reason=error))
            return ""  # the alert matters more than its text


TELLERS: dict[Kind, Callable[[Announcer, Change], None]] = {
    "started": Announcer._started,
    "progress": Announcer._progress,
    "asked": Announcer._asked,
    "answered": Announcer._answered,
    "complete": Announcer._completed,
    "error": Announcer._ended,
    "stopped": Announcer._ended,
    "interrupted": Announcer._ended,
}


def _log_overflow(item: Change | contract.Event) -> None:
    kind = item.kind if isinstance(item, Change) else item.event_type
    log.error(line("dropped", kind=kind, sessionID=item.session_id, reason="too many changes wait"))
