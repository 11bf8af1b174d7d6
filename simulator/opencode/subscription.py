"""One listener of an event stream: what waits to be written to it, and how its stream ends."""

import asyncio


class StreamCut(TimeoutError):
    """The stream ends without a last chunk, as when the process is killed.

    A TimeoutError, because that is what Quart takes silently in the middle of a body; Hypercorn then closes the
    connection with the chunked body incomplete.
    """


class Subscription:
    """One listener. With `limit` at most so many events wait: one more ends the stream properly, after those."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._waiting: list[bytes] = []
        self._events = 0
        self._ready = asyncio.Event()
        self._cut = False
        self._ended = False

    def put(self, chunk: bytes, events: int = 1) -> None:
        """Queue the bytes of so many events; all that is queued goes out as one chunk."""
        if self._ended or self._cut:
            return
        if self._limit is not None and self._events + events > self._limit:
            self.end()
            return
        self._events += events
        self._waiting.append(chunk)
        self._ready.set()

    def cut(self) -> None:
        """End the stream with no farewell."""
        self._cut = True
        self._ready.set()

    def end(self) -> None:
        """End the stream properly, after what is queued."""
        self._ended = True
        self._ready.set()

    async def take(self) -> bytes:
        """What is queued, as soon as there is anything; nothing at the end. Raises StreamCut once cut and all was taken."""
        await self._ready.wait()
        if self._cut and not self._waiting:
            raise StreamCut
        chunk = b"".join(self._waiting)
        self._waiting.clear()
        self._events = 0
        if not (self._cut or self._ended):
            self._ready.clear()
        return chunk
