"""How a turn ends that somebody ended: the orders of events after an abort, and after the session was deleted. No I/O."""

from simulator.opencode.v1 import errors, tools
from simulator.opencode.v1.beat import Beat, Event, Steps
from simulator.opencode.v1.scene import Scene

TO_SECOND_IDLE = 0.02
TO_SECOND_IDLE_ASKING = 0.27
"""Seconds, while a permission or question waited; its request stays in the lists for ever, and no event tells of it."""
LOST_RETRY = 2.0


def abort(scene: Scene) -> Steps:
    """Error and idle, then the unfinished parts, the message, and idle again. While a retry waited: no error, one idle."""
    if scene.retrying:
        yield Beat((scene.completed(), *scene.idle()))
        return
    later = TO_SECOND_IDLE_ASKING if scene.asking else TO_SECOND_IDLE
    yield Beat((scene.error(errors.ABORTED), *scene.idle()), later)
    message = [scene.completed(errors.ABORTED)] if scene.message else []
    yield Beat((*scene.close_text(), *_interrupted(scene), *message, *scene.idle()))


def lose(scene: Scene) -> Steps:
    """The session was deleted: nothing can be stored, so the turn fails with the database's words, later than anybody expects."""
    error = errors.lost(scene.session_id)
    scene.text, scene.tools = None, []
    retry = {"type": "retry", "attempt": 1, "message": error["data"]["message"]}
    next_ms = scene.now() + round(LOST_RETRY * 1000)
    yield Beat((scene.status({**retry, "next": next_ms}),), LOST_RETRY)
    yield Beat((scene.status("busy"), scene.error(error), *scene.idle()), TO_SECOND_IDLE)
    yield Beat(scene.idle())


def _interrupted(scene: Scene) -> list[Event]:
    return [
        scene.close_tool(one, **tools.interrupted(one.tool.name, one.tool.input, one.printed))
        for one in list(scene.tools)
    ]
