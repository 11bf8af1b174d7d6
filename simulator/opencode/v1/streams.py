"""The open event streams of a server: who listens, what waits to be written, and the heartbeat."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.ids import Ids
from simulator.opencode.script import Json
from simulator.opencode.subscription import Subscription
from simulator.opencode.v1.wire import Frame, data_line

HEARTBEAT_EVERY = 10.0
"""Seconds between two `server.heartbeat` events of a stream, also under traffic."""


class Listener(Subscription):
    """One listener. Its buffer is unbounded, as in the real server: a stalled reader loses nothing.

    `directory` is None for /global/event. Events sent before `receives_from` (UNIX seconds) are lost to it.
    """

    def __init__(self, directory: str | None, receives_from: float) -> None:
        super().__init__()
        self.directory = directory
        self.receives_from = receives_from


class Streams:
    """All subscriptions of one server process."""

    def __init__(self, clock: Clock, journal: Journal, ids: Ids, attach_window: float) -> None:
        self._clock = clock
        self._journal = journal
        self._ids = ids
        self._attach_window = attach_window
        self._open: set[Listener] = set()
        self._subscribed = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()

    @property
    def global_subscriptions(self) -> list[Listener]:
        """Who listens to /global/event now."""
        return [subscription for subscription in self._open if subscription.directory is None]

    def send(self, frames: Sequence[Frame]) -> None:
        """Queue events for every subscription that receives them; nothing is awaited."""
        now = self._clock.now()
        chunks: dict[str | None, bytes] = {}
        for subscription in self._open:
            if now < subscription.receives_from:
                continue
            directory = subscription.directory
            if directory not in chunks:
                chunks[directory] = _chunk(frames, directory)
            if chunks[directory]:
                subscription.put(chunks[directory])

    async def cut(self, last_words: float) -> None:
        """End all streams at once, with no farewell; what is queued has `last_words` seconds to leave."""
        for subscription in self._open:
            subscription.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(last_words):
                await self._silent.wait()

    def end(self, directory: str) -> None:
        """End the /event streams of an instance that is disposed of; /global/event goes on."""
        for subscription in self._open:
            if subscription.directory == directory:
                subscription.end()

    async def subscribed(self, deadline: float) -> None:
        """Return when somebody listens to /global/event and is past the attach window.

        Raises TimeoutError if nobody came within `deadline` seconds of real time.
        """
        try:
            async with asyncio.timeout(deadline):
                await self._subscribed.wait()
        except TimeoutError:
            raise TimeoutError(f"nobody opened GET /global/event within {deadline:g} s") from None
        receives_from = min((one.receives_from for one in self.global_subscriptions), default=0.0)
        await self._clock.sleep(receives_from - self._clock.now())

    async def stream(self, directory: str | None) -> AsyncGenerator[bytes, None]:
        """The body of one event stream: server.connected, then events and heartbeats until somebody ends it."""
        # Only /global/event attaches its listener after having said server.connected.
        lost = self._attach_window if directory is None else 0.0
        subscription = Listener(directory, self._clock.now() + lost)
        subscription.put(self._own_event(directory, "server.connected"))
        heart = asyncio.create_task(self._beat(subscription), name="opencode-heartbeat")
        self._add(subscription)
        try:
            while chunk := await subscription.take():
                yield chunk
        finally:
            heart.cancel()
            self._remove(subscription)

    async def _beat(self, subscription: Listener) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_EVERY)
            subscription.put(self._own_event(subscription.directory, "server.heartbeat"))

    def _own_event(self, directory: str | None, kind: str) -> bytes:
        """An event of the stream itself: on /global/event it has an envelope without directory."""
        event: Json = {"id": self._ids.new("evt"), "type": kind, "properties": {}}
        return data_line({"payload": event} if directory is None else event)

    def _add(self, subscription: Listener) -> None:
        self._open.add(subscription)
        self._silent.clear()
        if subscription.directory is None:
            self._subscribed.set()
        self._journal.record("opencode", "stream opened", directory=subscription.directory)

    def _remove(self, subscription: Listener) -> None:
        self._open.discard(subscription)
        if not self.global_subscriptions:
            self._subscribed.clear()
        if not self._open:
            self._silent.set()
        self._journal.record("opencode", "stream ended", directory=subscription.directory)


def _chunk(frames: Sequence[Frame], directory: str | None) -> bytes:
    if directory is None:
        return b"".join(frame.global_line for frame in frames)
    return b"".join(frame.event_line or b"" for frame in frames if frame.directory == directory)
