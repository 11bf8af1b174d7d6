"""An OpenCode 2 whose sessions all answer at once, word by word, each word an event of its own; its bridge, relay and phone.

Releases join the words of a tenth of a second, so that 200 sessions send some 2,000 events a second; the beta sends every
word (recorded). What is measured here is the beta's: 10,000. Every few seconds a session thinks, calls a tool and goes on, with
all the events that a real engine sends around it (recorded: opencode2, b_permission_once).
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from simulator.opencode.scheduler import Delta, Event
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.v2.wire import delta_of
from simulator.replay.world import ReplayWorld

Alerts = Counter[tuple[str, str]]
"""By session and kind."""

PASSWORD = "streams"
DIRECTORY = "/code/load"
WORDS = 100
"""Of one part of an answer."""
FILE = 20_000
"""Characters of each file that is written."""
PARTS = ("reasoning", "text", "tool.input")
"""What a step streams, one after the other."""


class SecondWorld(ReplayWorld):
    """A ReplayWorld with a server of generation 2, which has no agent: its events are made here."""

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The server always wants its password."""
        return {"OPENCODE_PASSWORD": PASSWORD}

    async def _start_opencode(self) -> None:
        self.second = OpenCode2Server(self.clock, self.journal, password=PASSWORD)
        self.second.process.flavour = replace(self.second.process.flavour, batch=0.0)
        self.opencode = self.second
        await self.second.start()
        self._stack.push_async_callback(self.second.close)


async def answer_all(world: SecondWorld, sessions: int, words: int, pause: float) -> Alerts:
    """Every session answers a prompt with so many words, one in each `pause` seconds; what the phone must show of each."""
    api, process = world.second.api, world.second.process
    body = {"location": {"directory": DIRECTORY}}
    made = [str(api.create({"title": f"Load {number}"} | body)["id"]) for number in range(sessions)]
    turns = [_answer(world, one, words, offset=number) for number, one in enumerate(made)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    for tick, moments in enumerate(zip(*turns, strict=True), 1):
        frames = [frame for moment in moments for frame in process.apply(DIRECTORY, moment)]
        process.send(frames)
        await asyncio.sleep(began + tick * pause - loop.time())
    return Counter((one, "complete") for one in made)


def _answer(
    world: SecondWorld, session_id: str, words: int, *, offset: int
) -> Iterator[Sequence[Event | Delta]]:
    """What happens in one session: an item for each word. `offset` keeps the sessions from doing all the same at once."""
    process = world.second.process
    own = {"sessionID": session_id}
    item = world.second.api.prompt(session_id, {"text": "Stream", "resume": False})
    process.publish("session.execution.started", own)
    process.publish("session.inbox.delivered", {**own, "inboxID": item["id"]})
    step = _begin_step(process.ids.new("msg"), own)
    more: list[Event | Delta] = [step.begin]
    for number in range(words):
        place, within = divmod(number + offset, WORDS)
        part = PARTS[place % len(PARTS)]
        if within == 0 and part == PARTS[0] and number:
            more += step.tool_and_end
            step = _begin_step(process.ids.new("msg"), own)
            more.append(step.begin)
        yield [*more, step.words[part](f"word{number} ")]
        more = []
    yield [*step.end, ("session.execution.succeeded", own)]


class _Step:
    """The events of one step of a session."""

    def __init__(self, message_id: str, own: dict[str, str]) -> None:
        said = {**own, "assistantMessageID": message_id, "ordinal": 0}
        call = {**own, "assistantMessageID": message_id, "id": f"call_{message_id}"}
        model = {"id": "fake-model", "providerID": "fake"}
        cost = {
            "cost": 0.01,
            "tokens": {"input": 1, "output": 1, "reasoning": 0, "cache": {"read": 0, "write": 0}},
        }
        named = {"assistantMessageID": message_id}
        self.begin: Event = ("session.step.started", {**own, **named, "agent": "build", "model": model})
        self.words = {
            "reasoning": delta_of("session.reasoning.delta", DIRECTORY, said),
            "text": delta_of("session.text.delta", DIRECTORY, said),
            "tool.input": delta_of("session.tool.input.delta", DIRECTORY, call),
        }
        text: Event = ("session.text.ended", {**said, "text": f"What was said in {message_id}. " * 20})
        over: list[Event] = [
            ("session.step.ended", {**own, **named, "finish": "tool-calls", **cost}),
            ("session.usage.updated", {**own, **cost}),
        ]
        given = {"path": "report.md", "content": "A line of a file. " * (FILE // 18)}
        self.end = [text, *over]
        self.tool_and_end: list[Event] = [
            text,
            ("session.tool.input.started", {**call, "name": "write"}),
            ("session.tool.input.ended", {**call, "text": str(given)}),
            ("session.tool.called", {**call, "input": given, "executed": False}),
            ("session.tool.progress", {**call, "metadata": {"shellID": "sh_1"}}),
            (
                "session.tool.success",
                {**call, "content": [{"type": "text", "text": "ok " * 500}], "executed": True},
            ),
            *over,
        ]


def _begin_step(message_id: str, own: dict[str, str]) -> _Step:
    return _Step(message_id, own)
