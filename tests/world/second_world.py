"""A ReplayWorld whose OpenCode is of generation 2 and is driven by a test, event by event."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.opencode.v2.server import OpenCode2Server
from simulator.replay.world import ReplayWorld

PASSWORD = "pässwort-canary-pAsSwOrD77"
DIRECTORY = "/code/demo"
Json = dict[str, Any]


class SecondWorld(ReplayWorld):
    """A server without an agent: the test says what happens."""

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The server always wants its password."""
        return {"OPENCODE_PASSWORD": PASSWORD}

    @property
    def service_file(self) -> Path | None:
        """Where the server registers itself, if it does."""
        return None

    async def _start_opencode(self) -> None:
        self.second = OpenCode2Server(
            self.clock, self.journal, password=PASSWORD, directory=DIRECTORY, service_file=self.service_file
        )
        self.opencode = self.second  # type: ignore[assignment]
        await self.second.start()
        self._stack.push_async_callback(self._close_opencode)

    async def _close_opencode(self) -> None:
        if self.second.running:
            await self.second.close()

    def create(self, title: str, **more: Any) -> str:
        """A new session; its id."""
        return str(
            self.second.api.create({"title": title, "location": {"directory": DIRECTORY}} | more)["id"]
        )

    def say(self, kind: str, session_id: str, **data: Any) -> None:
        """Let one event of a session happen."""
        self.second.process.publish(f"session.{kind}", {"sessionID": session_id} | data)

    def prompt(self, session_id: str, body: Mapping[str, Any]) -> str:
        """A person asks, and the model is called; the id of the assistant's message."""
        item = self.second.api.prompt(session_id, dict(body))
        self.say("execution.started", session_id)
        self.say("inbox.delivered", session_id, inboxID=item["id"])
        return self.step(session_id)

    def step(self, session_id: str) -> str:
        """The model is called; the id of the assistant's message."""
        message_id = self.second.process.ids.new("msg")
        model = {"id": "fake-model", "providerID": "fake"}
        self.say("step.started", session_id, assistantMessageID=message_id, agent="build", model=model)
        return message_id

    def tool(self, session_id: str, message_id: str, name: str, given: Json) -> str:
        """The model calls a tool; the id of the call."""
        call = self.second.process.ids.new("call")
        own = {"assistantMessageID": message_id, "id": call}
        self.say("tool.input.started", session_id, **own, name=name)
        self.say("tool.input.ended", session_id, **own, text=str(given))
        self.say("tool.called", session_id, **own, input=given, executed=False)
        return call

    def end(self, session_id: str, message_id: str, words: str) -> None:
        """The model has said this, and is done."""
        own = {"assistantMessageID": message_id}
        self.say("text.started", session_id, **own, ordinal=0)
        self.say("text.ended", session_id, **own, ordinal=0, text=words)
        self.say("step.ended", session_id, **own, finish="stop", cost=0, tokens={})
        self.say("execution.succeeded", session_id)
