"""One model call that uses tools: permissions and questions asked, answered or not, and what the tools do. No I/O."""

from collections.abc import Generator

from simulator.opencode.scheduler import Beat, Ending, Event, Reply, Steps
from simulator.opencode.script import Json, Script, Tool, Use
from simulator.opencode.v1 import shapes, tools
from simulator.opencode.v1.scene import OpenTool, Prompt, Scene, stream
from simulator.opencode.v1.tools import Request

TO_RUNNING = 0.03
"""Seconds from a tool's `pending` to its `running`, as recorded."""


class Toolbox:
    """Runs the tools of one call. `rejected`: a person said no, and the turn must stop."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._asking: dict[str, OpenTool] = {}
        self._requests: dict[str, list[Request]] = {}
        self.rejected = False
        self.files: list[str] = []

    def use(self, use: Use) -> Steps:
        """From the step's start until every tool has ended."""
        scene = self._scene
        start = scene.part(shapes.step_start(scene.stamp, scene.message))
        if use.said:
            yield Beat((start,))
            yield from stream(scene, "text", use.said, 0.0)
        opened = [self._open(tool) for tool in use.tools]
        started = () if use.said else (start,)
        yield Beat((*started, *(scene.part(one.part) for one in opened)), TO_RUNNING)
        for one in opened:
            yield from self._begin(one)
        while self._asking:
            yield from self._answered((yield from self._wait()))

    def _open(self, tool: Tool) -> OpenTool:
        scene = self._scene
        number = scene.source.randrange(10**7, 10**8)
        pending = {"status": "pending", "input": {}, "raw": ""}
        part = shapes.part(
            scene.stamp,
            scene.message,
            type="tool",
            tool=tool.name,
            callID=f"call_{number}_{len(scene.tools)}",
            state=pending,
        )
        scene.tools.append(OpenTool(tool, part))
        return scene.tools[-1]

    def _begin(self, one: OpenTool) -> Steps:
        scene = self._scene
        one.started = scene.now()
        if one.tool.name == "task":
            yield from self._delegate(one)
            return
        yield Beat((scene.part(one.state("running")),))
        if one.tool.name == "question":
            yield Beat((self._question(one),))
            return
        asked = tools.requests(one.tool.name, one.tool.input, scene.directory)
        if one.tool.asks and not asked:
            asked = (Request(one.tool.name, ("*",), {}, ("*",)),)
        self._requests[one.part["id"]] = [
            request for request in asked if not request.allowed_by(scene.allowed)
        ]
        yield from self._ask_or_run(one)

    def _ask_or_run(self, one: OpenTool) -> Steps:
        requests = self._requests[one.part["id"]]
        if requests:
            yield Beat((self._ask(one, requests[0]),))
        else:
            yield from self._run(one)

    def _ask(self, one: OpenTool, request: Request) -> Event:
        return self._asked("per", "permission.asked", one, request.json())

    def _question(self, one: OpenTool) -> Event:
        return self._asked("que", "question.asked", one, one.tool.input)

    def _asked(self, prefix: str, kind: str, one: OpenTool, what: Json) -> Event:
        request_id = self._scene.stamp.new_id(prefix)
        self._asking[request_id] = one
        called = {"messageID": one.part["messageID"], "callID": one.part["callID"]}
        return kind, {"id": request_id, "sessionID": self._scene.session_id, **what, "tool": called}

    def _wait(self) -> Generator[Beat, Reply | None, Reply]:
        """The answer of a person, or of the script if its patience ends first."""
        scripted = [(key, one) for key, one in self._asking.items() if one.tool.patience is not None]
        pause = scripted[0][1].tool.patience if scripted else None
        self._scene.asking = True
        reply = yield Beat(pause=pause, waits=frozenset(self._asking))
        self._scene.asking = False
        return _scripted(*scripted[0]) if reply is None else reply

    def _answered(self, reply: Reply) -> Steps:
        one = self._asking.pop(reply.request_id)
        if one.tool.name == "question":
            yield Beat(self._question_answered(one, reply))
        elif reply.word == "reject":
            yield Beat(self._refused(one, reply))
        else:
            yield from self._permitted(one, reply)

    def _permitted(self, one: OpenTool, reply: Reply) -> Steps:
        request = self._requests[one.part["id"]].pop(0)
        if reply.word == "always":
            self._scene.allowed |= {(request.permission, pattern) for pattern in request.always}
        yield Beat((self._replied(reply.request_id, reply.word),))
        yield from self._ask_or_run(one)

    def _refused(self, one: OpenTool, reply: Reply) -> list[Event]:
        """Without a message to the model, all that the session asks is refused, and the turn stops."""
        if reply.message:
            error = f"{tools.REJECTED[:-1]} with the following feedback: {reply.message}"
            return [self._replied(reply.request_id, "reject"), self._failed(one, error)]
        self.rejected = True
        refused = {reply.request_id: one, **self._asking}
        self._asking.clear()
        events = [self._replied(request_id, "reject") for request_id in refused]
        return events + [self._failed(other, tools.REJECTED) for other in refused.values()]

    def _replied(self, request_id: str, word: str) -> Event:
        properties = {"sessionID": self._scene.session_id, "requestID": request_id, "reply": word}
        return "permission.replied", properties

    def _question_answered(self, one: OpenTool, reply: Reply) -> list[Event]:
        answered: Json = {"sessionID": self._scene.session_id, "requestID": reply.request_id}
        if reply.answers is None:
            self.rejected = True
            return [("question.rejected", answered), self._failed(one, tools.DISMISSED)]
        questions = one.tool.input["questions"]
        output, title = tools.answered(questions, reply.answers)
        metadata = {"answers": reply.answers, "truncated": False}
        event = self._scene.close_tool(one, status="completed", output=output, metadata=metadata, title=title)
        return [("question.replied", {**answered, "answers": reply.answers}), event]

    def _failed(self, one: OpenTool, error: str) -> Event:
        return self._scene.close_tool(one, status="error", error=error)

    def _run(self, one: OpenTool) -> Steps:
        scene, tool = self._scene, one.tool
        for chunk in tools.chunks(tool.name, tool.input):
            if chunk.after:
                yield Beat(pause=chunk.after)
            one.printed = chunk.output
            yield Beat((scene.part(one.state("running", metadata={"output": chunk.output})),))
        done = tools.done(tool.name, tool.input, scene.directory)
        self.files += done.files
        scene.diffs += done.diffs
        ended = scene.close_tool(
            one, status="completed", output=done.output, metadata=done.metadata, title=done.title
        )
        yield Beat((*done.events, ended))

    def _delegate(self, one: OpenTool) -> Steps:
        """A subagent works in a session of its own, while this one waits, busy."""
        scene, given = self._scene, one.tool.input
        title = f"{given['description']} (@{given['subagent_type']} subagent)"
        deny = [{"permission": "task", "pattern": "*", "action": "deny"}]
        child = shapes.new_session(
            scene.stamp, scene.directory, scene.session["projectID"], title,
            parentID=scene.session_id, agent=given["subagent_type"], permission=deny,
        )  # fmt: skip
        metadata = {
            "parentSessionId": scene.session_id,
            "sessionId": child["id"],
            "model": shapes.DEFAULT_MODEL,
        }
        running = one.state("running", title=given["description"], metadata=metadata)
        yield Beat((shapes.session_event("created", child), scene.part(running), scene.part(running)))
        prompt = Prompt(
            shapes.user_message(scene.stamp, child, {}), given["prompt"], one.tool.script or Script(), title
        )
        ending = yield from scene.subagent(scene, child, prompt)
        yield Beat((self._delegated(one, child["id"], metadata, ending),))

    def _delegated(self, one: OpenTool, child_id: str, metadata: Json, ending: Ending) -> Event:
        if ending.how in ("done", "stopped"):
            output = f'<task id="{child_id}" state="completed">\n<task_result>\n{ending.said}\n</task_result>\n</task>'
            return self._scene.close_tool(
                one,
                status="completed",
                output=output,
                metadata={**metadata, "truncated": False},
                title=one.tool.input["description"],
            )
        return self._failed(one, f"Subagent failed (task_id: {child_id}): {ending.said}")


def _scripted(request_id: str, one: OpenTool) -> Reply:
    tool = one.tool
    answers = None if tool.answers is None else [list(answer) for answer in tool.answers]
    return Reply(request_id, tool.reply or "once", tool.message, answers)
