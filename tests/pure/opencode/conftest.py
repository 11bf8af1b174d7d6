"""A scripted server without a socket, on a virtual clock, and the person who uses it."""

import asyncio
import random

import pytest

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.prompt_language import parse
from simulator.opencode.scheduler import Ending, Reply
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v1.agent import Agent
from simulator.opencode.v1.api import Api
from simulator.opencode.v1.process import Process

D = "/code/demo"


class Scripted:
    """`told` is every payload of /global/event, `writes` how many of them went out at once."""

    def __init__(self, model=None) -> None:
        self.clock = VirtualClock()
        self.journal = Journal(self.clock)
        source = random.Random(1)
        self.process = Process(self.clock, self.journal, directory=D, attach_window=0.0, source=source)
        self.state = self.process.state
        self.agent = Agent(self.process, model or self._model, source)
        self.api = Api(self.process, self.agent)
        self.sent: list[dict] = []
        self.lines: list[bytes] = []
        self.writes: list[tuple[float, int]] = []
        self.process.streams.send = self._send

    def _model(self, prompt: str) -> Reaction:
        return Reaction(parse(prompt) or Script(), "Title0 Title1 Title2")

    def _send(self, frames) -> None:
        self.sent += [one.payload for one in frames]
        self.lines += [one.global_line for one in frames]
        self.writes.append((self.clock.now(), len(frames)))

    def session(self, title: str | None = "a title", directory: str = D, **wanted) -> dict:
        return self.api.create(directory, {"title": title, **wanted})

    def prompt(self, session: dict, script: str = "") -> "asyncio.Future[Ending]":
        """`script` is the JSON of operations; without one the model says its five words."""
        text = f"Please. @@{script}" if script else "Please."
        turn = self.api.prompt(session, {"parts": [{"type": "text", "text": text}]})
        assert turn is not None
        return turn

    async def asked(self, table: str, count: int = 1) -> list[str]:
        """The identifiers of what waits for an answer, as soon as there are so many."""
        for _ in range(1000):
            if len(waiting := list(getattr(self.state, table))) >= count:
                return waiting
            await self.clock.advance(0.01)
        raise AssertionError(f"{table}: {len(waiting)} asked")

    def reply(self, request_id: str, **given) -> bool:
        return self.agent.reply(Reply(request_id, **given))

    def of(self, session: dict | str) -> list[dict]:
        """What was sent of a session, without twins."""
        session_id = session if isinstance(session, str) else session["id"]
        own = [one for one in self.sent if one.get("properties", {}).get("sessionID") == session_id]
        return [one for one in own if one["type"] != "sync"]

    def milestones(self, session: dict | str) -> list[str]:
        """What a person would hear of: errors, requests, answers, and changes of status (a repeated one counts once)."""
        found: list[str] = []
        for one in self.of(session):
            found += [text for text in self.milestones_of(one) if text != (found[-1] if found else "")]
        return found

    def all_milestones(self, session: dict | str) -> list[str]:
        """Also those that repeat."""
        return [text for one in self.of(session) for text in self.milestones_of(one)]

    def milestones_of(self, payload: dict) -> list[str]:
        words = MILESTONES.get(payload["type"])
        return [] if words is None else [words(payload["properties"])]


MILESTONES = {
    "session.status": lambda one: one["status"]["type"],
    "session.error": lambda one: one["error"]["name"],
    "session.idle": lambda _: "session.idle",
    "session.deleted": lambda _: "deleted",
    "session.compacted": lambda _: "compacted",
    "permission.asked": lambda one: f"asked {one['permission']}",
    "permission.replied": lambda one: one["reply"],
    "question.asked": lambda _: "question",
    "question.replied": lambda one: str(one["answers"]),
    "question.rejected": lambda _: "dismissed",
}


@pytest.fixture
async def scripted():
    server = Scripted()
    yield server
    server.agent.kill()


@pytest.fixture
async def scripted_by():
    """`scripted_by(model)`: a server with a model of one's own."""
    servers: list[Scripted] = []

    def make(model) -> Scripted:
        servers.append(Scripted(model))
        return servers[-1]

    yield make
    for server in servers:
        server.agent.kill()
