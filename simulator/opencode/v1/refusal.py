"""A model call that the provider refuses: retries, errors, and the compaction after a context overflow. No I/O."""

from collections.abc import Generator

from simulator.opencode.script import Fail, Say
from simulator.opencode.v1 import errors, shapes
from simulator.opencode.v1.beat import Beat, Reply, Steps
from simulator.opencode.v1.errors import MOST_RETRIES, OVERFLOW
from simulator.opencode.v1.scene import Scene
from simulator.opencode.v1.speech import finish_step, speak
from simulator.opencode.v1.summary import late_summary

AFTER_RETRY = 0.005
TO_SECOND_IDLE = 0.07
TO_COMPACTION = 0.03

_SUMMARY = Say(("Hello ", "from ", "the ", "fake ", "provider", "."), gap=0.03)


def refused(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, bool]:
    """Whether the turn failed; if not, the model answers at the next try."""
    if fail.fault.kind == OVERFLOW:
        yield from _compact(scene, fail)
        return False
    if fail.fault.retryable and (yield from _retried(scene, fail)):
        return False
    error = fail.fault.error()
    scene.failed = fail.fault.message
    yield Beat((scene.error(error), *scene.idle()), TO_SECOND_IDLE)
    yield Beat((scene.completed(error), *scene.idle()))
    return True


def no_model(scene: Scene, fail: Fail) -> Steps:
    """The second error comes after the idle."""
    error = fail.fault.error()
    scene.failed = fail.fault.message
    events = (scene.status("busy"), scene.error(error), *scene.idle())
    yield Beat((*events, scene.error(errors.stack_trace(error))))


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
    delay = errors.retry_delay(attempt, fail.fault, fail.retry_after, scene.source)
    again = scene.now() + round(delay * 1000)
    status = {"type": "retry", "attempt": attempt, "message": fail.fault.message, "next": again}
    scene.retrying = True
    yield Beat((scene.status(status),), delay)
    scene.retrying = False
    yield Beat((scene.status("busy"),), AFTER_RETRY)


def _compact(scene: Scene, fail: Fail) -> Steps:
    """The history is summarized, and the prompt is said again: an error that ends nothing."""
    yield Beat((scene.error(fail.fault.error()),), TO_COMPACTION)
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
