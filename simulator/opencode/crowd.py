"""Many people at once: each has a session, prompts it, waits for the end of the turn, thinks, and prompts again."""

import asyncio
from dataclasses import dataclass
from itertools import count

from simulator.clock import Clock
from simulator.opencode.v1.desk import Desk
from simulator.opencode.v1.state import Json
from simulator.opencode.writer import Writer


@dataclass(frozen=True, slots=True)
class Crowd:
    """`turns` prompts for each of `sessions`, or without end if None; at most `pause` seconds between two turns.

    `spread` is how many seconds it takes until all have begun.
    """

    sessions: int
    turns: int | None = None
    pause: float = 5.0
    spread: float = 1.0


async def gather(crowd: Crowd, desk: Desk, writer: Writer, clock: Clock) -> dict[str, int]:
    """Let the crowd work; how many turns each session has ended. Who is cut off by the server's death gives up."""
    ended: dict[str, int] = {}

    async def person(number: int) -> None:
        await clock.sleep(crowd.spread * number / crowd.sessions)
        session = desk.create(writer.directory(), {"title": writer.title()})
        ended[session["id"]] = 0
        for _ in count() if crowd.turns is None else range(crowd.turns):
            await _prompt(desk, session, writer)
            ended[session["id"]] += 1
            await clock.sleep(writer.random.uniform(0, crowd.pause))

    async with asyncio.TaskGroup() as people:
        for number in range(crowd.sessions):
            people.create_task(person(number), name=f"opencode-person-{number}")
    return ended


async def _prompt(desk: Desk, session: Json, writer: Writer) -> None:
    turn = desk.prompt(session, {"parts": [{"type": "text", "text": writer.prompt()}]})
    if turn is not None:
        await turn
