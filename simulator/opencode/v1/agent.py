"""The agent of a scripted server: takes prompts, answers and aborts, and lets turns follow from them."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass

from simulator.opencode.scheduler import Aborted, Beat, Ending, Reply, Running, Scheduler, Steps
from simulator.opencode.script import Json, Model
from simulator.opencode.v1 import shapes
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.scene import Prompt, Scene
from simulator.opencode.v1.shapes import Stamp
from simulator.opencode.v1.turn import prompted, subagent, turn


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that goes on, and who waits for its end."""

    running: Running
    scene: Scene
    callers: list[asyncio.Future[Ending]]


class Agent:
    """The agent of one server process. Its turns die with the process."""

    def __init__(self, process: Process, model: Model, source: random.Random) -> None:
        self._process, self._model, self._random = process, model, source
        self._scheduler = Scheduler(process)
        self._turns: dict[str, Turn] = {}
        self._allowed: dict[str, set[tuple[str, str]]] = defaultdict(set)

    def prompt(self, session_id: str, body: Json) -> asyncio.Future[Ending]:
        """The message appears now; its answer begins, or waits until the one before is written. Raises BadScript.

        The result is how the turn ended; it is cancelled if the server dies before.
        """
        text = "".join(part.get("text", "") for part in body["parts"])
        reaction = self._model(text)
        going = self._turns.get(session_id)
        scene = self._scene(session_id) if going is None else going.scene
        user = shapes.user_message(scene.stamp, scene.session, body)
        said = Prompt(user, text, reaction.script, reaction.title)
        self.play(scene.directory, _once(Beat(prompted(scene, said, body))))
        scene.inbox.append(said)
        return self._promise(going or self._start(scene), reaction.script.abort_after)

    def reply(self, reply: Reply) -> bool:
        """Whether a turn waited for this answer; if so it goes on."""
        for going in self._turns.values():
            if reply.request_id in going.running.waits:
                self._scheduler.resume(going.running, reply)
                return True
        return False

    def abort(self, session_id: str) -> bool:
        """Whether a turn had to be aborted; that of a child session ends alone, that of its parent goes on."""
        going = self._turn_of(session_id)
        if going is None or session_id in going.running.stopping:
            return False
        going.running.stopping.add(session_id)
        self._scheduler.resume(going.running, Aborted(session_id))
        return True

    def delete(self, session_id: str) -> None:
        """The session is gone: what streams goes on streaming, and what must be stored fails."""
        if session_id in self._turns:
            self._turns[session_id].running.gone = session_id

    def dispose(self, directory: str) -> None:
        """Abort every turn of a directory; all is sent before this returns."""
        for session_id, going in list(self._turns.items()):
            if going.running.directory == directory:
                self.abort(session_id)
                while session_id in self._turns:
                    self._scheduler.resume(going.running)
        self._allowed.pop(directory, None)

    def play(self, directory: str, steps: Steps) -> None:
        """Let something happen by itself from now on."""
        self._scheduler.resume(Running(steps, directory, lambda _: None))

    def kill(self) -> None:
        """Everything stops where it is, without a farewell."""
        self._scheduler.clear()
        for going in self._turns.values():
            for caller in going.callers:
                caller.cancel()
        self._turns.clear()
        self._allowed.clear()

    def _scene(self, session_id: str) -> Scene:
        sessions = self._process.state.sessions
        stamp = Stamp(self._process.ids.new, self._process.now_ms)
        allowed = self._allowed[sessions[session_id]["directory"]]
        return Scene(stamp, self._random, sessions, session_id, allowed, subagent)

    def _start(self, scene: Scene) -> Turn:
        def ended(ending: Ending | None) -> None:
            del self._turns[scene.session_id]
            for caller in going.callers:
                if ending is not None and not caller.done():
                    caller.set_result(ending)

        going = Turn(Running(turn(scene), scene.directory, ended), scene, [])
        self._turns[scene.session_id] = going
        self._scheduler.resume(going.running)
        return going

    def _promise(self, going: Turn, abort_after: float | None) -> asyncio.Future[Ending]:
        if abort_after is not None:
            self.play(going.scene.directory, self._abort_later(going, abort_after))
        caller: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        going.callers.append(caller)
        return caller

    def _abort_later(self, going: Turn, seconds: float) -> Steps:
        yield Beat(pause=seconds)
        if self._turns.get(going.scene.session_id) is going:
            self.abort(going.scene.session_id)

    def _turn_of(self, session_id: str) -> Turn | None:
        """Its own turn, or the one whose subagent it is and now works."""
        if session_id in self._turns:
            return self._turns[session_id]
        if session_id not in self._process.state.statuses:
            return None
        return self._turns.get(self._process.state.root_of(session_id))


def _once(beat: Beat) -> Steps:
    yield beat
