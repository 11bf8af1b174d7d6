"""An execution: the events from its start to its one end, in the order in which generation 2 sends them. No I/O.

Seconds are those of the recordings, with a provider on the same machine.
"""

from collections.abc import Generator
from itertools import chain

from simulator.opencode.scheduler import Beat, Beats, Ending, Event, How, Reply, Steps
from simulator.opencode.script import ENDING, EmitEvent, Fail, Json, ModelCall, Say, Use
from simulator.opencode.v2.failures import (
    FILTERED,
    STEP_INTERRUPTED,
    Interrupted,
    compaction,
    cut,
    error_of,
    interrupt,
    refused,
)
from simulator.opencode.v2.scene import INTERRUPTED, TO_STEP, Scene, speak
from simulator.opencode.v2.toolbox import Toolbox

TO_DELIVERED = 0.02
TO_INTERRUPTED = 0.03
TO_RESUMED = 0.3
"""Seconds; the last from a service's start to the first event of a turn that it resumes."""

NOTICE: Json = {
    "text": "The server restarted while you were working. Continue where you left off.",
    "description": "Continuing after restart",
    "metadata": {"notice": "restart"},
}
GIVEN_UP: Json = {
    "type": "aborted",
    "message": "The turn was interrupted repeatedly and will not be resumed automatically.",
}

Part = Generator[Beat, Reply | None, How | None]
"""A part of an execution; it returns how the execution ends, or None if it goes on."""


def execution(scene: Scene, *, resumed: bool = False) -> Beats:
    """All answers to what is in the session's inbox, and to what comes meanwhile; one start, one end.

    `resumed`: a turn that a stop of the server interrupted, whose model calls are the scene's.
    """
    try:
        yield from _begin(scene, resumed)
        return (yield from _Execution(scene).run())
    except Interrupted as stop:
        scene.ending = True
        yield Beat((*interrupt(scene), scene.event("execution.interrupted", reason=stop.reason)))
        return Ending("aborted", stop.reason)


def given_up(scene: Scene) -> Beats:
    """A turn that was resumed too often."""
    started = scene.event("execution.started")
    yield Beat((started, scene.event("execution.failed", error=GIVEN_UP)))
    return Ending("failed", GIVEN_UP["message"])


def _begin(scene: Scene, resumed: bool) -> Steps:
    """The start; tools that a killed server left running fail now."""
    notice = [scene.event("synthetic", **NOTICE)] if resumed and scene.conduct.notice else []
    events = [scene.event("execution.started"), *_stale_tools(scene), *notice]
    yield Beat(events, TO_RESUMED if resumed else TO_DELIVERED)


def _stale_tools(scene: Scene) -> list[Event]:
    transcript = scene.state.transcripts[scene.session_id].values()
    answers = [message for message in transcript if message["type"] == "assistant"]
    return [
        scene.event(
            "tool.failed",
            assistantMessageID=message["id"],
            id=part["id"],
            error={"type": "aborted", "message": f"{INTERRUPTED}: {part['name']}"},
            executed=False,
        )
        for message in answers[-1:]
        for part in message["content"]
        if part["type"] == "tool" and part["state"]["status"] in ("streaming", "running")
    ]


class _Execution:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._error: Json | None = None

    def run(self) -> Beats:
        scene = self._scene
        yield from self._deliver(queued=not scene.calls)
        while True:
            how = yield from self._step()
            if how == "failed":
                scene.ending = True
                yield Beat((scene.event("execution.failed", error=self._error),))
                return Ending("failed", str((self._error or {}).get("message", "")))
            if how == "stopped":
                yield Beat((scene.event("execution.interrupted", reason="shutdown"),))
                return Ending("stopped")
            if how == "done":
                scene.calls.clear()
            more = yield from self._deliver(queued=how == "done")
            if how == "done" and not more:
                yield Beat((scene.event("execution.succeeded"),))
                return Ending("done", scene.said)

    def _deliver(self, *, queued: bool) -> Generator[Beat, Reply | None, bool]:
        """All that steers reaches the model between two steps; what queues, one by one, when an answer is complete."""
        scene = self._scene
        waiting = scene.state.inbox(scene.session_id)
        items = [item for item in waiting if item["delivery"] == "steer"]
        if not items and queued:
            items = waiting[:1]
        for item in items:
            yield from self._take(item)
        return bool(items)

    def _take(self, item: Json) -> Steps:
        """The model answers what it was given last; a summary or a move that is asked for is done without it."""
        scene = self._scene
        delivered = scene.event("inbox.delivered", inboxID=item["id"])
        if item["type"] == "compaction":
            yield from compaction(scene, "manual", inputID=item["id"])
        elif item["type"] == "move":
            yield from self._move(item["payload"]["location"], delivered)
        else:
            reaction = scene.around.reaction(item)
            scene.calls.clear()
            scene.calls.extend(chain(reaction.script.calls, (ENDING,)))
            yield Beat((*scene.instructions(), delivered))

    def _move(self, location: Json, delivered: Event) -> Steps:
        scene = self._scene
        moved = scene.event("moved", location=location, projectID=scene.session["projectID"])
        yield Beat((delivered, moved))
        scene.around.moved(scene, location["directory"])

    def _step(self) -> Part:
        """One model call, after the events that the script has before it."""
        scene = self._scene
        call = yield from self._next()
        if call is None:
            return "done"
        if isinstance(call, Fail) and call.fault.kind == "no_model":
            self._error = error_of(scene, call)
            return "failed"
        scene.begin_message()
        while isinstance(call, Fail):
            self._error = yield from refused(scene, call)
            if self._error is not None:
                return "failed"
            call = (yield from self._next()) or ENDING
        return (yield from self._use(call) if isinstance(call, Use) else self._say(call))

    def _next(self) -> Generator[Beat, Reply | None, ModelCall | None]:
        """None if there is nothing to say, as after a summary that a person asked for."""
        scene = self._scene
        while scene.calls:
            call = scene.call = scene.calls.popleft()
            if not isinstance(call, EmitEvent):
                return call
            yield Beat(((call.kind, {"sessionID": scene.session_id, **call.properties}),))
        return None

    def _say(self, say: Say) -> Part:
        scene = self._scene
        yield Beat(pause=TO_STEP)
        yield from speak(scene, say)
        if say.finish == "unknown":
            yield from cut(scene)
            return None
        if say.finish == "content-filter":
            self._error = FILTERED
            yield Beat(scene.step_failed(FILTERED, counted=True))
            return "failed"
        yield Beat(scene.step_ended(say.finish))
        return "done"

    def _use(self, use: Use) -> Part:
        scene, box = self._scene, Toolbox(self._scene)
        yield from box.use(use)
        if not box.declined:
            yield Beat(scene.step_ended("tool-calls"))
            return None
        yield Beat(pause=TO_INTERRUPTED)
        yield Beat(scene.step_failed(STEP_INTERRUPTED, counted=True))
        return "stopped"
