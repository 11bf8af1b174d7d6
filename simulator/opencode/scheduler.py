"""What a turn yields, and playing it in time: events that happen now, and how long until it goes on.

A turn is a generator of beats. It is resumed with None when its pause is over, or with a Reply if a person answered what it
waits for; `Stopped` is thrown into it when its turn must end.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from simulator.clock import Clock
from simulator.opencode.script import Json, PermissionReply

Event = tuple[str, Json]
"""Type and properties."""
How = Literal["done", "stopped", "failed", "aborted"]
"""How a turn ends: with an answer, by a person's no, with an error, or aborted."""


@dataclass(frozen=True, slots=True)
class Delta:
    """One word of a part that streams: `message.part.delta`, by far the most frequent event.

    `head` is what is the same for all words of the part, as JSON from `"type"` up to the word.
    """

    head: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person answered to a request: a permission's `word`, or a question's `answers` (None: dismissed).

    A form of generation 2 is `filled` with values by its fields' keys (None: dismissed).
    """

    request_id: str
    word: PermissionReply = "once"
    message: str | None = None
    answers: list[list[str]] | None = None
    filled: Json | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """Events in order, then `pause` seconds; None waits until one of the requests in `waits` is answered.

    `beside` is work that goes on by itself from here, as the server summarizes while the model is called.
    """

    events: Sequence[Event | Delta] = ()
    pause: float | None = 0.0
    waits: frozenset[str] = frozenset()
    beside: "Steps | None" = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, and its last words: the answer's, or the error's."""

    how: How
    said: str = ""


Steps = Generator[Beat, Reply | None, None]
"""A part of a turn, or work beside it."""
Beats = Generator[Beat, Reply | None, Ending]
"""A whole turn."""


class Stopped(Exception):
    """Thrown into a turn: `session_id` (and what it started) must end now."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class Aborted(Stopped):
    """A person aborted it."""


class Gone(Stopped):
    """Its session was deleted: nothing of it can be stored any more."""


TICK = 0.01
"""Seconds: what is due within a tick goes out in one chunk. At 10,000 events a second a write for each would cost a core."""


@dataclass(eq=False, slots=True)
class Running:
    """Beats that are being played. `ticket` names their one valid entry in the queue: older ones count no more.

    `stopping` are the sessions that must stop; with `gone` set, what must be stored of that session fails.
    """

    beats: Beats | Steps
    directory: str
    ended: Callable[[Ending | None], None]
    waits: frozenset[str] = frozenset()
    ticket: int = -1
    gone: str | None = None
    stopping: set[str] = field(default_factory=set)


class Server(Protocol):
    """The server that beats play on. A frame is an event as that server writes it on its streams."""

    @property
    def clock(self) -> Clock: ...

    def apply(self, directory: str, events: Sequence[Event | Delta]) -> list[Any]:
        """Let events happen in the server's state; their frames."""
        ...

    def send(self, frames: Sequence[Any]) -> None:
        """Send frames, in this order and in one chunk."""
        ...


class Scheduler:
    """All that plays on one server: one alarm for all beats, and one write for all that happens within a tick."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._queue: list[tuple[float, int, Running]] = []
        self._tickets = itertools.count()
        self._out: list[Any] = []
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._rang_at = 0.0

    def resume(self, running: Running, given: Reply | Stopped | None = None) -> None:
        """Let beats begin, or go on before their time; what happens by that is sent at once."""
        self._step(running, given, self._server.clock.now())
        self._flush()
        self._set_alarm()

    def flush(self) -> None:
        """Send what has happened so far, before somebody else sends what follows from it."""
        self._flush()

    def clear(self) -> None:
        """Forget everything that plays."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        self._queue.clear()

    def _step(self, running: Running, given: Reply | Stopped | None, now: float) -> None:
        """Play until the next pause; `now` is when this was due, so that no rate drifts."""
        try:
            beat = self._play(running, given, now)
            while beat.pause == 0:
                beat = self._play(running, None, now)
        except StopIteration as stop:
            running.ticket = -1  # it may end before its time: what is queued of it counts no more
            running.ended(stop.value)
            return
        running.ticket = next(self._tickets)
        if beat.pause is not None:
            heapq.heappush(self._queue, (now + beat.pause, running.ticket, running))

    def _play(self, running: Running, given: Reply | Stopped | None, now: float) -> Beat:
        beat = self._next(running, given)
        self._out += self._server.apply(running.directory, beat.events)
        running.waits = beat.waits
        if beat.beside is not None:
            self._step(Running(beat.beside, running.directory, lambda _: None), None, now)
        return beat

    def _next(self, running: Running, given: Reply | Stopped | None) -> Beat:
        beats = running.beats
        beat = beats.throw(given) if isinstance(given, Stopped) else beats.send(given)
        if running.gone is not None and not all(type(event) is Delta for event in beat.events):
            gone, running.gone = Gone(running.gone), None
            beat = beats.throw(gone)
        return beat

    def _flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            self._server.send(out)

    def _set_alarm(self) -> None:
        """For the next beat, but not within a tick of the last one."""
        if not self._queue:
            return
        due = max(self._queue[0][0], self._rang_at + TICK)
        if self._alarm is not None:
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = asyncio.create_task(self._ring(due), name="opencode-agent")

    async def _ring(self, due: float) -> None:
        await self._server.clock.sleep(due - self._server.clock.now())
        self._alarm = None
        now = self._rang_at = self._server.clock.now()
        try:
            while self._queue and self._queue[0][0] <= now:
                at, ticket, running = heapq.heappop(self._queue)
                if running.ticket == ticket:
                    self._step(running, None, at)
        finally:  # a turn that breaks (asyncio reports it) must not stop the others
            self._flush()
            self._set_alarm()
