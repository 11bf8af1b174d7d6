"""One model call: its thoughts and words, one `message.part.delta` each, and its end. No I/O."""

from collections.abc import Sequence

from simulator.opencode.script import Say
from simulator.opencode.v1 import shapes
from simulator.opencode.v1.beat import Beat, Steps
from simulator.opencode.v1.scene import OpenText, Scene

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
            yield from _stream(scene, kind, words, say.gap)
    scene.said = "".join(say.words)


def finish_step(scene: Scene, reason: str) -> Steps:
    """The model has ended its call with `reason`; the message is completed right after."""
    scene.steps += reason != "unknown"
    yield Beat(pause=TO_FINISH)
    scene.message = shapes.finished(scene.message, reason)
    ended = scene.part(shapes.step_finish(scene.stamp, scene.message, reason))
    yield Beat((ended, shapes.message_event(scene.message)), TO_COMPLETED)


def _stream(scene: Scene, kind: str, words: Sequence[str], gap: float) -> Steps:
    part = shapes.part(scene.stamp, scene.message, type=kind, text="", time={"start": scene.now()})
    text = scene.text = OpenText(part)
    yield Beat((scene.part(part), text.say(words[0])), gap)
    for word in words[1:]:
        yield Beat((text.say(word),), gap)
    yield Beat(scene.close_text())
