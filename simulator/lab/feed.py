"""The journal as it is written, for readers that stay: one bounded queue each."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from simulator.journal import Entry, Journal

HEARTBEAT_SECONDS = 10.0
QUEUE_SIZE = 10_000
HEARTBEAT = b": still here\n\n"
HELLO = b": the journal from now on\n\n"
BEHIND = b": this reader was too slow, and entries are missing\n\n"

Encode = Callable[[Entry], bytes | None]


class Feed:
    """Hands the journal's entries to streams. `heartbeat` is seconds of real time between signs of life."""

    def __init__(
        self, journal: Journal, heartbeat: float = HEARTBEAT_SECONDS, size: int = QUEUE_SIZE
    ) -> None:
        self._journal = journal
        self._heartbeat = heartbeat
        self._size = size
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return len(self._queues)

    def stream(self, encode: Encode) -> AsyncGenerator[bytes, None]:
        """Chunks of a text/event-stream: what `encode` makes of each entry (None: nothing), until `close`.

        Nothing is missed from the first chunk on, which is a comment that says so.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(self._size)

        def receive(entry: Entry) -> None:
            chunk = encode(entry)
            if chunk is not None:
                _put(queue, chunk)

        return self._chunks(queue, receive)

    def close(self) -> None:
        """End all streams."""
        for queue in self._queues:
            _put(queue, None)

    async def _chunks(
        self, queue: asyncio.Queue[bytes | None], receive: Callable[[Entry], None]
    ) -> AsyncGenerator[bytes, None]:
        stop_listening = self._journal.listen(receive)
        self._queues.add(queue)
        try:
            yield HELLO
            while (chunk := await self._next(queue)) is not None:
                yield chunk
        finally:
            stop_listening()
            self._queues.discard(queue)

    async def _next(self, queue: asyncio.Queue[bytes | None]) -> bytes | None:
        try:
            async with asyncio.timeout(self._heartbeat):
                return await queue.get()
        except TimeoutError:
            return HEARTBEAT


def _put(queue: asyncio.Queue[bytes | None], chunk: bytes | None) -> None:
    """A reader that does not keep up loses what it has not read, and a comment says so."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(BEHIND)
    queue.put_nowait(chunk)
