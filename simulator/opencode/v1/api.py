"""What the server's API does, without HTTP. Requests of a scripted session go to its agent; for a recorded one, the effects are computed."""

import asyncio
import hashlib
from typing import Any

from simulator.opencode.prompt_language import BadScript
from simulator.opencode.scheduler import Beat, Ending, Event, Reply, Steps
from simulator.opencode.script import Json, PermissionReply
from simulator.opencode.v1 import effects
from simulator.opencode.v1.agent import Agent
from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.requests import bad_prompt, no_answer
from simulator.opencode.v1.state import GLOBAL_DIRECTORY, Pending

TO_BURST = 0.5
"""Seconds from the first request that names a directory to the burst, as recorded."""

_FIRST_PLUGINS = (
    "core/config-reference agent command skill models-dev config-agent config-command config-skill alibaba amazon-bedrock "
    "anthropic azure-cognitive-services azure cerebras cloudflare-ai-gateway cloudflare-workers-ai cohere deepinfra gateway "
    "github-copilot gitlab google google-vertex-anthropic google-vertex groq kilo llmgateway mistral nvidia opencode "
    "snowflake-cortex openai-compatible openai openrouter perplexity sap-ai-core togetherai"
)
_LAST_PLUGINS = "vercel venice xai zenmux dynamic-provider config-plugin config-provider variant"


def _burst() -> Steps:
    """What an instance sends when it has started: some fifty events of no session."""
    yield Beat(pause=TO_BURST)
    yield Beat(
        (*map(_plugin, _FIRST_PLUGINS.split()), ("catalog.updated", {}), *map(_plugin, _LAST_PLUGINS.split()))
    )
    yield Beat((("reference.updated", {}), ("integration.updated", {}), ("catalog.updated", {})))


def _project_updated(directory: str, now_ms: int) -> Event:
    """`project.updated`, sent for the whole server when an instance starts. A project is named like a commit."""
    time = {"created": now_ms, "updated": now_ms}
    project_id = hashlib.sha256(directory.encode()).hexdigest()[:40]
    return "project.updated", {
        "id": project_id,
        "worktree": directory,
        "vcs": "git",
        "sandboxes": [],
        "time": time,
    }


def _plugin(name: str) -> Event:
    return "plugin.added", {"id": name}


class Api:
    """Of one server process. Without an agent no prompt is ever answered: whatever happens is played to it."""

    def __init__(self, process: Process, agent: Agent | None) -> None:
        self._process, self._agent = process, agent
        self._state = process.state
        self._instances: set[str] = set()

    def visit(self, directory: str) -> None:
        """Any request that names a directory starts an instance there; a scripted server announces it."""
        if directory in self._instances:
            return
        self._instances.add(directory)
        if self._agent is not None:
            started = _project_updated(directory, self._process.now_ms())
            self._process.act(GLOBAL_DIRECTORY, Effect((started,)))
            self._agent.play(directory, _burst())

    def begin(self, directory: str, title: str) -> str:
        """A new session; its identifier."""
        return str(self.create(directory, {"title": title})["id"])

    def turn(self, session_id: str, text: str) -> "asyncio.Future[Ending] | None":
        """Prompt a session; how the turn ends, or None if nobody answers."""
        said = {"parts": [{"type": "text", "text": text}]}
        return self.prompt(self._state.sessions[session_id], said)

    def create(self, directory: str, body: Json) -> Json:
        """A new session."""
        self.visit(directory)
        project_id = self._process.project_of(directory)
        info, answer = effects.new_session(
            self._process.ids, directory, project_id, body, self._process.now_ms()
        )
        self._process.act(directory, answer)
        return info

    def change(self, session: Json, body: Json) -> Json:
        """Its title, or whether it is archived."""
        self._act(session, effects.changed(session, body, self._process.now_ms()))
        return self._state.sessions[session["id"]]

    def delete(self, session: Json) -> None:
        """The session is gone; its turn may not notice at once."""
        if self._agent is not None:
            self._agent.delete(session["id"])
        self._act(session, effects.delete(self._state, session["id"]))

    def prompt(self, session: Json, body: Json) -> "asyncio.Future[Ending] | None":
        """The message appears; what comes of its turn, or None if nobody answers. Raises Refused (400)."""
        self.visit(session["directory"])
        if self._agent is None:
            self._act(session, effects.prompt(self._process.ids, session, body, self._process.now_ms()))
            return None
        try:
            return self._agent.prompt(session["id"], body)
        except BadScript as error:
            raise bad_prompt(str(error)) from None

    async def message(self, session: Json, body: Json) -> Json:
        """The answer to a prompt, when its turn is over. Raises Refused (500) if there is no model to give one."""
        turn = self.prompt(session, body)
        if turn is None:
            raise no_answer()
        await turn
        said = self._state.message_list(session["id"])
        return next(one for one in reversed(said) if one["info"]["role"] == "assistant")

    def abort(self, session_id: str, directory: str) -> None:
        """End its turn, and those of its children."""
        if self._agent is None or not self._agent.abort(session_id):
            where = self._state.directory_of(session_id) or directory
            self._process.act(where, effects.abort(self._state, session_id))

    def permission(self, asked: Pending, word: PermissionReply, message: str | None) -> None:
        """A person answers a permission."""
        reply = Reply(asked.request["id"], word, message)
        if self._agent is None or not self._agent.reply(reply):
            self._process.act(asked.directory, effects.permission_reply(self._state, reply.request_id, word))

    def question(self, asked: Pending, chosen: list[Any] | None) -> None:
        """A person answers a question, or dismisses it (None)."""
        reply = Reply(asked.request["id"], answers=chosen)
        if self._agent is not None and self._agent.reply(reply):
            return
        follows = (
            effects.question_reject(self._state, reply.request_id)
            if chosen is None
            else effects.question_reply(self._state, reply.request_id, chosen)
        )
        self._process.act(asked.directory, follows)

    def dispose(self, directory: str) -> None:
        """An instance goes: its turns are aborted, its requests are forgotten, its /event streams end."""
        if self._agent is not None:
            self._agent.dispose(directory)
        for session_id in list(self._state.session_status(directory)):
            self._process.act(directory, effects.abort(self._state, session_id))
        self._process.act(directory, Effect((("server.instance.disposed", {"directory": directory}),)))
        self._process.streams.end(directory)
        self._instances.discard(directory)

    def dispose_all(self) -> None:
        """Every instance goes."""
        for directory in sorted(self._instances):
            self.dispose(directory)
        self._process.act(GLOBAL_DIRECTORY, Effect((("global.disposed", {}),)))

    def die(self) -> None:
        """As the process does: turns and instances are gone, without a farewell."""
        self._instances.clear()
        if self._agent is not None:
            self._agent.kill()

    def _act(self, session: Json, answer: Effect) -> None:
        self._process.act(session["directory"], answer)
