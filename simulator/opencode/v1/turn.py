"""A turn: the events from a prompt to the session's idle, in the order in which OpenCode 1.18.33 sent them. No I/O.

Seconds are those of the recordings, with a provider on the same machine. Three oddities are the real server's own: busy is
sent again before and after every model call; an error or an abort sends idle twice; the summary of changes runs beside the
turn, so that the user's message is updated even after the idle.
"""

from collections.abc import Generator, Iterator
from itertools import chain, repeat

from simulator.opencode.scheduler import Aborted, Beat, Beats, Ending, Event, Gone, How, Reply, Steps
from simulator.opencode.script import ENDING, Call, EmitEvent, Fail, Json, ModelCall, Say, Use
from simulator.opencode.v1 import shapes
from simulator.opencode.v1.failures import abort, lose, no_model, refused
from simulator.opencode.v1.scene import Prompt, Scene, finish_step, late_summary, speak, summary
from simulator.opencode.v1.toolbox import Toolbox

TO_BUSY = 0.02
TO_CALL = 0.05
TO_STEP = 0.02

Part = Generator[Beat, Reply | None, How | None]
"""A part of a turn; it returns how the turn ends, or None if it goes on."""


def prompted(scene: Scene, prompt: Prompt, body: Json) -> tuple[Event, ...]:
    """The user's message appears, before anything else happens; a session without agent or model gets them first."""
    session = shapes.prompted(scene.session, body)
    known = [] if session == scene.session else [shapes.session_event("updated", session)]
    return (
        *known,
        shapes.message_event(prompt.user),
        *(scene.part(one) for one in shapes.user_parts(scene.stamp, prompt.user, body)),
        shapes.session_event("updated", shapes.touched(session, scene.now())),
    )


def turn(scene: Scene) -> Beats:
    """All answers to the prompts in the scene's inbox, those that arrive meanwhile too, and one idle for them."""
    try:
        return (yield from _Turn(scene).run())
    except Aborted as aborted:
        yield from abort(scene)
        if aborted.session_id != scene.session_id:
            raise
        return Ending("aborted", shapes.ABORTED["data"]["message"])
    except Gone as gone:
        yield from lose(scene)
        if gone.session_id != scene.session_id:
            raise
        return Ending("failed", "the session was deleted")


def subagent(parent: Scene, child: Json, prompt: Prompt) -> Beats:
    """The turn of a child session, from its prompt on."""
    scene = Scene(parent.stamp, parent.source, parent.sessions, child["id"], parent.allowed, parent.subagent)
    scene.inbox.append(prompt)
    yield Beat(prompted(scene, prompt, {"parts": [{"type": "text", "text": prompt.text}]}))
    return (yield from turn(scene))


class _Turn:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._calls: Iterator[Call] = iter(())
        self._first = True

    def run(self) -> Beats:
        scene = self._scene
        yield Beat(pause=TO_BUSY)
        while True:
            self._take(scene.inbox.popleft())
            how = yield from self._answer()
            if how != "done":
                return Ending(how, scene.failed or scene.said)
            if not scene.inbox:
                yield Beat((scene.status("busy"), *scene.idle()))
                return Ending("done", scene.said)

    def _take(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._scene.user, self._scene.prompted = prompt.user, prompt.text
        self._calls = chain(prompt.script.calls, repeat(ENDING))
        self._first = True

    def _answer(self) -> Generator[Beat, Reply | None, How]:
        """Model calls until one has the last word."""
        how: How | None = None
        while how is None:
            call = yield from self._next()
            if isinstance(call, Fail) and call.fault.kind == "no_model":
                yield from no_model(self._scene, call)
                return "failed"
            yield from self._begin()
            how = yield from self._call(call)
        return how

    def _next(self) -> Generator[Beat, Reply | None, ModelCall]:
        """The next model call, after the events that the script has before it."""
        while isinstance(call := next(self._calls), EmitEvent):
            yield Beat(((call.kind, {"sessionID": self._scene.session_id, **call.properties}),))
        return call

    def _begin(self) -> Steps:
        scene = self._scene
        scene.message = shapes.assistant_message(scene.stamp, scene.session, scene.user)
        beside = summary(scene, self._prompt.title) if self._first else None
        yield Beat((scene.status("busy"), shapes.message_event(scene.message)), TO_CALL, beside=beside)
        yield Beat((scene.status("busy"),), TO_STEP)
        self._first = False

    def _call(self, call: ModelCall) -> Part:
        while isinstance(call, Fail):
            if (yield from refused(self._scene, call)):
                return "failed"
            call = yield from self._next()
        if isinstance(call, Use):
            return (yield from self._use(call))
        return (yield from self._say(call))

    def _say(self, say: Say) -> Part:
        yield from speak(self._scene, say)
        if say.finish == "content-filter":
            yield from self._filtered()
            return "failed"
        yield from self._finish(say.finish)
        return None if say.finish == "unknown" else "done"

    def _use(self, use: Use) -> Part:
        box = Toolbox(self._scene)
        yield from box.use(use)
        yield from self._finish("tool-calls", tuple(box.files), stop=box.rejected)
        return "stopped" if box.rejected else None

    def _finish(self, reason: str, files: tuple[str, ...] = (), *, stop: bool = False) -> Steps:
        scene = self._scene
        yield from finish_step(scene, reason)
        patch = [scene.part(shapes.patch(scene.stamp, scene.message, files))] if files else []
        idle = scene.idle() if stop else ()
        yield Beat((*patch, scene.completed(), *idle), beside=late_summary(scene))

    def _filtered(self) -> Steps:
        """The answer is sent as completed twice, the idle only once."""
        scene = self._scene
        yield from finish_step(scene, "content-filter")
        scene.failed = shapes.FILTERED["data"]["message"]
        completed = scene.completed(shapes.FILTERED)
        events = (completed, completed, scene.error(shapes.FILTERED), *scene.idle())
        yield Beat(events, beside=late_summary(scene))
