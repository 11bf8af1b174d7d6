"""The agent of a scripted server of generation 2: executions that follow from what is said, answered, interrupted and restarted."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from simulator.opencode.prompt_language import BadScript, parse
from simulator.opencode.scheduler import TICK, Beat, Beats, Ending, Event, Reply, Running, Scheduler, Steps
from simulator.opencode.script import Json, Model, PermissionReply, Reaction, Script, Tool
from simulator.opencode.v2 import shapes, tools, turn
from simulator.opencode.v2.conduct import conduct_of
from simulator.opencode.v2.failures import Interrupted
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.requests import invalid
from simulator.opencode.v2.scene import OpenCall, Scene, Stamp
from simulator.opencode.v2.state import Form, Pending
from simulator.opencode.v2.toolbox import Background, ChildEnded

MOST_RESUMES = 10
"""How often one turn runs again after a restart of the service; then it fails."""
TO_TITLE = 0.5
"""Seconds from the first prompt of a session to the title that a small model finds for it: during the turn, or after it."""
_SPAWNED = "You are a subagent spawned by another session.\n"
_STATES = {"done": "completed", "failed": "error", "stopped": "cancelled", "aborted": "cancelled"}
"""How the end of a background child is called in the item that its parent gets."""


class Answers(Protocol):
    """The Api, through which also a script's own person acts."""

    def enqueue(self, session_id: str, item_id: str, item: Json) -> Json: ...
    def reply_permission(self, asked: Pending, word: PermissionReply, message: str | None = None) -> None: ...
    def reply_form(self, form: Form, answer: Json) -> None: ...
    def cancel_form(self, form: Form, message: str | None = None) -> None: ...


@dataclass(slots=True)
class Execution:
    """An execution that goes on, and who waits for its end. `again`: something was said after it began to end."""

    running: Running
    scene: Scene
    callers: list[asyncio.Future[Ending]] = field(default_factory=list)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Delegation:
    """Whose subagent a session is. The parent waits for one in the foreground."""

    parent_id: str
    background: bool


class Agent:
    """The agent of one server. Its executions die with the process; what they had yet to do is kept for a resume.

    `api` is set by the Api that uses this agent.
    """

    api: Answers

    def __init__(self, process: Process, model: Model, source: random.Random) -> None:
        self._process, self._model, self._random = process, model, source
        self.conduct = conduct_of(process.flavour.version)
        self._scheduler = Scheduler(process)
        self._executions: dict[str, Execution] = {}
        self._delegations: dict[str, Delegation] = {}
        self._scripts: dict[str, Script] = {}
        self._unfinished: dict[str, Scene] = {}
        self._resumes: Counter[str] = Counter()
        self._stopping = False

    def check(self, text: str) -> None:
        """Raises Refused (400) for a prompt that holds no script."""
        try:
            parse(text)
        except BadScript as error:
            raise invalid(f'{error}\n  at ["text"]') from None

    def wake(self, session_id: str) -> None:
        """Something is in the session's inbox: an execution begins, or the one that goes on takes it when it can."""
        going = self._executions.get(session_id)
        if going is None:
            self._start(self._scene(session_id), turn.execution)
        elif going.scene.ending:
            going.again = True

    def ended(self, session_id: str) -> "asyncio.Future[Ending]":
        """How the session's execution ends; cancelled if the server dies before. At once if there is none."""
        caller: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        going = self._executions.get(session_id)
        if going is None:
            caller.set_result(Ending("done"))
        else:
            going.callers.append(caller)
        return caller

    def replied(self, reply: Reply) -> None:
        """An answer was just sent: the call that waited for it goes on."""
        for going in list(self._executions.values()):
            if reply.request_id in going.running.waits:
                self._scheduler.resume(going.running, reply)

    def interrupt(self, session_id: str, reason: str = "user") -> bool:
        """End its execution, and those of its foreground children before it; whether there was one. All is sent then."""
        going = self._executions.get(session_id)
        if going is None:
            return False
        going.scene.ending = True
        self.interrupt_children(going.scene, reason)
        self._scheduler.resume(going.running, Interrupted(session_id, reason))
        return True

    def background(self, session_id: str) -> None:
        """What its tools do goes on by itself, and the agent goes on, too."""
        going = self._executions.get(session_id)
        if going is not None and going.scene.open and all(call.called for call in going.scene.open):
            self._scheduler.resume(going.running, Background(""))

    def forget(self, session_id: str) -> None:
        """A session is about to be deleted: what works for it in the background has nobody to report to."""
        for child_id, delegation in list(self._delegations.items()):
            if delegation.parent_id == session_id and delegation.background:
                del self._delegations[child_id]

    def resume(self, session_id: str) -> None:
        """A turn that the service's last stop interrupted runs again; nobody listens yet. A child's does only by its parent."""
        session = self._process.state.sessions.get(session_id)
        if session is None or "parentID" in session:
            self._process.state.claims.discard(session_id)
            return
        self._process.boot(session["location"]["directory"])
        self._resumes[session_id] += 1
        if self._resumes[session_id] > MOST_RESUMES:
            self._start(self._scene(session_id), turn.given_up)
            return
        scene, before = self._scene(session_id), self._unfinished.pop(session_id, None)
        if before is not None:
            again = [before.call] if before.call is not None and self.conduct.asks_again else []
            scene.calls = deque([*again, *before.calls])
        self._start(scene, lambda scene: turn.execution(scene, resumed=True))

    def stop(self) -> None:
        """The process ends orderly: turns end as interrupted by the shutdown, which is stored, and sent to nobody."""
        self._stopping = True
        for session_id in list(self._executions):
            self.interrupt(session_id, "shutdown")
        self._clear()

    def kill(self) -> None:
        """The process is killed: everything stops where it is."""
        for session_id, going in self._executions.items():
            self._unfinished[session_id] = going.scene
            for caller in going.callers:
                caller.cancel()
        self._clear()

    def reaction(self, item: Json) -> Reaction:
        """What the model makes of an item: the script in it; of what is no person's, only a last word."""
        session_id, text = item["sessionID"], item["payload"].get("text", "")
        if (script := self._scripts.pop(item["id"], None)) is not None:
            return Reaction(script, "")
        if item["type"] != "user":
            return Reaction(Script(), "")
        reaction = self._model(text)
        session = self._process.state.sessions[session_id]
        if "title" not in session and "parentID" not in session:
            self._play(session_id, self._title(session_id, reaction.title))
        if reaction.script.abort_after is not None:
            self._play(session_id, self._interrupt_later(session_id, reaction.script))
        return reaction

    def answer_later(self, request_id: str, tool: Tool) -> None:
        """A script's person answers, if the script says so and nobody was faster."""
        if tool.patience is not None:
            self._scheduler.resume(
                Running(self._answer(request_id, tool), self._process.directory, lambda _: None)
            )

    def child_created(self, parent: Scene, child_id: str, wanted: Json) -> Event:
        """The event that announces a subagent's session."""
        project, flavour = parent.session["projectID"], self._process.flavour
        return "session.created", shapes.created(child_id, project, parent.directory, wanted, flavour)

    def delegate(self, parent: Scene, call: OpenCall) -> None:
        """The child of a call is given its prompt, and works."""
        child_id, item_id = str(call.child), self._process.ids.new("msg")
        self._delegations[child_id] = Delegation(parent.session_id, call.tool.background)
        self._scripts[item_id] = call.tool.script or Script()
        self._enqueue(child_id, item_id, shapes.user_item({"text": _SPAWNED + call.input["prompt"]}))

    def report_later(self, scene: Scene, call: OpenCall, seconds: float) -> None:
        """A command in the background ends, and its session is given to know."""
        self._play(scene.session_id, self._shell_ended(scene.session_id, str(call.shell), call, seconds))

    def leave(self, child_id: str) -> None:
        """A child goes on in the background, and reports when it ends."""
        self._delegations[child_id] = replace(self._delegations[child_id], background=True)

    def moved(self, scene: Scene, directory: str) -> None:
        """Events of the session are located elsewhere from now on."""
        scene.directory = directory
        self._executions[scene.session_id].running.directory = directory
        self._process.boot(directory)

    def interrupt_children(self, scene: Scene, reason: str = "user") -> None:
        """What works for a session in the foreground ends."""
        for child_id, delegation in list(self._delegations.items()):
            if delegation.parent_id == scene.session_id and not delegation.background:
                self.interrupt(child_id, reason)

    def _scene(self, session_id: str) -> Scene:
        state = self._process.state
        stamp = Stamp(self._process.ids.new, self._process.now_ms)
        directory = state.sessions[session_id]["location"]["directory"]
        return Scene(stamp, self._random, state, session_id, self.conduct, self, directory)

    def _start(self, scene: Scene, beats: Callable[[Scene], Beats]) -> None:
        running = Running(beats(scene), scene.directory, lambda ending: self._over(going, ending))
        going = Execution(running, scene)
        self._executions[scene.session_id] = going
        self._scheduler.resume(running)

    def _over(self, going: Execution, ending: Ending | None) -> None:
        """An execution has ended: who waits for it goes on, and what was said meanwhile is answered by another."""
        session_id, ending = going.scene.session_id, ending or Ending("done")
        del self._executions[session_id]
        if session_id in self._process.state.claims:
            self._unfinished[session_id] = going.scene
        else:
            self._unfinished.pop(session_id, None)
            del self._resumes[session_id]
        for caller in going.callers:
            if not caller.done():
                caller.set_result(ending)
        self._child_over(session_id, ending)
        if going.again and not self._stopping and session_id in self._process.state.sessions:
            self.wake(session_id)

    def _child_over(self, child_id: str, ending: Ending) -> None:
        """The parent's call ends with its child; a child of the background wakes its parent once more."""
        delegation = self._delegations.pop(child_id, None)
        if delegation is None or self._stopping:
            return
        parent = self._executions.get(delegation.parent_id)
        if delegation.background:
            about = {"source": "subagent", "childID": child_id, "state": _STATES[ending.how]}
            self._report(delegation.parent_id, ending.said or about["state"], about)
        elif parent is not None and not parent.scene.ending:
            self._scheduler.resume(parent.running, ChildEnded(child_id, ending=ending))

    def _report(self, session_id: str, text: str, about: Json) -> None:
        if session_id in self._process.state.sessions:
            payload = {"text": text, "description": "Background work has ended", "metadata": about}
            self._enqueue(session_id, self._process.ids.new("msg"), shapes.synthetic_item(payload))

    def _enqueue(self, session_id: str, item_id: str, item: Json) -> None:
        self._scheduler.flush()
        self.api.enqueue(session_id, item_id, item)
        self.wake(session_id)

    def _answer(self, request_id: str, tool: Tool) -> Steps:
        yield Beat(pause=max(tool.after, TICK))
        self._scheduler.flush()
        api, state = self.api, self._process.state
        asked, form = state.permissions.get(request_id), state.forms.get(request_id)
        if asked is not None:
            api.reply_permission(asked, tool.reply or "once", tool.message)
        elif form is not None and form.pending and tool.answers is None:
            api.cancel_form(form, tool.message)
        elif form is not None and form.pending:
            api.reply_form(form, tools.form_answer(tool.input["questions"], tool.answers or ()))

    def _title(self, session_id: str, title: str) -> Steps:
        yield Beat(pause=TO_TITLE)
        if "title" not in self._process.state.sessions.get(session_id, {"title": ""}):
            scene = self._scene(session_id)
            yield Beat((scene.recorded(), scene.usage(), scene.event("renamed", title=title)))

    def _interrupt_later(self, session_id: str, script: Script) -> Steps:
        going = self._executions.get(session_id)
        yield Beat(pause=script.abort_after)
        if going is not None and self._executions.get(session_id) is going:
            self.interrupt(session_id, script.reason)

    def _shell_ended(self, session_id: str, shell_id: str, call: OpenCall, seconds: float) -> Steps:
        yield Beat(pause=seconds)
        yield Beat((("shell.exited", {"id": shell_id, "exit": 0, "status": "exited"}),))
        about = {"source": "shell", "shellID": shell_id, "state": "completed"}
        self._report(session_id, tools.done(call.name, call.input, "").content[0], about)

    def _play(self, session_id: str, steps: Steps) -> None:
        """Let something happen by itself from now on."""
        directory = self._process.state.directory_of(session_id) or self._process.directory
        self._scheduler.resume(Running(steps, directory, lambda _: None))

    def _clear(self) -> None:
        self._scheduler.clear()
        self._executions.clear()
        self._delegations.clear()
        self._stopping = False
