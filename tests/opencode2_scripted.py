"""A scripted server of generation 2 without a socket, on a virtual clock, and the person who uses it."""

import asyncio
import json
import random

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v2.agent import Agent
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process

D = "/code/demo"
ENDS = ("session.execution.succeeded", "session.execution.failed", "session.execution.interrupted")


class Scripted2:
    """`sent` is every event of the stream, as envelopes; while `deaf` nobody listens, and only `all` has them."""

    def __init__(self, flavour: str = "2.1", *, managed: bool = True, model=None) -> None:
        self.clock = VirtualClock()
        source = random.Random(1)
        self.process = Process(
            self.clock, Journal(self.clock), directory=D, flavour=flavour, managed=managed, source=source
        )
        self.state = self.process.state
        self.agent = Agent(self.process, model or self._model, source)
        self.api = Api(self.process, self.agent)
        self.sent: list[dict] = []
        self.all: list[dict] = []
        self.deaf = False
        self.process.streams.send = self._send

    def _model(self, prompt: str) -> Reaction:
        return Reaction(parse(prompt) or Script(), "Title0 Title1 Title2")

    def _send(self, frames) -> None:
        events = [json.loads(one.line.removeprefix(b"data: ")) for one in frames]
        self.all += events
        if not self.deaf:
            self.sent += events

    def session(self, title: str | None = "a title", directory: str = D, **wanted) -> str:
        body = {"title": title, "location": {"directory": directory}, **wanted}
        return self.api.create(body)["id"]

    def prompt(self, session_id: str, script: str = "", **options) -> "asyncio.Future":
        """`script` is the JSON of operations; without one the model says its five words. How the execution ends."""
        text = f"Please. @@{script}" if script else "Please."
        self.api.prompt(session_id, {"text": text, **options})
        return self.agent.ended(session_id)

    async def until(self, condition, seconds: float = 120.0) -> None:
        for _ in range(round(seconds / 0.005)):
            if condition():
                return
            await self.clock.advance(0.005)
        raise AssertionError("it never happened")

    async def idle(self, session_id: str) -> None:
        await self.until(lambda: session_id not in self.state.active)

    async def asked(self, count: int = 1) -> list:
        """The permissions that wait for an answer, as soon as there are so many."""
        await self.until(lambda: len(self.state.permissions) >= count)
        return list(self.state.permissions.values())

    async def form(self):
        """The form that waits for an answer, as soon as there is one."""
        await self.until(lambda: bool(self.state.pending_forms()))
        return self.state.pending_forms()[0]

    async def answer(self, word: str, message: str | None = None) -> None:
        """The oldest permission that waits."""
        self.api.reply_permission((await self.asked())[0], word, message)

    def restart(self, *, killed: bool = False) -> None:
        """The process ends, orderly or not, and another one begins, before anybody listens."""
        self.deaf = True
        self.api.kill() if killed else self.api.stop()
        self.state.restart()
        self.api.start()
        self.deaf = False

    def of(self, session_id: str) -> list[dict]:
        """What was sent of a session."""
        return [event for event in self.sent if owner(event) == session_id]

    def types(self, session_id: str) -> list[str]:
        """The types of what was sent of a session, without deltas, and without the names' first word."""
        return [short(event) for event in self.of(session_id) if not event["type"].endswith(".delta")]

    def data(self, kind: str) -> list[dict]:
        """The data of all events of a type."""
        return [event["data"] for event in self.sent if event["type"] == kind]


def owner(event: dict) -> str | None:
    """The session of an event; of a command's the one that runs it."""
    data = event["data"]
    if event["type"] == "shell.created":
        return data["info"]["metadata"]["sessionID"]
    return (data.get("form") or data).get("sessionID")


def short(event: dict) -> str:
    return event["type"].removeprefix("session.")
