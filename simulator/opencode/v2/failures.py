"""How an execution goes wrong or is ended: a provider that refuses, retries, a compaction, an interrupt. No I/O.

Orders of events, names and delays as recorded from a real engine; retries of 2.0 and later as its source was read.
"""

import random
from collections.abc import Generator

import msgspec

from simulator.opencode.scheduler import Beat, Event, Reply, Steps, Stopped
from simulator.opencode.script import OVERFLOW, Fail, Fault, Json
from simulator.opencode.v2.conduct import Conduct
from simulator.opencode.v2.scene import TO_STEP, Scene, speak

TO_REFUSED = 0.04
TO_COMPACTION = 0.05
TO_COMPACTED = 0.03
AFTER_CUT = 2.0
CUT: Json = {"type": "provider.invalid-output", "message": "The provider response ended unexpectedly."}
FILTERED: Json = {"type": "provider.content-filter", "message": "Provider blocked the response"}
CONTINUE = "The previous response was interrupted. Continue from where you left off without repeating completed content."
STEP_INTERRUPTED: Json = {"type": "aborted", "message": "Step interrupted"}
_SUMMARY = ("Hello ", "from ", "the ", "fake ", "provider", ".")
_SUMMARY_GAP = 0.03
_LONGEST_HEADER = 900.0
"""Seconds: the most that a provider's Retry-After may ask for."""

_TYPES: dict[int | str, str] = {
    400: "invalid-request",
    401: "auth",
    402: "quota",
    403: "auth",
    404: "no-route",
    408: "timeout",
    429: "rate-limit",
    "refused": "transport",
    "in_stream": "unknown",
    "no_model": "no-route",
}


class Interrupted(Stopped):
    """Thrown into an execution that must end now, and why: `user`, `shutdown`, `inactivity`, or any other word."""

    def __init__(self, session_id: str, reason: str = "user") -> None:
        super().__init__(session_id)
        self.reason = reason


def error_of(scene: Scene, fail: Fail) -> Json:
    """A provider's refusal as the events carry it; what the provider answered stands in it unabridged."""
    fault = fail.fault
    if not isinstance(fault.kind, int):
        return {"type": f"provider.{_TYPES.get(fault.kind, 'unknown')}", "message": _message(scene, fault)}
    kind = _TYPES.get(fault.kind, "internal" if fault.kind >= 500 else "invalid-request")
    body = msgspec.json.encode({"error": {"message": fault.message, "type": "fake_error", "code": None}})
    error: Json = {
        "type": f"provider.{kind}",
        "message": f"Provider request failed with HTTP {fault.kind}: {body.decode()}",
        "status": fault.kind,
    }
    return {**error, "response": {"body": body.decode()}} if scene.conduct.body else error


def _message(scene: Scene, fault: Fault) -> str:
    if fault.kind == "refused":
        return "HTTP transport failed"
    if fault.kind == "no_model":
        model = scene.session.get("model") or {"providerID": "fake", "id": "no-such-model"}
        return f"Model unavailable: {model['providerID']}/{model['id']}"
    return fault.message


def retry_delay(attempt: int, conduct: Conduct, retry_after: float | None, source: random.Random) -> float:
    """Seconds before try number `attempt`, of which 2 is the first retry: 2, 4, 8 ..., or what the provider asks for."""
    delay = min(2.0 ** (attempt - 1) * (1 + conduct.jitter * source.random()), conduct.longest)
    return delay if retry_after is None else max(delay, min(retry_after, _LONGEST_HEADER))


def retryable(fault: Fault) -> bool:
    """Whether the engine tries again by itself; not if the provider fails in the middle of its answer."""
    return fault.retryable and fault.kind != "in_stream"


def refused(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, Json | None]:
    """The error with which the execution failed; None if the model answers at the next try."""
    if fail.fault.kind == OVERFLOW:
        return (yield from _overflowed(scene, fail))
    tries = scene.conduct.retries if retryable(fail.fault) else 0
    for attempt in range(2, tries + 2):
        yield Beat(pause=TO_STEP)
        yield Beat((scene.step_started(),))
        yield from _retry(scene, fail, attempt)
        if attempt - 1 == fail.times:
            return None
    return (yield from _given_up(scene, fail))


def _given_up(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, Json]:
    error = error_of(scene, fail)
    yield Beat(pause=TO_STEP)
    if fail.said is not None:
        yield from speak(scene, fail.said)
    else:
        yield Beat((scene.step_started(),), TO_REFUSED)
    yield Beat(scene.step_failed(error))
    return error


def _retry(scene: Scene, fail: Fail, attempt: int) -> Steps:
    delay = retry_delay(attempt, scene.conduct, fail.retry_after, scene.source)
    yield from wait_to_retry(scene, attempt, delay, error_of(scene, fail))


def wait_to_retry(scene: Scene, attempt: int, delay: float, error: Json) -> Steps:
    """The step is not over, but an interrupt now ends the execution without a word about it."""
    at = scene.stamp.now_ms() + round(delay * 1000)
    scene.stepping = False
    yield Beat((scene.of_message("retry.scheduled", attempt=attempt, at=at, error=error),), delay)


def cut(scene: Scene) -> Steps:
    """The provider hung up in the middle: the step fails, and the model is asked to go on where it was."""
    yield Beat(scene.step_failed(CUT))
    yield from wait_to_retry(scene, 2, AFTER_CUT, CUT)
    yield Beat((scene.event("synthetic", text=CONTINUE),))


def compaction(scene: Scene, reason: str, **owner: str) -> Steps:
    """The history is summarized. Its cost takes a number of the session, which nobody sees."""
    scene.compacting = reason
    yield Beat((scene.event("compaction.started", reason=reason, **owner),), TO_COMPACTION)
    for word in _SUMMARY:
        yield Beat((scene.compacted(word),), _SUMMARY_GAP)
    ended = scene.event("compaction.ended", reason=reason, text="".join(_SUMMARY))
    scene.compacting = None
    yield Beat((scene.recorded(), scene.usage(), ended), TO_COMPACTED)


def _overflowed(scene: Scene, fail: Fail) -> Generator[Beat, Reply | None, Json | None]:
    """Too long a history is no error, unless it cannot be summarized either."""
    yield Beat(pause=TO_STEP)
    if fail.times == 1:
        yield from compaction(scene, "auto")
        return None
    error = {"type": "compaction.failed", "message": fail.fault.message}
    yield Beat((scene.event("compaction.started", reason="auto"),), TO_COMPACTION)
    yield Beat((scene.event("compaction.failed", reason="auto", error=error),))
    return error


def interrupt(scene: Scene) -> list[Event]:
    """The step ends as it stands; nothing of it is sent if none has begun, or if a retry waited."""
    if scene.compacting is not None:
        error = {"type": "compaction.interrupted", "message": "Compaction interrupted"}
        return [scene.event("compaction.failed", reason=scene.compacting, error=error)]
    counted = any(call.called for call in scene.open)
    calls = [*scene.end_parts(), *scene.interrupt_calls()]
    if not scene.stepping:
        return calls
    return [*calls, *scene.step_failed(STEP_INTERRUPTED, counted=counted)]
