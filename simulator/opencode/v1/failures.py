"""How a turn goes wrong or is ended: a provider that refuses, an abort, a session that was deleted. No I/O.

Orders of events, names and delays as recorded from OpenCode 1.18.33.
"""

import random
from collections.abc import Generator

from simulator.opencode.scheduler import Beat, Event, Reply, Steps
from simulator.opencode.script import OVERFLOW, Fail, Fault, Say
from simulator.opencode.v1 import shapes, tools
from simulator.opencode.v1.scene import Scene, finish_step, late_summary, speak

AFTER_RETRY = 0.005
TO_SECOND_IDLE = 0.07
TO_COMPACTION = 0.03
ABORTED_TO_SECOND_IDLE = 0.02
ASKING_TO_SECOND_IDLE = 0.27
"""Seconds, while a permission or question waited; its request stays in the lists for ever, and no event reports it."""
LOST_RETRY = 2.0
_SUMMARY = Say(("Hello ", "from ", "the ", "fake ", "provider", "."), gap=0.03)

MOST_RETRIES = 5
_JITTER = 0.25
_LONGEST_WITHOUT_ANSWER = 30.0
"""Seconds; the cap holds only for failures without an HTTP response (read in OpenCode's code)."""


def retry_delay(attempt: int, fault: Fault, retry_after: float | None, source: random.Random) -> float:
    """Seconds before try number `attempt` (from 1): 2, 4, 8 ... with up to a quarter more, or what the provider asks for."""
    if retry_after is not None:
        return retry_after
    delay: float = 2.0**attempt * (1 + _JITTER * source.random())
    return min(delay, _LONGEST_WITHOUT_ANSWER) if fault.kind == "refused" else delay


def refused(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, bool]:
    """Whether the turn failed; if not, the model answers at the next try."""
    if fail.fault.kind == OVERFLOW:
        yield from _compact(scene, fail)
        return False
    if fail.fault.retryable and (yield from _retried(scene, fail)):
        return False
    error = shapes.error_body(fail.fault)
    scene.failed = fail.fault.message
    yield Beat((scene.error(error), *scene.idle()), TO_SECOND_IDLE)
    yield Beat((scene.completed(error), *scene.idle()))
    return True


def no_model(scene: Scene, fail: Fail) -> Steps:
    """The second error comes after the idle."""
    error = shapes.error_body(fail.fault)
    scene.failed = fail.fault.message
    events = (scene.status("busy"), scene.error(error), *scene.idle())
    yield Beat((*events, scene.error(shapes.stack_trace(error))))


def _retried(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, bool]:
    """Whether the provider took it at last; OpenCode tries five times more."""
    for attempt in range(1, MOST_RETRIES + 1):
        if fail.said is not None:
            yield from speak(scene, fail.said)
        yield from _retry(scene, fail, attempt)
        if attempt == fail.times:
            return True
    return False


def _retry(scene: Scene, fail: Fail, attempt: int) -> Steps:
    delay = retry_delay(attempt, fail.fault, fail.retry_after, scene.source)
    again = scene.now() + round(delay * 1000)
    status = {"type": "retry", "attempt": attempt, "message": fail.fault.message, "next": again}
    scene.retrying = True
    yield Beat((scene.status(status),), delay)
    scene.retrying = False
    yield Beat((scene.status("busy"),), AFTER_RETRY)


def _compact(scene: Scene, fail: Fail) -> Steps:
    """The history is summarized, and the prompt is said again: an error that ends nothing."""
    yield Beat((scene.error(shapes.error_body(fail.fault)),), TO_COMPACTION)
    question, completed = scene.user, scene.completed()
    body = {"model": question["model"], "agent": question["agent"]}
    asked = shapes.user_message(scene.stamp, scene.session, body)
    compaction = shapes.part(scene.stamp, asked, type="compaction", auto=True, overflow=True)
    events = (completed, shapes.message_event(asked), scene.part(compaction), scene.status("busy"))
    scene.message = shapes.summary_message(scene.stamp, scene.session, asked)
    yield Beat((*events, shapes.message_event(scene.message)), TO_COMPACTION)
    yield Beat((scene.status("busy"),), AFTER_RETRY)
    yield from speak(scene, _SUMMARY)
    yield from finish_step(scene, "stop")
    yield from _ask_again(scene, body)


def _ask_again(scene: Scene, body: dict[str, object]) -> Steps:
    completed = scene.completed()
    scene.user = shapes.user_message(scene.stamp, scene.session, body)
    parts = shapes.user_parts(scene.stamp, scene.user, {"parts": [{"type": "text", "text": scene.prompted}]})
    compacted = ("session.compacted", {"sessionID": scene.session_id})
    scene.message = shapes.assistant_message(scene.stamp, scene.session, scene.user)
    events = (completed, shapes.message_event(scene.user), *(scene.part(one) for one in parts), compacted)
    again = (scene.status("busy"), shapes.message_event(scene.message))
    yield Beat((*events, *again), TO_COMPACTION, beside=late_summary(scene))
    yield Beat((scene.status("busy"),), AFTER_RETRY)


def abort(scene: Scene) -> Steps:
    """Error and idle, then the unfinished parts, the message, and idle again. While a retry waited: no error, one idle."""
    if scene.retrying:
        yield Beat((scene.completed(), *scene.idle()))
        return
    later = ASKING_TO_SECOND_IDLE if scene.asking else ABORTED_TO_SECOND_IDLE
    yield Beat((scene.error(shapes.ABORTED), *scene.idle()), later)
    message = [scene.completed(shapes.ABORTED)] if scene.message else []
    yield Beat((*scene.close_text(), *_interrupted(scene), *message, *scene.idle()))


def lose(scene: Scene) -> Steps:
    """The session was deleted: nothing can be stored, so the turn fails with the database's words, later than anybody expects."""
    error = shapes.lost(scene.session_id)
    scene.text, scene.tools = None, []
    retry = {"type": "retry", "attempt": 1, "message": error["data"]["message"]}
    next_ms = scene.now() + round(LOST_RETRY * 1000)
    yield Beat((scene.status({**retry, "next": next_ms}),), LOST_RETRY)
    yield Beat((scene.status("busy"), scene.error(error), *scene.idle()), ABORTED_TO_SECOND_IDLE)
    yield Beat(scene.idle())


def _interrupted(scene: Scene) -> list[Event]:
    return [
        scene.close_tool(one, **tools.interrupted(one.tool.name, one.tool.input, one.printed))
        for one in list(scene.tools)
    ]
