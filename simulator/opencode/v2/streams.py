"""The open event streams of a server: who listens, what waits to be written, and the heartbeat."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.ids import Ids
from simulator.opencode.script import Json
from simulator.opencode.subscription import Subscription
from simulator.opencode.v2.wire import HEARTBEAT, Frame, data_line

HEARTBEAT_EVERY = 15.0
"""Seconds between two heartbeat comments of a stream, also under traffic; the first comes at once."""
QUEUE = 4096
"""How many events may wait for one reader; one more, and its stream ends properly while the socket stays open."""


class Streams:
    """All subscriptions of one server process. `queue` None lets everything wait."""

    def __init__(self, clock: Clock, journal: Journal, ids: Ids, queue: int | None = QUEUE) -> None:
        self._clock = clock
        self._journal = journal
        self._ids = ids
        self._queue = queue
        self._open: set[Subscription] = set()
        self._followers: dict[Subscription, str] = {}
        self._subscribed = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()

    @property
    def subscriptions(self) -> list[Subscription]:
        """Who listens to /api/event now."""
        return [one for one in self._open if one not in self._followers]

    def send(self, frames: Sequence[Frame]) -> None:
        """Queue events for every subscription; nothing is awaited."""
        if not frames:
            return
        chunk = b"".join([frame.line for frame in frames])
        for subscription in self._open:
            session_id = self._followers.get(subscription)
            if session_id is None:
                subscription.put(chunk, len(frames))
            elif lines := [frame.line for frame in frames if _stored(frame) == session_id]:
                subscription.put(b"".join(lines), len(lines))

    def deafen(self) -> None:
        """End all streams with no farewell, after what is queued; whatever happens from here on, nobody hears."""
        for subscription in self._open:
            subscription.cut()

    async def cut(self, last_words: float) -> None:
        """End all streams so; what is queued has `last_words` seconds to leave."""
        self.deafen()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(last_words):
                await self._silent.wait()

    def end(self) -> None:
        """End all streams properly, as that of a reader that is too slow; the server goes on."""
        for subscription in self._open:
            subscription.end()

    async def subscribed(self, deadline: float, readers: int = 1) -> None:
        """Return when so many listen. Raises TimeoutError if they did not come within `deadline` seconds of real time."""
        try:
            async with asyncio.timeout(deadline):
                while len(self.subscriptions) < max(1, readers):
                    self._subscribed.clear()
                    await self._subscribed.wait()
        except TimeoutError:
            here = len(self.subscriptions)
            who = f"only {here} of {readers}" if here else "nobody"
            raise TimeoutError(f"{who} opened GET /api/event within {deadline:g} s") from None

    def open(self) -> AsyncGenerator[bytes, None]:
        """Subscribe now, and the body of that stream: server.connected and a heartbeat, then all that happens from here on."""
        subscription = Subscription(self._queue)
        connected = {"id": self._ids.new("evt"), "type": "server.connected", "data": {}}
        subscription.put(data_line(connected) + HEARTBEAT)
        self._subscribed.set()
        self._journal.record("opencode", "stream opened")
        return self._opened(subscription)

    def follow(self, session_id: str, first: Json) -> AsyncGenerator[bytes, None]:
        """The body of a session's log: `first`, then the numbered events of this session from here on."""
        subscription = Subscription(self._queue)
        subscription.put(data_line(first))
        self._followers[subscription] = session_id
        return self._opened(subscription)

    def _opened(self, subscription: Subscription) -> AsyncGenerator[bytes, None]:
        self._open.add(subscription)
        self._silent.clear()
        return self._body(subscription)

    async def _body(self, subscription: Subscription) -> AsyncGenerator[bytes, None]:
        heart = asyncio.create_task(self._beat(subscription), name="opencode-heartbeat")
        try:
            while chunk := await subscription.take():
                yield chunk
        finally:
            heart.cancel()
            self._remove(subscription)

    async def _beat(self, subscription: Subscription) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_EVERY)
            subscription.put(HEARTBEAT, 0)

    def _remove(self, subscription: Subscription) -> None:
        self._open.discard(subscription)
        self._followers.pop(subscription, None)
        if not self._open:
            self._silent.set()
        self._journal.record("opencode", "stream ended")


def _stored(frame: Frame) -> str | None:
    """The session that an event is a numbered one of."""
    numbered = frame.event.get("durable")
    return None if numbered is None else str(numbered["aggregateID"])
