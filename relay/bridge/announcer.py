"""From a change of a session to the event in the outbox: waits for quick answers and gets the text."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from relay import contract
from relay.bridge.errors import OpenCodeError
from relay.bridge.events import Message
from relay.bridge.lanes import Lanes
from relay.bridge.mapping import Sender, event
from relay.bridge.opencode import OpenCode
from relay.bridge.sessions import Change
from relay.logfmt import line

log = logging.getLogger("relay.bridge.announcer")

MESSAGES = 20
"""So many of the newest messages are looked through for a text."""
BOUND = 1000
"""Changes that may wait for their delay, and as many for their text."""


class Announcer:
    """Tells the outbox what became of the sessions, in order for each session.

    A request that is answered within `permission_delay` seconds is not told: somebody sits at the desk, or a rule
    answered it.
    """

    def __init__(
        self,
        opencode: OpenCode,
        sender: Sender,
        put: Callable[[contract.Event], None],
        *,
        title: Callable[[str], str | None],
        permission_delay: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._opencode = opencode
        self._sender = sender
        self._put = put
        self._title = title
        self._permission_delay = permission_delay
        self._sleep = sleep
        self._delays: Lanes[Change] = Lanes("bridge-delay", self._wait, bound=BOUND, dropped=_log_overflow)
        self._texts: Lanes[Change] = Lanes("bridge-text", self._announce, bound=BOUND, dropped=_log_overflow)

    def tell(self, change: Change) -> None:
        """Take note of a change. Returns at once."""
        if change.kind == "answered":
            self._delays.cancel(change.fact)
        elif change.kind == "asked" and self._permission_delay > 0:
            self._delays.put(change.fact, change)
        else:
            self._texts.put(change.session_id, change)

    async def close(self, drain_seconds: float) -> None:
        """Tell what is still waiting, delayed requests at once, within `drain_seconds`."""
        for change in await self._delays.close(0):
            self._texts.put(change.session_id, change)
        for change in await self._texts.close(drain_seconds):
            log.error(
                line("untold", kind=change.kind, sessionID=change.session_id, reason="the bridge stops")
            )

    async def _wait(self, change: Change) -> None:
        await self._sleep(self._permission_delay)
        self._texts.put(change.session_id, change)

    async def _announce(self, change: Change) -> None:
        # Only now, after the end of the turn, is the text the final one.
        messages = await self._messages(change.session_id)
        self._put(event(change, self._title(change.session_id), messages, self._sender))

    async def _messages(self, session_id: str) -> list[Message]:
        try:
            return await self._opencode.messages(session_id, MESSAGES)
        except OpenCodeError as error:
            log.warning(line("no text", sessionID=session_id, reason=error))
            return []  # the alert matters more than its text


def _log_overflow(change: Change) -> None:
    log.error(line("dropped", kind=change.kind, sessionID=change.session_id, reason="too many changes wait"))
