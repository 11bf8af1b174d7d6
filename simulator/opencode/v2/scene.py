"""One execution of a session at work: the message that is being written, its parts and tool calls, its events. No I/O.

Shapes as recorded from a real engine of generation 2; the simulator speaks the released names, and the process puts a beta's in
their place.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from simulator.opencode.scheduler import Beat, Delta, Event, Steps
from simulator.opencode.script import Call, Json, Reaction, Say, Tool
from simulator.opencode.v2.conduct import Conduct
from simulator.opencode.v2.shapes import DEFAULT_MODEL
from simulator.opencode.v2.state import State
from simulator.opencode.v2.wire import INTERNAL, delta_of

SNAPSHOT = "5dadd1311caf60dbb1c640bf8060a87309319eee"
_INSTRUCTIONS = "core/environment", "core/date", "core/codemode", "core/skill-guidance"
INTERRUPTED = "Tool execution interrupted"
_INPUT_CHUNK = 24
"""Characters of a tool's input that a provider sends at once."""

_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every new object needs: `new_id("msg")` and the time, `now_ms()` in UNIX milliseconds."""

    new_id: Callable[[str], str]
    now_ms: Callable[[], int]


class Surroundings(Protocol):
    """What an execution asks of the agent that runs it."""

    def reaction(self, item: Json) -> Reaction:
        """What the model makes of an item of the inbox."""
        ...

    def answer_later(self, request_id: str, tool: Tool) -> None:
        """Somebody answers a request as the script says, after a while; nobody if it does not say."""
        ...

    def child_created(self, parent: "Scene", child_id: str, wanted: Json) -> Event:
        """The event that announces a subagent's session."""
        ...

    def delegate(self, parent: "Scene", call: "OpenCall") -> None:
        """The child of a call is given its prompt, and works."""
        ...

    def report_later(self, scene: "Scene", call: "OpenCall", seconds: float) -> None:
        """A command that goes on in the background has ended after so many seconds, and its session is given to know."""
        ...

    def leave(self, child_id: str) -> None:
        """A child goes on in the background, and reports when it ends."""
        ...

    def moved(self, scene: "Scene", directory: str) -> None:
        """The session works elsewhere from now on."""
        ...

    def interrupt_children(self, scene: "Scene") -> None:
        """What works for a session in the foreground ends."""
        ...


@dataclass(slots=True)
class OpenCall:
    """A tool call that has not ended. `timer` says when it goes on by itself (UNIX ms), and how."""

    tool: Tool
    name: str
    input: Json
    call_id: str
    called: bool = False
    shell: str | None = None
    child: str | None = None
    form: str | None = None
    metadata: Json = field(default_factory=dict)
    timer: "tuple[int, Callable[[OpenCall], Steps]] | None" = None


@dataclass(slots=True)
class OpenPart:
    """A text or reasoning part that streams."""

    kind: str
    words: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Scene:
    """Of one session. `calls` are the model calls that are still to come, `call` the one that is being played."""

    stamp: Stamp
    source: random.Random
    state: State
    session_id: str
    conduct: Conduct
    around: Surroundings
    directory: str
    calls: deque[Call] = field(default_factory=deque)
    call: Call | None = None
    message_id: str = ""
    began: int = 0
    stepping: bool = False
    spoken: bool = False
    streamed: bool = False
    parts: list[OpenPart] = field(default_factory=list)
    open: list[OpenCall] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    ending: bool = False
    compacting: str | None = None
    said: str = ""

    @property
    def session(self) -> Json:
        """The session as it is now."""
        return self.state.sessions[self.session_id]

    def event(self, kind: str, **data: object) -> Event:
        """An event of the session."""
        return f"session.{kind}", {"sessionID": self.session_id, **data}

    def of_message(self, kind: str, **data: object) -> Event:
        """An event of the message that is being written."""
        return self.event(kind, assistantMessageID=self.message_id, **data)

    def of_call(self, kind: str, call: OpenCall, **data: object) -> Event:
        """An event of a tool call."""
        return self.of_message(f"tool.{kind}", id=call.call_id, **data)

    def instructions(self) -> list[Event]:
        """The first turn of a session begins with what the model is instructed with."""
        if any(one["type"] == "user" for one in self.state.transcripts[self.session_id].values()):
            return []
        digests = {name: f"{self.source.getrandbits(256):064x}" for name in _INSTRUCTIONS}
        return [self.event("instructions.updated", delta=digests)]

    def begin_message(self) -> None:
        """A model call begins, of which nobody sees anything until its first output."""
        self.message_id, self.began = self.stamp.new_id("msg"), self.stamp.now_ms()
        self.spoken = self.streamed = False
        self.files = []

    def step_started(self) -> Event:
        """The provider has answered something; a retry goes on in the same message."""
        self.stepping = True
        session = self.session
        return self.of_message(
            "step.started",
            agent=session.get("agent", "build"),
            model=session.get("model", DEFAULT_MODEL),
            snapshot=SNAPSHOT,
            started=self.began,
        )

    def start_part(self, kind: str) -> Callable[[str], Delta]:
        """A part begins; what makes events of its words."""
        self.parts.append(part := OpenPart(kind))
        self.spoken = True
        data = {"sessionID": self.session_id, "assistantMessageID": self.message_id, "ordinal": 0}
        delta = delta_of(f"session.{kind}.delta", self.directory, data)

        def say(word: str) -> Delta:
            part.words.append(word)
            return delta(word)

        return say

    def end_part(self, kind: str) -> list[Event]:
        """A part gets its whole text; nothing if none of this kind streams."""
        ended = [part for part in self.parts if part.kind == kind]
        self.parts = [part for part in self.parts if part.kind != kind]
        return [self.of_message(f"{kind}.ended", ordinal=0, text="".join(part.words)) for part in ended]

    def end_parts(self) -> list[Event]:
        """Whatever streams ends."""
        return [event for part in list(self.parts) for event in self.end_part(part.kind)]

    def input_deltas(self, call: OpenCall) -> list[Delta]:
        """The input of a call, as the provider streams it."""
        data = {
            "sessionID": self.session_id,
            "assistantMessageID": self.message_id,
            "id": call.call_id,
        }
        delta = delta_of("session.tool.input.delta", self.directory, data)
        text = input_text(call)
        return [delta(text[at : at + _INPUT_CHUNK]) for at in range(0, len(text), _INPUT_CHUNK)]

    def all_streamed(self) -> list[Event]:
        """The provider has finished its answer, once a step; nothing of an answer that had no output."""
        if self.streamed or not self.spoken:
            return []
        self.streamed = True
        return [self.of_message("step.streamed")]

    def step_ended(self, finish: str) -> list[Event]:
        """The step is over, and has cost something."""
        self.stepping = False
        ended = self.of_message("step.ended", finish=finish, **self._cost(), **self._changes())
        return [*self.all_streamed(), ended, self.usage()]

    def step_failed(self, error: Json, *, counted: bool = False) -> list[Event]:
        """The step is over without success; `counted`: the provider had said what it cost."""
        self.stepping = False
        cost = self._cost() if counted else {}
        failed = self.of_message("step.failed", error=error, **cost, **self._changes())
        return [*self.all_streamed(), failed, *([self.usage()] if counted else [])]

    def end_call(self, call: OpenCall, kind: str, **data: object) -> list[Event]:
        """A tool call has ended, `success` or `failed`."""
        self.open.remove(call)
        return [*self.all_streamed(), self.of_call(kind, call, **data, executed=False)]

    def interrupt_calls(self) -> list[Event]:
        """Every open call ends at once; its form is cancelled, its command killed. Of its permission nothing is sent."""
        events: list[Event] = []
        for call in list(self.open):
            if call.form is not None:
                events.append(("form.cancelled", {"id": call.form, "sessionID": self.session_id}))
            if call.shell is not None:
                events.append(("shell.deleted", {"id": call.shell}))
            metadata = {"metadata": call.metadata} if call.metadata else {}
            error = {"type": "aborted", "message": INTERRUPTED}
            events += self.end_call(call, "failed", error=error, **metadata)
        return events

    def usage(self) -> Event:
        """What the session has cost, with one model call more."""
        known = self.session.get("tokens", {})
        tokens = {key: known.get(key, 0) + value for key, value in _STEP_TOKENS.items()}
        return self.event("usage.updated", cost=0, tokens={**tokens, "cache": {"read": 0, "write": 0}})

    def recorded(self) -> Event:
        """What a model call beside the answer has cost, for the books: a number that nobody sees."""
        return INTERNAL, {"sessionID": self.session_id}

    def compacted(self, text: str) -> Delta:
        """Words of a summary."""
        head = b'"type":"session.compaction.delta","location":%b,"data":{"sessionID":%b,"text":' % (
            _json({"directory": self.directory}),
            _json(self.session_id),
        )
        return Delta(head, text)

    def _cost(self) -> Json:
        return {"cost": 0, "tokens": {**_STEP_TOKENS, "cache": {"read": 0, "write": 0}}}

    def _changes(self) -> Json:
        return {"snapshot": SNAPSHOT, "files": list(dict.fromkeys(self.files))}


_STEP_TOKENS = {"input": 100, "output": 20, "reasoning": 0}


def input_text(call: OpenCall) -> str:
    """A call's input as the provider writes it."""
    return msgspec.json.encode(call.input).decode()


TO_STEP = 0.07
TO_STREAMED = 0.03
"""Seconds from a model call to its first output, and from its last word to the end of the step, as recorded."""


def speak(scene: Scene, say: Say) -> Steps:
    """A model call from its first output to its last word; `scene.said` is the text."""
    yield Beat(pause=say.delay)
    yield Beat((scene.step_started(),))
    if say.thoughts:
        yield from _stream(scene, "reasoning", say.thoughts, say.gap)
    if say.words:
        yield from _stream(scene, "text", say.words, say.gap)
    scene.said = "".join(say.words)
    yield Beat(scene.end_parts(), TO_STREAMED)


def _stream(scene: Scene, kind: str, words: Sequence[str], gap: float) -> Steps:
    """One part. Thoughts end when the text begins, or, where parallel writers race, just after."""
    late = kind == "text" and scene.conduct.late_reasoning
    before = [] if late else scene.end_part("reasoning")
    say = scene.start_part(kind)
    after = scene.end_part("reasoning") if late else []
    yield Beat((*before, scene.of_message(f"{kind}.started", ordinal=0), *after, say(words[0])), gap)
    for word in words[1:]:
        yield Beat((say(word),), gap)
    if kind == "text":
        yield Beat(scene.end_parts())
