"""Watches the events of one OpenCode server: folds them, learns unknown sessions, and has the changes announced."""

import logging
from collections.abc import AsyncIterator, Callable

from relay.bridge.errors import OpenCodeError
from relay.bridge.notify.changes import Change
from relay.bridge.notify.lanes import Lanes
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.events import Event
from relay.bridge.sources.opencode1.sessions import Sessions
from relay.log import line

log = logging.getLogger("relay.bridge.watch")

BOUND = 1000
"""Sessions that may wait to be looked up."""


class Watch:
    """Never stops reading: looking up a session and announcing a change happen in tasks of their own."""

    def __init__(self, opencode: OpenCode, sessions: Sessions, tell: Callable[[Change], None]) -> None:
        self._opencode = opencode
        self._sessions = sessions
        self._tell = tell
        self._lookups: Lanes[str] = Lanes(
            "bridge-lookup", self._learn, bound=BOUND, dropped=self._assume_root
        )

    async def run(self, events: AsyncIterator[Event], heard: Callable[[str], None] = lambda _: None) -> None:
        """Until `events` end. `heard` is told the type of each event after it was folded; it must be quick."""
        async for event in events:
            self.act(self._sessions.fold(event))
            heard(event.type)

    def act(self, changes: list[Change]) -> None:
        """Have the changes announced, and unknown sessions looked up."""
        for change in changes:
            if change.kind == "unknown":
                self._lookups.put(change.session_id, change.session_id)
            else:
                self._tell(change)

    async def close(self, drain_seconds: float) -> None:
        """Finish the look-ups that run, within `drain_seconds`."""
        for session_id in await self._lookups.close(drain_seconds):
            self._assume_root(session_id)

    async def _learn(self, session_id: str) -> None:
        try:
            info = await self._opencode.session(session_id)
        except OpenCodeError as error:
            # Better one alert too many than one too few: a session that nobody knows counts as a root.
            log.warning(line("unknown session", sessionID=session_id, reason=error))
            self._assume_root(session_id)
        else:
            self.act(self._sessions.learn(session_id, info))

    def _assume_root(self, session_id: str) -> None:
        self.act(self._sessions.learn(session_id, None))
