"""Asks a server for what the stream did not report: after every connection, because OpenCode repeats nothing."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError
from relay.bridge.notify.source import Change
from relay.bridge.sources import resync
from relay.bridge.sources.opencode1.catch_up import CatchUp, Snapshot, ending
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Info, PendingRequest, RetryStatus, SessionMessage
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode1.resync")

SNAPSHOT_DELAY = 0.25
"""Seconds. After server.connected OpenCode 1.18 sends nothing for up to some 60 ms; a later snapshot covers that gap."""
RECHECK_SECONDS = 1.0
"""An error reaches the message some 70 ms after the session is idle; only then is a run without an end interrupted."""
RECENT = 100
"""Sessions that are searched for ends that were missed."""
LIVE_MS = 24 * 3600 * 1000
"""Directories of sessions that were used within a day are asked, too; asking starts an instance there."""
MAX_DIRECTORIES = 50


class Resync(resync.Resync):
    """Of generation 1; `when` is how it waits and tries again."""

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

    async def _run(self, since_ms: float, now_ms: float, done: Callable[[], None]) -> None:
        attempt = 0
        await self._sleep(SNAPSHOT_DELAY)
        while True:
            try:
                await self._catch_up_once(since_ms, now_ms)
            except NotOpenCode as error:
                # Too old a server for these routes, or too new a one: trying again would not help.
                log.warning(line("no resync", url=self._opencode.url, reason=error))
                self._act(self._catch_up.give_up())
                break
            except OpenCodeError as error:
                attempt += 1
                await self._wait(attempt, error)
            else:
                break
        done()

    async def _catch_up_once(self, since_ms: float, now_ms: float) -> None:
        for session_id in self._catch_up.unplaced():
            await self._place(session_id)
        recent = await self._recent()
        mark = self._catch_up.mark()
        snapshot = await self._snapshot(self._directories(recent, now_ms))
        for session_id in self._catch_up.strangers(snapshot):
            await self._place(session_id)
        changes, ended = self._catch_up.resync(snapshot, mark)
        self._act(changes)
        for session_id in self._catch_up.running():
            self._act(self._catch_up.note(session_id, await self._newest(session_id)))
        news = self._catch_up.news(recent, since_ms, now_ms)
        idle = [info for info in recent if info.id not in snapshot.statuses and info.id not in ended]
        for info in idle:
            if info.id in news:
                self._act(self._sessions.learn(info.id, info))
        after = dict.fromkeys(ended, since_ms) | {info.id: news[info.id] for info in idle if info.id in news}
        await self._end_all(after, mark)
        self._catch_up.used(reversed(recent))

    async def _place(self, session_id: str) -> None:
        try:
            self._act(self._sessions.learn(session_id, await self._opencode.session(session_id)))
        except NotFound:
            self._act(self._sessions.forget(session_id))

    async def _recent(self) -> list[Info]:
        try:
            return await self._opencode.recent_sessions(RECENT)
        except (NotFound, NotOpenCode):
            return []  # a route that is called experimental may go

    def _directories(self, recent: list[Info], now_ms: float) -> frozenset[str | None]:
        live_ms = now_ms - LIVE_MS
        live = [info.directory for info in recent if (info.time.updated or 0) > live_ms]
        return frozenset(self._catch_up.directories()) | frozenset(
            list(dict.fromkeys(live))[:MAX_DIRECTORIES]
        )

    async def _snapshot(self, directories: frozenset[str | None]) -> Snapshot:
        statuses: dict[str, RetryStatus] = {}
        requests: list[PendingRequest] = []
        for directory in directories:
            statuses |= await self._opencode.statuses(directory)
            requests += await self._opencode.requests(directory)
        return Snapshot(directories, statuses, requests)

    async def _end_all(self, sessions: Mapping[str, float], mark: int) -> None:
        """How they ended; each with the time after which an end is new."""
        doubtful: list[str] = []
        for session_id, since_ms in sessions.items():
            if ending(await self._newest(session_id)) == "interrupted":
                doubtful.append(session_id)
            else:
                await self._end(session_id, mark, since_ms)
        if doubtful:
            await self._sleep(RECHECK_SECONDS)
        for session_id in doubtful:
            await self._end(session_id, mark, sessions[session_id])

    async def _end(self, session_id: str, mark: int, since_ms: float) -> None:
        newest = await self._newest(session_id)
        self._act(self._catch_up.ended(session_id, newest, mark, since_ms))

    async def _newest(self, session_id: str) -> SessionMessage | None:
        try:
            return next(reversed(await self._opencode.messages(session_id, 1)), None)
        except NotFound:
            self._act(self._sessions.forget(session_id))
            return None
