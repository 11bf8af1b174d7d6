"""What goes on beside a turn: the changes are counted and put into the user's message; an untitled session is named. No I/O."""

from simulator.opencode.v1 import shapes
from simulator.opencode.v1.beat import Beat, Event, Steps
from simulator.opencode.v1.scene import Scene

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
