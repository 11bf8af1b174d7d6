"""Asks a server for what the stream did not tell: after every connection, because OpenCode repeats nothing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import random as system_random

from relay.bridge.backoff import Backoff
from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError
from relay.bridge.notify.changes import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.events import Asking, Info, Message, RetryStatus
from relay.bridge.sources.opencode1.sessions import Sessions
from relay.bridge.sources.opencode1.snapshot import Snapshot, ending
from relay.log import line

log = logging.getLogger("relay.bridge.sources.opencode1.resync")

SETTLE_SECONDS = 0.25
"""After server.connected OpenCode 1.18 is deaf for up to some 60 ms; a snapshot taken later covers that gap, too."""
SECOND_LOOK_SECONDS = 1.0
"""An error reaches the message some 70 ms after the session is idle; only then is a run without an end interrupted."""
RECENT = 100
"""Sessions looked through for ends that were missed."""
LIVE_MS = 24 * 3600 * 1000
"""Directories of sessions that were used within a day are asked, too; asking starts an instance there."""
MAX_DIRECTORIES = 50


class Resync:
    """One resync at a time: a new connection begins a new one. `known_until` (UNIX ms): nothing before was missed."""

    def __init__(
        self,
        opencode: OpenCode,
        sessions: Sessions,
        catch_up: CatchUp,
        act: Callable[[list[Change]], None],
        *,
        known_until: float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen, so sharing it is harmless
        random: Callable[[], float] = system_random,
    ) -> None:
        self._opencode = opencode
        self._sessions = sessions
        self._catch_up = catch_up
        self._act = act
        self._clock = clock
        self._sleep = sleep
        self._backoff = backoff
        self._random = random
        self._task: asyncio.Task[None] | None = None
        self.known_until = self._now() if known_until is None else known_until
        self.synced = False

    def start(self) -> None:
        """The stream is connected anew. Returns at once."""
        self.synced = False
        if self._task:
            self._task.cancel()
        self._task = asyncio.create_task(self._run(), name="bridge-resync")

    def heard(self) -> None:
        """The stream is alive."""
        if self.synced:
            self.known_until = self._now()

    async def close(self, _: float) -> None:
        """Stop; the next bridge asks again."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        attempt = 0
        await self._sleep(SETTLE_SECONDS)
        while True:
            try:
                await self._catch_up_once()
            except NotOpenCode as error:
                # Too old a server for these routes, or too new a one: trying again would not help.
                log.warning(line("no resync", url=self._opencode.url, reason=error))
                self._act(self._catch_up.give_up())
                break
            except OpenCodeError as error:
                attempt += 1
                delay = self._backoff.delay(attempt, self._random)
                log.warning(line("resync failed", url=self._opencode.url, reason=error, retry_in=delay))
                await self._sleep(delay)
            else:
                break
        self.synced, self.known_until = True, self._now()

    async def _catch_up_once(self) -> None:
        for session_id in self._catch_up.unplaced():
            await self._place(session_id)
        recent = await self._recent()
        mark = self._catch_up.mark()
        snapshot = await self._snapshot(self._directories(recent))
        changes, ended = self._catch_up.resync(snapshot, mark)
        self._act(changes)
        for session_id in self._catch_up.running():
            self._catch_up.note(session_id, await self._newest(session_id))
        missed = [info for info in recent if self._may_have_ended(info, snapshot) and info.id not in ended]
        for info in missed:
            self._act(self._sessions.learn(info.id, info))
        await self._judge([*ended, *(info.id for info in missed)], mark)

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

    def _directories(self, recent: list[Info]) -> frozenset[str | None]:
        live = [info.directory for info in recent if (info.time.updated or 0) > self._now() - LIVE_MS]
        return frozenset(self._catch_up.directories()) | frozenset(
            list(dict.fromkeys(live))[:MAX_DIRECTORIES]
        )

    async def _snapshot(self, directories: frozenset[str | None]) -> Snapshot:
        statuses: dict[str, RetryStatus] = {}
        requests: list[Asking] = []
        for directory in directories:
            statuses |= await self._opencode.statuses(directory)
            requests += await self._opencode.requests(directory)
        return Snapshot(directories, statuses, requests)

    def _may_have_ended(self, info: Info, snapshot: Snapshot) -> bool:
        return info.id not in snapshot.statuses and (info.time.updated or 0) >= self.known_until

    async def _judge(self, session_ids: list[str], mark: int) -> None:
        doubtful: list[str] = []
        for session_id in session_ids:
            if ending(await self._newest(session_id)) == "interrupted":
                doubtful.append(session_id)
            else:
                await self._end(session_id, mark)
        if doubtful:
            await self._sleep(SECOND_LOOK_SECONDS)
        for session_id in doubtful:
            await self._end(session_id, mark)

    async def _end(self, session_id: str, mark: int) -> None:
        newest = await self._newest(session_id)
        self._act(self._catch_up.ended(session_id, newest, mark, self.known_until))

    async def _newest(self, session_id: str) -> Message | None:
        try:
            return next(reversed(await self._opencode.messages(session_id, 1)), None)
        except NotFound:
            self._act(self._sessions.forget(session_id))
            return None

    def _now(self) -> float:
        return self._clock() * 1000
