"""One model call that uses tools: what they ask, what becomes of the answers, and how they end, several at once. No I/O.

The permissions and forms are answered elsewhere (simulator.opencode.v2.api, which sends `permission.replied` and the like);
here an answer arrives as what a call waits for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from simulator.opencode.scheduler import Beat, Ending, Event, Reply, Steps
from simulator.opencode.script import Json, Tool, Use
from simulator.opencode.v2 import tools
from simulator.opencode.v2.rules import allowed
from simulator.opencode.v2.scene import TO_STEP, OpenCall, Scene, input_text
from simulator.opencode.v2.tools import Request

TO_INPUT = 0.015
TO_ASK = 0.01
TO_RUN = 0.01
TO_RAN = 0.015
TO_CHILD = 0.04
TO_ENDED = 0.04
"""Seconds between the events of a tool call, as recorded."""


@dataclass(frozen=True, slots=True)
class ChildEnded(Reply):
    """What a call that waits for a subagent is resumed with; `request_id` is the child's session."""

    ending: Ending = field(default_factory=lambda: Ending("done"))


class Background(Reply):
    """What an execution is resumed with when a person wants what its tools do to go on in the background."""


class Toolbox:
    """Runs the tools of one call. `declined`: a person said no without a word, and the turn must stop."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._number = scene.source.randrange(10**7, 10**8)
        self._waiting: dict[str, OpenCall] = {}
        self._requests: dict[str, list[Request]] = {}
        self.declined = False

    def use(self, use: Use) -> Steps:
        """From the model call until every tool has ended."""
        yield Beat(pause=TO_STEP)
        yield from self._stream(use)
        for call in self._scene.open:
            self._later(call, TO_ASK, self._begin)
        while self._scene.open:
            yield from self._next()
        yield Beat(pause=TO_ENDED)

    def _stream(self, use: Use) -> Steps:
        """The provider's answer: some words, and the inputs of all calls side by side."""
        scene = self._scene
        scene.open = [self._call(number, tool) for number, tool in enumerate(use.tools)]
        yield Beat((scene.step_started(),))
        if use.said:
            say = scene.start_part("text")
            yield Beat((scene.of_message("text.started", ordinal=0), say("".join(use.said))))
        scene.spoken = True
        yield Beat([scene.of_call("input.started", call, name=call.name) for call in scene.open])
        for call in scene.open:
            yield Beat(scene.input_deltas(call), TO_INPUT)
        for call in scene.open:
            call.called = True
            ended = scene.of_call("input.ended", call, text=input_text(call))
            yield Beat((ended, scene.of_call("called", call, input=call.input, executed=False)))
        yield Beat(scene.end_parts())

    def _call(self, number: int, tool: Tool) -> OpenCall:
        name, given = tools.named(tool)
        return OpenCall(tool, name, given, f"call_{self._number}_{number}")

    def _later(self, call: OpenCall, seconds: float, then: Callable[[OpenCall], Steps]) -> None:
        call.timer = self._scene.stamp.now_ms() + round(seconds * 1000), then

    def _next(self) -> Steps:
        """Whatever comes first: an answer, a child's end, or the moment at which a call goes on by itself."""
        scene = self._scene
        timed = [(*call.timer, call) for call in scene.open if call.timer is not None]
        timed.sort(key=lambda one: one[0])
        pause = max(0, timed[0][0] - scene.stamp.now_ms()) / 1000 if timed else None
        reply = yield Beat(pause=pause, waits=frozenset(self._waiting))
        if reply is not None:
            yield from self._answered(reply)
            return
        for _, then, call in timed[:1]:
            call.timer = None
            yield from then(call)

    def _begin(self, call: OpenCall) -> Steps:
        scene = self._scene
        if call.name == "question":
            yield from self._question(call)
            return
        asked = tools.requests(call.name, call.input, scene.directory)
        if call.tool.asks:
            asked = tools.asked_for(call.name, call.input, asked, keep=call.tool.asks != "once")
        self._requests[call.call_id] = list(asked)
        yield from self._ask_or_run(call)

    def _ask_or_run(self, call: OpenCall) -> Steps:
        """The next permission that nobody has given for good, or the tool's work."""
        scene, requests = self._scene, self._requests[call.call_id]
        while requests and self._allowed(requests[0]):
            requests.pop(0)
        if not requests:
            yield from self._run(call)
            return
        request_id = scene.stamp.new_id("per")
        self._waiting[request_id] = call
        asked = {"id": request_id, "sessionID": scene.session_id, **requests[0].json()}
        why = {} if call.tool.why is None else {"message": call.tool.why}
        yield Beat((("permission.asked", {**asked, "source": self._source(call, "tool"), **why}),))
        scene.around.answer_later(request_id, call.tool)

    def _allowed(self, request: Request) -> bool:
        scene = self._scene
        return allowed(scene.state.saved.values(), scene.session["projectID"], request.json())

    def _source(self, call: OpenCall, kind: str | None = None) -> Json:
        source = {"messageID": self._scene.message_id, "id": call.call_id}
        return source if kind is None else {"type": kind, **source}

    def _question(self, call: OpenCall) -> Steps:
        scene = self._scene
        form_id = call.form = scene.stamp.new_id("frm")
        self._waiting[form_id] = call
        form = {
            "id": form_id,
            "sessionID": scene.session_id,
            "title": "Questions",
            "metadata": {"kind": "question", "tool": self._source(call)},
            "fields": tools.form_fields(call.input["questions"]),
        }
        yield Beat((("form.created", {"form": form}),))
        scene.around.answer_later(form_id, call.tool)

    def _answered(self, reply: Reply) -> Steps:
        if isinstance(reply, Background):
            yield Beat(self._to_background())
            return
        call = self._waiting.pop(reply.request_id)
        if isinstance(reply, ChildEnded):
            yield Beat(self._delegated(call, reply.ending))
        elif call.form is not None:
            yield Beat(self._form_answered(call, reply))
        elif reply.word == "reject":
            yield Beat(self._refused(reply, call))
        else:
            self._requests[call.call_id].pop(0)
            self._later(call, TO_RUN, self._ask_or_run)

    def _refused(self, reply: Reply, call: OpenCall) -> list[Event]:
        """With a word to the model only this call fails; without one all that the step does ends, and so must the turn."""
        scene = self._scene
        if reply.message:
            error = {"type": scene.conduct.refusal, "message": reply.message}
            return scene.end_call(call, "failed", error=error)
        return self._decline(tools.DECLINED, [call, *self._waiting.values()])

    def _decline(self, message: str, declined: Sequence[OpenCall]) -> list[Event]:
        scene = self._scene
        self.declined = scene.ending = True
        scene.around.interrupt_children(scene)
        error = {"type": "aborted", "message": message}
        asking = [call for call in declined if call.child is None and call.form is None]
        ended = [scene.end_call(call, "failed", error=error) for call in asking]
        self._waiting.clear()
        return [*chain.from_iterable(ended), *scene.interrupt_calls()]

    def _form_answered(self, call: OpenCall, reply: Reply) -> list[Event]:
        scene, questions = self._scene, call.input["questions"]
        call.form = None
        if reply.filled is None and reply.message is None:
            return self._decline(tools.DISMISSED, [call])
        if reply.filled is None:
            error = {"type": scene.conduct.refusal, "message": reply.message}
            return scene.end_call(call, "failed", error=error)
        answers = tools.chosen(questions, reply.filled)
        metadata = {"answers": answers, "truncated": False}
        return scene.end_call(
            call, "success", content=_content(tools.answered(questions, answers)), metadata=metadata
        )

    def _run(self, call: OpenCall) -> Steps:
        if call.name == "subagent":
            self._later(call, TO_CHILD, self._delegate)
        elif call.name == "shell":
            yield from self._shell(call)
        else:
            yield Beat(self._done(call))

    def _shell(self, call: OpenCall) -> Steps:
        """A command's output is never sent before its end."""
        scene = self._scene
        shell_id = call.shell = scene.stamp.new_id("sh")
        call.metadata = {"shellID": shell_id}
        yield Beat((_shell_created(scene, call), scene.of_call("progress", call, metadata=call.metadata)))
        if call.tool.background:
            yield Beat(self._left_alone(call))
            scene.around.report_later(scene, call, tools.seconds(call.input))
        else:
            self._later(call, tools.seconds(call.input) + TO_RAN, self._shell_ended)

    def _shell_ended(self, call: OpenCall) -> Steps:
        shell_id, call.shell = call.shell, None
        exited = ("shell.exited", {"id": shell_id, "exit": 0, "status": "exited"})
        yield Beat((exited, *self._done(call)))

    def _done(self, call: OpenCall) -> list[Event]:
        scene = self._scene
        done = tools.done(call.name, call.input, scene.directory)
        scene.files += done.files
        ended = scene.end_call(call, "success", content=_content(*done.content), metadata=done.metadata)
        return [*done.events, *ended]

    def _to_background(self) -> list[Event]:
        """Commands and subagents go on by themselves; what waits for a person stays."""
        scene, events = self._scene, list[Event]()
        for call in [one for one in scene.open if one.shell is not None or one.child in self._waiting]:
            if call.child is not None:
                del self._waiting[call.child]
                scene.around.leave(call.child)
            else:
                now = scene.stamp.now_ms()
                due = call.timer[0] if call.timer else now
                scene.around.report_later(scene, call, max(0, due - now) / 1000)
            events += self._left_alone(call)
        return events

    def _left_alone(self, call: OpenCall) -> list[Event]:
        """What goes on in the background is a success for now."""
        metadata = {**call.metadata, "status": "running", "truncated": False}
        content = _content(f"{call.name.capitalize()} is running in the background.")
        return self._scene.end_call(call, "success", content=content, metadata=metadata)

    def _delegate(self, call: OpenCall) -> Steps:
        """A subagent works in a session of its own, in an execution of its own."""
        scene, given = self._scene, call.input
        child_id = call.child = scene.stamp.new_id("ses")
        call.metadata = {"sessionID": child_id, "status": "running"}
        wanted = {"parentID": scene.session_id, "title": given["description"], "agent": given["agent"]}
        created = scene.around.child_created(scene, child_id, wanted)
        yield Beat((created, scene.of_call("progress", call, metadata=_progress(scene, call))))
        if call.tool.background:
            yield Beat(self._left_alone(call))
        else:
            self._waiting[child_id] = call
        scene.around.delegate(scene, call)

    def _delegated(self, call: OpenCall, ending: Ending) -> list[Event]:
        """A child that failed or was stopped fails the call, and the agent goes on."""
        scene = self._scene
        if ending.how == "done":
            metadata = {**call.metadata, "status": "completed", "truncated": False}
            return scene.end_call(call, "success", content=_content(ending.said), metadata=metadata)
        message = ending.said if ending.how == "failed" else tools.CANCELLED
        error = {"type": "tool.execution", "message": message}
        return scene.end_call(call, "failed", error=error, metadata=_progress(scene, call))


def _progress(scene: Scene, call: OpenCall) -> Json:
    return {"metadata": call.metadata} if scene.conduct.nested else call.metadata


def _content(*texts: str) -> list[Json]:
    return [{"type": "text", "text": text} for text in texts]


def _shell_created(scene: Scene, call: OpenCall) -> Event:
    info = {
        "id": call.shell,
        "status": "running",
        "command": call.input["command"],
        "cwd": scene.directory,
        "shell": "/bin/bash",
        "file": f"/home/demo/.local/share/opencode/shell/{scene.session['projectID']}/{call.shell}.out",
        "metadata": {"sessionID": scene.session_id},
        "time": {"started": scene.stamp.now_ms()},
    }
    return "shell.created", {"info": info}
