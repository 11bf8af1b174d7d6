"""One turn of a session at work: the answer that is being written, its words, and what goes on beside it. No I/O."""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.opencode.scheduler import Beat, Beats, Delta, Event, Steps
from simulator.opencode.script import Json, Say, Script, Tool
from simulator.opencode.v1 import shapes
from simulator.opencode.v1.shapes import Stamp


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was said to the model (the user message's info and first text), and what the model makes of it."""

    user: Json
    text: str
    script: Script
    title: str


@dataclass(slots=True)
class OpenText:
    """A text or reasoning part that streams."""

    part: Json
    words: list[str] = field(default_factory=list)
    _write: Callable[[str], Delta] = field(init=False)

    def __post_init__(self) -> None:
        self._write = shapes.delta(self.part)

    def say(self, word: str) -> Delta:
        """The next word."""
        self.words.append(word)
        return self._write(word)

    def ended(self, now_ms: int) -> Json:
        """The part with its whole text."""
        time = {**self.part["time"], "end": now_ms}
        return {**self.part, "text": "".join(self.words), "time": time}


@dataclass(slots=True)
class OpenTool:
    """A tool call that has not ended; `printed` is None until it may run."""

    tool: Tool
    part: Json
    started: int = 0
    printed: str | None = None

    def state(self, status: str, **fields: object) -> Json:
        """The part in another state."""
        given = {"status": status, "input": self.tool.input, **fields, "time": {"start": self.started}}
        return {**self.part, "state": given}

    def ended(self, now_ms: int, **fields: object) -> Json:
        """The part in its last state, `completed` or `error`."""
        time = {"start": self.started, "end": now_ms}
        return {**self.part, "state": {"input": self.tool.input, **fields, "time": time}}


@dataclass(slots=True)
class Scene:
    """Of one session. `sessions` is the server's table; `allowed` what "always" allows in this directory."""

    stamp: Stamp
    source: random.Random
    sessions: Mapping[str, Json]
    session_id: str
    allowed: set[tuple[str, str]]
    subagent: Callable[["Scene", Json, Prompt], Beats]
    inbox: deque[Prompt] = field(default_factory=deque)
    user: Json = field(default_factory=dict)
    prompted: str = ""
    message: Json = field(default_factory=dict)
    steps: int = 0
    diffs: list[Json] = field(default_factory=list)
    text: OpenText | None = None
    tools: list[OpenTool] = field(default_factory=list)
    asking: bool = False
    retrying: bool = False
    said: str = ""
    failed: str = ""
    _known: Json = field(default_factory=dict)

    @property
    def session(self) -> Json:
        """The session as it is now; as it last was if it has been deleted."""
        self._known = self.sessions.get(self.session_id, self._known)
        return self._known

    @property
    def directory(self) -> str:
        """Where it works."""
        return str(self.session["directory"])

    def now(self) -> int:
        """UNIX milliseconds."""
        return self.stamp.now_ms()

    def part(self, one: Json) -> Event:
        """The part is new, or has changed."""
        return shapes.part_event(one, self.now())

    def status(self, status: Json | str) -> Event:
        """The session's status."""
        return shapes.status_event(self.session_id, status)

    def idle(self) -> tuple[Event, Event]:
        """The turn is over."""
        return shapes.idle_events(self.session_id)

    def error(self, error: Json) -> Event:
        """The turn has failed."""
        return shapes.error_event(self.session_id, error)

    def completed(self, error: Json | None = None) -> Event:
        """The answer is over."""
        self.message = shapes.completed(self.message, self.now(), error)
        return shapes.message_event(self.message)

    def close_text(self) -> list[Event]:
        """The streaming part gets its whole text; nothing if none streams."""
        if self.text is None:
            return []
        ended, self.text = self.text.ended(self.now()), None
        return [self.part(ended)]

    def close_tool(self, tool: OpenTool, **fields: object) -> Event:
        """A tool call has ended."""
        self.tools.remove(tool)
        return self.part(tool.ended(self.now(), **fields))


TO_FINISH = 0.02
TO_COMPLETED = 0.03
FIRST_TOKEN = 0.02
"""Seconds from the step's start to its first word, as recorded against a provider on the same machine."""


def speak(scene: Scene, say: Say) -> Steps:
    """From the step's start to its last word; `scene.said` is the text."""
    start = shapes.step_start(scene.stamp, scene.message)
    if say.delay:
        yield Beat(pause=say.delay)
    yield Beat((scene.part(start),), FIRST_TOKEN)
    for kind, words in (("reasoning", say.thoughts), ("text", say.words)):
        if words:
            yield from stream(scene, kind, words, say.gap)
    scene.said = "".join(say.words)


def finish_step(scene: Scene, reason: str) -> Steps:
    """The model has ended its call with `reason`; the message is completed right after."""
    scene.steps += reason != "unknown"
    yield Beat(pause=TO_FINISH)
    scene.message = shapes.finished(scene.message, reason)
    ended = scene.part(shapes.step_finish(scene.stamp, scene.message, reason))
    yield Beat((ended, shapes.message_event(scene.message)), TO_COMPLETED)


def stream(scene: Scene, kind: str, words: Sequence[str], gap: float) -> Steps:
    """A part of text or reasoning, one word every `gap` seconds."""
    part = shapes.part(scene.stamp, scene.message, type=kind, text="", time={"start": scene.now()})
    text = scene.text = OpenText(part)
    yield Beat((scene.part(part), text.say(words[0])), gap)
    for word in words[1:]:
        yield Beat((text.say(word),), gap)
    yield Beat(scene.close_text())


TO_TITLE = 0.02
TO_SUMMARY = 0.02
TO_LATE_SUMMARY = 0.002
TO_LATE_MESSAGE = 0.04


def summary(scene: Scene, title: str) -> Steps:
    """At the start of a turn: a name if the session has none yet, then the summary all at once."""
    user = shapes.with_summary(scene.user, scene.diffs)
    yield Beat(pause=TO_TITLE)
    if shapes.untitled(scene.session):
        yield Beat((shapes.session_event("updated", {**scene.session, "title": title}),))
    yield Beat(pause=TO_SUMMARY)
    yield Beat((*_counted(scene), shapes.message_event(user)))


def late_summary(scene: Scene) -> Steps:
    """After a model call: the session at once, the user's message later, after the idle if this was the last call."""
    user = scene.user
    yield Beat(pause=TO_LATE_SUMMARY)
    yield Beat(_counted(scene), TO_LATE_MESSAGE)
    yield Beat((shapes.message_event(shapes.with_summary(user, scene.diffs)),))


def _counted(scene: Scene) -> tuple[Event, ...]:
    session = shapes.summarized(scene.session, scene.steps)
    return (
        shapes.session_event("updated", shapes.touched(session, scene.now())),
        ("session.diff", {"sessionID": scene.session_id, "diff": []}),
    )
