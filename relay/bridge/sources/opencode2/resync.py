"""Asks an OpenCode 2 server for what the stream did not report: after every connection, because OpenCode repeats nothing.

The stream is subscribed before its first byte (recorded: 80 of 80 events right after it arrived), so nothing is waited for.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError
from relay.bridge.notify.source import Change
from relay.bridge.sources import resync
from relay.bridge.sources.opencode2.catch_up import CatchUp, OpenRequest, Snapshot
from relay.bridge.sources.opencode2.client import OpenCode
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.wire import Info
from relay.bridge.sources.opencode2.wording import asked_words, form_brief, form_words
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode2.resync")

RECENT = 100
"""Sessions that are searched for ends that were missed."""
LIVE_MS = 24 * 3600 * 1000
"""Where the server does not say which folders are loaded: those of sessions that were used within a day."""
MAX_UNANSWERED = 10
"""Of more sessions and folders that do not answer it is the server that does not."""
TRIES = 4
"""So often what did not answer is asked: the folder of a session may be gone, and then it never will (recorded: 500)."""


class Resync(resync.Resync):
    """Of generation 2; `when` is how it waits and tries again."""

    def __init__(
        self,
        opencode: OpenCode,
        sessions: Sessions,
        catch_up: CatchUp,
        act: Callable[[list[Change]], None],
        **when: Any,
    ) -> None:
        super().__init__(opencode.url, **when)
        self._opencode = opencode
        self._sessions = sessions
        self._catch_up = catch_up
        self._act = act
        self._unanswered: list[OpenCodeError] = []  # of single sessions and folders, in this pass

    async def _run(self, since_ms: float, now_ms: float, done: Callable[[], None]) -> None:
        since_ms = min(since_ms, now_ms)  # its clock may have been set back
        attempt = answered = 0
        while True:
            try:
                await self._catch_up_once(since_ms, now_ms)
                answered += 1
            except OpenCodeError as error:
                self._unanswered = [error]
            if not self._unanswered or answered == TRIES:
                break
            attempt += 1
            await self._wait(attempt, self._unanswered[0])
        done()

    async def _catch_up_once(self, since_ms: float, now_ms: float) -> None:
        self._unanswered = []
        mark = self._catch_up.mark()
        recent = await self._opencode.recent_sessions(RECENT)
        snapshot = await self._snapshot(recent, now_ms)
        await self._each(self._catch_up.unplaced(snapshot), self._place)
        changes, ended = self._catch_up.resync(snapshot, mark)
        self._act(changes)
        await self._each(snapshot.active, self._note)
        missed = [info for info in recent if self._catch_up.missed(info, since_ms)]
        for info in missed:
            self._act(self._sessions.learn(info.id, info))
        idle = dict.fromkeys([*ended, *(info.id for info in missed)])
        over = [one for one in idle if one not in snapshot.active]
        unknown = await self._each(over, lambda session_id: self._end(session_id, mark, since_ms))
        for info in reversed([one for one in recent if one.id not in unknown]):
            self._catch_up.know_end(info.id, info.time.idle)

    async def _each(self, session_ids: Iterable[str], ask: Callable[[str], Awaitable[None]]) -> set[str]:
        """Ask about these sessions; those of which the server did not answer, which cost no other."""
        unknown: set[str] = set()
        for session_id in session_ids:
            try:
                await ask(session_id)
            except NotFound:
                self._act(self._sessions.forget(session_id))
            except OpenCodeError as error:
                unknown.add(session_id)
                self._note_unanswered(error)
        return unknown

    def _note_unanswered(self, error: OpenCodeError) -> None:
        self._unanswered.append(error)
        if len(self._unanswered) > MAX_UNANSWERED:
            raise error

    async def _snapshot(self, recent: list[Info], now_ms: float) -> Snapshot:
        active = await self._opencode.active()
        requests: list[OpenRequest] = []
        unanswered: set[str] = set()
        for directory in await self._directories(recent, now_ms):
            try:
                requests += await self._requests(directory)
            except NotFound:
                continue  # the folder is gone, and what was asked there with it
            except OpenCodeError as error:
                log.warning(line("folder does not answer", directory=directory, reason=error))
                unanswered.add(directory)
                self._note_unanswered(error)
        return Snapshot(active, requests, frozenset(unanswered))

    async def _directories(self, recent: list[Info], now_ms: float) -> list[str]:
        try:
            return await self._opencode.loaded_directories()
        except (NotFound, NotOpenCode):  # a route that is called "debug" may go
            live_ms = now_ms - LIVE_MS
            live = [
                info.directory for info in recent if (info.time.updated or 0) > live_ms and info.directory
            ]
            return list(dict.fromkeys(live))

    async def _requests(self, directory: str) -> list[OpenRequest]:
        permissions = await self._opencode.permissions(directory)
        forms = await self._opencode.forms(directory)
        return [
            *(OpenRequest(one.session_id, one.id, asked_words(one, {}, directory)) for one in permissions),
            *(
                OpenRequest(one.session_id, one.id, form_words(one), form_brief(one), is_form=True)
                for one in forms
                if one.of_a_session
            ),
        ]

    async def _place(self, session_id: str) -> None:
        self._act(self._sessions.learn(session_id, await self._opencode.session(session_id)))

    async def _note(self, session_id: str) -> None:
        mark = self._catch_up.mark()
        self._act(self._catch_up.note(session_id, await self._opencode.messages(session_id, 5), mark))

    async def _end(self, session_id: str, mark: int, since_ms: float) -> None:
        info = await self._opencode.session(session_id)
        messages = await self._opencode.messages(session_id)
        self._act(self._catch_up.ended(session_id, info, messages, mark, since_ms))
