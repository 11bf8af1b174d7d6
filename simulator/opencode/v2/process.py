"""A running OpenCode 2 server without its socket: its state, its streams, and the one way in which events happen."""

import asyncio
import random
from collections.abc import Coroutine, Iterable, Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.ids import Ids
from simulator.opencode.scheduler import Delta, Event
from simulator.opencode.script import Json
from simulator.opencode.v2.noise import TO_NOISE, boot_noise
from simulator.opencode.v2.state import State
from simulator.opencode.v2.streams import QUEUE, Streams
from simulator.opencode.v2.wire import (
    FLAVOURS,
    SECOND_SCHEMA,
    Frame,
    data_line,
    delta_frame,
    durable,
    located,
    session_of,
    spelled,
)

JOURNALED = frozenset(
    {"permission.asked", "permission.replied", "form.created", "form.replied", "form.cancelled"}
    | {f"session.execution.{how}" for how in ("started", "succeeded", "failed", "interrupted")}
)
"""The events that matter to a person; a journal of every streamed word would be of no use."""

DEFAULT_PROJECT = "8286c73a260ba78016497b39531de455b1aae674"
"""OpenCode names a project by the hash of its first commit; this is the one of the recorded project."""


class Process:
    """What the routes read, and what the agent and the player feed. `directory` is the server's working directory.

    `managed`: the service that `opencode service start` runs, which resumes interrupted turns when it starts; else a
    foreground `opencode serve`, which does not. `noisy` locations announce what they load. `lost` are numbers that a
    session's events skip, as those of internal events do.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        directory: str,
        flavour: str = "2.1",
        managed: bool = True,
        noisy: bool = False,
        source: random.Random | None = None,
        queue: int | None = QUEUE,
    ) -> None:
        self.clock = clock
        self.journal = journal
        self.directory = directory
        self.flavour = FLAVOURS[flavour]
        self.managed = managed
        self.noisy = noisy
        self.state = State(outcomes=not self.flavour.beta)
        self.ids = Ids(clock, source or random.Random(0))
        self.streams = Streams(clock, journal, self.ids, queue)
        self.stopped: set[str] = set()
        self.missing: set[str] = set()
        self.plays = 0
        self._last: dict[str, float] = {}
        self._idle: dict[str, asyncio.Event] = {}
        self._words: dict[bytes, list[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, kind: str, data: Json, *, directory: str | None = None) -> Json:
        """Let one event happen now; the envelope that was sent, in the released words.

        The directory is that of its session if none is given, else the server's own. Words that wait go out before it.
        """
        frames = self._flushed(session_of({"data": data}))
        event, own = self._event(directory, kind, data)
        self.streams.send([*frames, *own])
        return event

    def take(self, frames: Sequence[Frame]) -> int:
        """Take recorded events into the state and send them in this order and in one chunk; how many were sent.

        Those that a person's own request has made untrue are left out.
        """
        true = [one for one in frames if self._folded(one)]
        self.streams.send(true)
        return len(true)

    def apply(self, directory: str, events: Sequence[Event | Delta]) -> list[Frame]:
        """Let events of a turn happen; their frames are for the caller to send, with others of the same moment.

        Words of one part wait for each other for a moment (2.0 and later), but never longer than what follows them.
        """
        frames: list[Frame] = []
        for event in events:
            if isinstance(event, Delta):
                frames += self._word(event)
            else:
                frames += self._flushed(session_of({"data": event[1]}))
                frames += self._event(directory, *event)[1]
        return frames

    def send(self, frames: Sequence[Frame]) -> None:
        """To every stream."""
        self.streams.send(frames)

    def frame(self, event: Json) -> list[Frame]:
        """The frame of an envelope in the words of this version; none if the version does not send it."""
        sent = spelled(self.flavour, event)
        return [] if sent is None else [Frame(event, data_line(sent))]

    def skip(self, session_id: str, count: int = 1) -> None:
        """Let internal events of a session happen, which take numbers and are not sent."""
        self.state.sequences[session_id] = self.state.sequences.get(session_id, -1) + count

    def boot(self, directory: str) -> bool:
        """Load a location, if it is not loaded; whether it was not. A noisy one says so a moment later."""
        if directory in self.state.locations:
            return False
        self.state.locations.append(directory)
        self._last[directory] = self.clock.now()
        if self.noisy:
            self.later(TO_NOISE, boot_noise(self.flavour.version), directory)
        return True

    def later(self, seconds: float, events: Iterable[Event], directory: str) -> None:
        """Let events happen by themselves after a while, if the process lives then."""

        async def happen() -> None:
            await self.clock.sleep(seconds)
            self.streams.send(self.apply(directory, list(events)))

        self.spawn(happen(), "opencode-later")

    def spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        """Work that ends with the process."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def quiet_since(self, directory: str) -> float:
        """When the last event of a session happened in a location, or it was loaded (UNIX seconds)."""
        return self._last.get(directory, self.clock.now())

    async def idle(self, session_id: str) -> None:
        """Return when the session runs no more."""
        if session_id in self.state.active:
            await self._idle.setdefault(session_id, asyncio.Event()).wait()

    def die(self) -> None:
        """As the process does: what would have happened later does not."""
        self._words.clear()
        for task in self._tasks:
            task.cancel()

    def waits(self, session_id: str) -> bool:
        """Whether somebody waits for the session to run no more."""
        return session_id in self._idle

    def project_of(self, directory: str) -> str:
        """The id of the project a directory belongs to."""
        return "global" if directory in self.missing else DEFAULT_PROJECT

    def now_ms(self) -> int:
        """UNIX milliseconds, the unit of every time in OpenCode's objects."""
        return round(self.clock.now() * 1000)

    def _folded(self, one: Frame) -> bool:
        """Whether it is true; judged one by one, for a request and its answer may come together."""
        if overtaken(self.state, self.stopped, one.event):
            return False
        self._happen(self._directory_of(one.event), one.event)
        return True

    def _directory_of(self, event: Json) -> str:
        """Of a session's event its directory, though the envelope may not say so."""
        where = event.get("location") or {}
        known = self.state.directory_of(session_of(event) or "")
        return str(where.get("directory") or known or self.directory)

    def _event(self, directory: str | None, kind: str, data: Json) -> tuple[Json, list[Frame]]:
        event: Json = {"id": self.ids.new("evt"), "created": self.now_ms(), "type": kind, "data": data}
        session_id = session_of(event)
        where = directory or self.state.directory_of(session_id or "") or self.directory
        head = {key: event[key] for key in ("id", "created", "type")}
        if session_id is not None and durable(kind) and kind not in self.flavour.unsent:
            self.skip(session_id)
            version = 2 if kind in SECOND_SCHEMA else 1
            number = self.state.sequences[session_id]
            head["durable"] = {"aggregateID": session_id, "seq": number, "version": version}
        if located(kind):
            head["location"] = {"directory": where}
        event = {**head, "data": data}
        self._happen(where, event)
        return event, self.frame(event)

    def _happen(self, directory: str, event: Json) -> None:
        session_id = session_of(event)
        if event["type"] in JOURNALED:
            root = session_id and self.state.root_of(session_id)
            self.journal.record("opencode", "event", type=event["type"], sessionID=session_id, root=root)
        self.state.fold(directory, event)
        if session_id is not None:
            self._last[directory] = self.clock.now()
            if "location" in event and directory not in self.missing:
                self.boot(directory)
            if session_id in self._idle and session_id not in self.state.active:
                self._idle.pop(session_id).set()

    def _word(self, word: Delta) -> list[Frame]:
        if not self.flavour.batch:
            return [self._delta_frame(word.head, word.text)]
        if not self._words:
            self.spawn(self._flush_later(), "opencode-words")
        self._words.setdefault(word.head, []).append(word.text)
        return []

    def _flushed(self, session_id: str | None) -> list[Frame]:
        """The words that wait of one session; of none for None."""
        if not self._words or session_id is None:
            return []
        owner = session_id.encode()
        return [self._words_frame(head) for head in list(self._words) if owner in head]

    def _words_frame(self, head: bytes) -> Frame:
        return self._delta_frame(head, "".join(self._words.pop(head)))

    def _delta_frame(self, head: bytes, text: str) -> Frame:
        return delta_frame(self.ids.new("evt"), self.now_ms(), head, text)

    async def _flush_later(self) -> None:
        await self.clock.sleep(self.flavour.batch)
        self.streams.send([self._words_frame(head) for head in list(self._words)])


def overtaken(state: State, stopped: set[str], event: Json) -> bool:
    """Whether a recorded event is no longer true: a person ended its turn, or answered its request before."""
    if stopped and session_of(event) in stopped:
        return True
    data = event.get("data") or {}
    if event["type"] == "permission.replied":
        return data["requestID"] not in state.permissions
    if event["type"] in ("form.replied", "form.cancelled"):
        form = state.forms.get(data["id"])
        return form is None or not form.pending
    return False
