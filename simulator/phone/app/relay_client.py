"""The app's calls to the relay, and what the relay should know of its activities' tokens: reported until it is known."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from simulator.clock import Clock

ATTEMPT_DEADLINE = 10.0
"""Seconds of real time for one request."""

PATIENCE = 120.0
"""Seconds of the simulator's clock for which a call is repeated while the relay is down."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_TRY_AGAIN = frozenset({408, 429})

Outcome = Literal["accepted", "refused", "unreachable"]


class Tasks:
    """Tasks of one owner. None is lost: each ends, is cancelled, or raises from `close`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    def __len__(self) -> int:
        """How many run now."""
        return len(self._running)

    def start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run this beside everything else."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what still runs. Raises the first error that a task ended with."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._failed:
            raise self._failed[0]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended: HTTP status (0 if nobody answered), the error it named, and how often it was tried."""

    outcome: Outcome
    status: int
    error: str = ""
    attempts: int = 1


async def call(
    clock: Clock,
    url: str,
    body: dict[str, Any],
    *,
    patience: float = PATIENCE,
    deadline: float = ATTEMPT_DEADLINE,
) -> Reply:
    """POST a JSON object, again and again while the relay is down, each pause twice as long as the one before."""
    give_up_at = clock.now() + patience
    pause, attempts = _FIRST_PAUSE, 1
    while True:
        status, error = await _post(url, body, deadline)
        outcome = outcome_of(status)
        if outcome != "unreachable" or clock.now() + pause > give_up_at:
            return Reply(outcome, status, error, attempts)
        await clock.sleep(pause)
        pause, attempts = min(2 * pause, _LONGEST_PAUSE), attempts + 1


def outcome_of(status: int) -> Outcome:
    """What a status means: 2xx is done, 4xx will not get better, everything else may."""
    if 200 <= status < 300:
        return "accepted"
    return "refused" if 400 <= status < 500 and status not in _TRY_AGAIN else "unreachable"


async def _post(url: str, body: dict[str, Any], deadline: float) -> tuple[int, str]:
    import aiohttp  # late: `simulator apns` calls no relay, and this would be a quarter of its start

    timeout = aiohttp.ClientTimeout(total=deadline)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url, json=body) as response:
            return response.status, "" if response.ok else await response.text()
    except (TimeoutError, aiohttp.ClientError) as error:
        return 0, type(error).__name__


Key = tuple[str, str]
"""The account of a pairing, and a session id."""

ReportToken = Callable[[str, str, str | None], Awaitable[Reply]]
"""Registers `(account, session_id, token)` at the relay, or with None unregisters the session."""


class ActivityTokens:
    """One token for each session. Calls for one session never overtake each other; only the newest token is reported.

    So an activity that takes the place of another is never unregistered by the end of that other one: the relay's
    /v1/activity/unregister names a session, no token.
    """

    def __init__(self, report: ReportToken, tasks: Tasks) -> None:
        self._report = report
        self._tasks = tasks
        self._wanted: dict[Key, str | None] = {}
        self._reported: dict[Key, str | None] = {}
        self._reporting: set[Key] = set()

    def register(self, account: str, session_id: str, token: str) -> None:
        """From now on pushes for this session are for this token. The same token is reported again: that is harmless."""
        key = (account, session_id)
        self._reported.pop(key, None)
        self._want(key, token)

    def unregister(self, account: str, session_id: str) -> None:
        """The session's activity is over; nothing is sent if none was registered."""
        key = (account, session_id)
        if key in self._wanted:
            self._want(key, None)

    @property
    def registered(self) -> frozenset[Key]:
        """The sessions whose activity the relay knows, or will be sent."""
        return frozenset(key for key, token in self._wanted.items() if token is not None)

    def forget(self) -> None:
        """The app was ended: it remembers nothing of what it reported."""
        self._wanted.clear()
        self._reported.clear()

    def _want(self, key: Key, token: str | None) -> None:
        self._wanted[key] = token
        if key not in self._reporting:
            self._reporting.add(key)
            self._tasks.start(self._report_newest(key), f"activity-token-{key[1]}")

    async def _report_newest(self, key: Key) -> None:
        """A relay that refuses, or is away for longer than the app's patience, is called again only for the next token."""
        try:
            while key in self._wanted and self._reported.get(key, "") != self._wanted[key]:
                token = self._wanted[key]
                await self._report(*key, token)
                self._reported[key] = token
        finally:
            self._reporting.discard(key)
        if self._wanted.get(key, "") is None:
            del self._wanted[key], self._reported[key]
