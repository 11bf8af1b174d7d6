"""Plays beats in time: one alarm for all of them, and one write for all that happens within a tick."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.opencode.v1.beat import Beat, Beats, Delta, Ending, Gone, Reply, Steps, Stopped
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.wire import Frame

TICK = 0.01
"""Seconds: what is due within a tick goes out in one chunk. At 10,000 events a second a write for each would cost a core."""


@dataclass(eq=False, slots=True)
class Running:
    """Beats that are being played. `ticket` names their one valid entry in the queue: older ones count no more.

    `stopping` are the sessions told to stop; with `gone` set, what must be stored of that session fails.
    """

    beats: Beats | Steps
    directory: str
    ended: Callable[[Ending | None], None]
    waits: frozenset[str] = frozenset()
    ticket: int = -1
    gone: str | None = None
    stopping: set[str] = field(default_factory=set)


class Stage:
    """All that plays on one server process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._queue: list[tuple[float, int, Running]] = []
        self._tickets = itertools.count()
        self._out: list[Frame] = []
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._rang_at = 0.0

    def resume(self, running: Running, given: Reply | Stopped | None = None) -> None:
        """Let beats begin, or go on before their time; what happens by that is sent at once."""
        self._step(running, given, self._process.clock.now())
        self._flush()
        self._set_alarm()

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
            running.ended(stop.value)
            return
        running.ticket = next(self._tickets)
        if beat.pause is not None:
            heapq.heappush(self._queue, (now + beat.pause, running.ticket, running))

    def _play(self, running: Running, given: Reply | Stopped | None, now: float) -> Beat:
        beat = self._next(running, given)
        self._out += self._process.tell(running.directory, beat.events)
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
            self._process.streams.send(out)

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
        await self._process.clock.sleep(due - self._process.clock.now())
        self._alarm = None
        now = self._rang_at = self._process.clock.now()
        try:
            while self._queue and self._queue[0][0] <= now:
                at, ticket, running = heapq.heappop(self._queue)
                if running.ticket == ticket:
                    self._step(running, None, at)
        finally:  # a turn that breaks (asyncio reports it) must not stop the others
            self._flush()
            self._set_alarm()
