"""A running OpenCode server without its socket: its state, its streams, and the one way in which events happen."""

import random
from collections.abc import Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.ids import Ids
from simulator.opencode.scheduler import Delta, Event
from simulator.opencode.script import Json
from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.state import State
from simulator.opencode.v1.streams import Streams
from simulator.opencode.v1.wire import DURABLE, Frame, delta_frame, envelope, frame, session_of, twin

_ANSWERED = {
    "permission.replied": "permissions",
    "question.replied": "questions",
    "question.rejected": "questions",
}

JOURNALED = frozenset(
    {
        "session.idle",
        "session.error",
        "permission.asked",
        "permission.replied",
        "question.asked",
        "question.replied",
    }
    | {"question.rejected"}
)
"""The events that matter to a person; a journal of every streamed word would be of no use."""

DEFAULT_PROJECT = "45a8658666813b49e67f025f87d963632dcd50b5"
"""OpenCode names a project by the hash of its first commit; this is the one of the recorded project."""


class Process:
    """What the routes read and the player feeds. `directory` is the server's working directory (absolute path)."""

    def __init__(
        self, clock: Clock, journal: Journal, *, directory: str, attach_window: float, source: random.Random
    ) -> None:
        self.clock = clock
        self.journal = journal
        self.directory = directory
        self.state = State()
        self.ids = Ids(clock, source)
        self.streams = Streams(clock, journal, self.ids, attach_window)
        self.stopped: set[str] = set()
        self.plays = 0

    def publish(self, frames: Sequence[Frame]) -> int:
        """Take recorded events into the state and send them in this order and in one chunk; how many were sent.

        Those that a person's own request has made untrue are left out.
        """
        true = [one for one in frames if self._folded(one)]
        self.streams.send(true)
        return len(true)

    def act(self, directory: str, answer: Effect) -> None:
        """Let a person's request happen: its events go out, and recordings of the stopped sessions fall silent."""
        self.stopped |= answer.stopped
        self.stopped -= answer.resumed
        frames: list[Frame] = []
        for kind, properties in answer.events:
            frames += self._event(directory, kind, properties)
        self.streams.send(frames)

    def apply(self, directory: str, events: Sequence[Event | Delta]) -> list[Frame]:
        """Let events of a turn happen; their frames are for the caller to send, with others of the same moment.

        Of a session that is deleted nothing can be stored: its durable events do not happen.
        """
        frames: list[Frame] = []
        for event in events:
            if isinstance(event, Delta):
                project = self.project_of(directory)
                frames.append(delta_frame(directory, project, self.ids.new("evt"), event))
            elif self._storable(*event):
                frames += self._event(directory, *event)
        return frames

    def send(self, frames: Sequence[Frame]) -> None:
        """To every stream that receives them."""
        self.streams.send(frames)

    def project_of(self, directory: str) -> str:
        """The id of the project a directory belongs to."""
        return self.state.worktrees.get(directory, DEFAULT_PROJECT)

    def now_ms(self) -> int:
        """UNIX milliseconds, the unit of every time in OpenCode's objects."""
        return round(self.clock.now() * 1000)

    def _folded(self, one: Frame) -> bool:
        if overtaken(self.state, self.stopped, one.payload):
            return False
        self._happen(one.directory, one.payload)
        return True

    def _happen(self, directory: str, payload: Json) -> None:
        self.state.fold(directory, payload)
        if payload["type"] in JOURNALED:
            session_id = session_of(payload)
            root = session_id and self.state.root_of(session_id)
            self.journal.record("opencode", "event", type=payload["type"], sessionID=session_id, root=root)

    def _storable(self, kind: str, properties: Json) -> bool:
        return (
            kind not in DURABLE or kind == "session.created" or properties["sessionID"] in self.state.sessions
        )

    def _event(self, directory: str, kind: str, properties: Json) -> list[Frame]:
        """The event and, if it is durable, its twin; both are folded at once, as the next one may count on them."""
        event: Json = {"id": self.ids.new("evt"), "type": kind, "properties": properties}
        payloads = [event]
        if event["type"] in DURABLE:
            sequence = self.state.sequences.get(event["properties"]["sessionID"], -1) + 1
            payloads.append(twin(event, sequence))
        project = self.project_of(directory)
        for payload in payloads:
            self._happen(directory, payload)
        return [frame(envelope(directory, project, payload)) for payload in payloads]


def overtaken(state: State, stopped: set[str], payload: Json) -> bool:
    """Whether a recorded event is no longer true: a person ended its turn, or answered its request before."""
    if stopped and session_of(payload) in stopped:
        return True
    table = _ANSWERED.get(payload["type"])
    return table is not None and payload["properties"]["requestID"] not in getattr(state, table)
