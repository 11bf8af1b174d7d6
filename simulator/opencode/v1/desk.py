"""What a server does about requests: a scripted turn takes them itself; of recorded sessions, what follows is looked up."""

import asyncio
from typing import Any

from simulator.opencode.script import BadScript
from simulator.opencode.v1 import answers, instances
from simulator.opencode.v1.agent import Agent
from simulator.opencode.v1.answers import Answer
from simulator.opencode.v1.beat import Ending, Reply
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.requests import bad_prompt, no_answer
from simulator.opencode.v1.state import GLOBAL_DIRECTORY, Json, Pending


class Desk:
    """Of one server process. Without an agent no prompt is ever answered: whatever happens is played to it."""

    def __init__(self, process: Process, agent: Agent | None) -> None:
        self._process, self._agent = process, agent
        self._state = process.state
        self._instances: set[str] = set()

    def visit(self, directory: str) -> None:
        """Any request that names a directory starts an instance there; a scripted server tells of it."""
        if directory in self._instances:
            return
        self._instances.add(directory)
        if self._agent is not None:
            started = instances.project(directory, self._process.now_ms())
            self._process.act(GLOBAL_DIRECTORY, Answer((started,)))
            self._agent.play(directory, instances.burst())

    def create(self, directory: str, body: Json) -> Json:
        """A new session."""
        self.visit(directory)
        project = self._process.project_of(directory)
        info, answer = answers.new_session(
            self._process.ids, directory, project, body, self._process.now_ms()
        )
        self._process.act(directory, answer)
        return info

    def change(self, session: Json, body: Json) -> Json:
        """Its title, or whether it is archived."""
        self._act(session, answers.changed(session, body, self._process.now_ms()))
        return self._state.sessions[session["id"]]

    def delete(self, session: Json) -> None:
        """The session is gone; its turn may not notice at once."""
        if self._agent is not None:
            self._agent.delete(session["id"])
        self._act(session, answers.delete(self._state, session["id"]))

    def prompt(self, session: Json, body: Json) -> "asyncio.Future[Ending] | None":
        """The message appears; what comes of its turn, or None if nobody answers. Raises Refused (400)."""
        self.visit(session["directory"])
        if self._agent is None:
            self._act(session, answers.prompt(self._process.ids, session, body, self._process.now_ms()))
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
            self._process.act(where, answers.abort(self._state, session_id))

    def permission(self, asked: Pending, word: answers.Reply, message: str | None) -> None:
        """A person answers a permission."""
        reply = Reply(asked.request["id"], word, message)
        if self._agent is None or not self._agent.reply(reply):
            self._process.act(asked.directory, answers.permission_reply(self._state, reply.request_id, word))

    def question(self, asked: Pending, chosen: list[Any] | None) -> None:
        """A person answers a question, or dismisses it (None)."""
        reply = Reply(asked.request["id"], answers=chosen)
        if self._agent is not None and self._agent.reply(reply):
            return
        follows = (
            answers.question_reject(self._state, reply.request_id)
            if chosen is None
            else answers.question_reply(self._state, reply.request_id, chosen)
        )
        self._process.act(asked.directory, follows)

    def dispose(self, directory: str) -> None:
        """An instance goes: its turns are aborted, its requests are forgotten, its /event streams end."""
        if self._agent is not None:
            self._agent.dispose(directory)
        for session_id in list(self._state.session_status(directory)):
            self._process.act(directory, answers.abort(self._state, session_id))
        self._process.act(directory, Answer((("server.instance.disposed", {"directory": directory}),)))
        self._process.streams.end(directory)
        self._instances.discard(directory)

    def dispose_all(self) -> None:
        """Every instance goes."""
        for directory in sorted(self._instances):
            self.dispose(directory)
        self._process.act(GLOBAL_DIRECTORY, Answer((("global.disposed", {}),)))

    def die(self) -> None:
        """As the process does: turns and instances are gone, and nobody is told."""
        self._instances.clear()
        if self._agent is not None:
            self._agent.kill()

    def _act(self, session: Json, answer: Answer) -> None:
        self._process.act(session["directory"], answer)
