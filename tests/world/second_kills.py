"""Rounds on an OpenCode 2 in which a part of the chain dies, is cut or replaced while a session works, and what the phone must show.

A round lets a scripted session work in a world that lives for many rounds, and does something to a part at a moment that was drawn.
"""

import asyncio
import json
import os
import signal
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.v2.server import OpenCode2Server
from simulator.replay.report import activities
from waiting import PATIENCE, eventually
from world.kills import KILLS, STILL_SECONDS, complaints, last_status, without_doubtful
from world.rings import Key, wrong_rings
from world.second_rings import Ledger
from world.second_world import DIRECTORY, PASSWORD, SecondWorld

Json = dict[str, Any]
FLAVOUR = os.environ.get("KILL_FLAVOUR", "2.1")
"""Of OpenCode 2."""
TIMED = 2.5
"""Seconds from a prompt on in which a part may die; most plays are over by then."""
REPEATED = 40
"""So many of the newest events are sent again after a reconnect."""
FLOODS, FLOOD = 60, 200
"""So many events of 2 KB, so many at once: more than the sockets and the 4096 places for a reader take."""
OTHER_SECONDS = 1.0
"""So long another generation answers at the same port."""

# What a session does.

_LATER = {"reply": "once", "after": 0.4}


def _say(n: int, ms: int = 40) -> Json:
    return {"op": "text", "n": n, "ms": ms}


def _bash(**more: Any) -> Json:
    return {"op": "bash", "command": "echo one", **more}


def _child(*operations: Json, **more: Any) -> Json:
    return {"op": "task", "prompt": "@@" + json.dumps(operations), **more}


Act = Callable[["KillWorld", str], None]


def _prompt(*operations: Json, delivery: str = "steer") -> Act:
    text = "Do it @@" + json.dumps(operations)

    def act(world: "KillWorld", session_id: str) -> None:
        world.second.api.prompt(session_id, {"text": text, "delivery": delivery})

    return act


def _shell(world: "KillWorld", session_id: str) -> None:
    world.second.api.shell(session_id, "ls")


def _delete(world: "KillWorld", session_id: str) -> None:
    world.second.api.delete(session_id)


PLAYS: dict[str, Sequence[tuple[float, Act]]] = {
    "an answer": [(0.0, _prompt(_say(30)))],
    "thoughts, and a title that comes late": [(0.0, _prompt({"op": "reason", "n": 5, "n2": 5}))],
    "a tool that is allowed": [(0.0, _prompt(_bash(**_LATER), _say(20)))],
    "a tool that waits for a person": [(0.0, _prompt(_bash()))],
    "a tool that is declined": [(0.0, _prompt(_say(10), _bash(reply="reject", after=0.4)))],
    "a tool that is declined with a reason": [(0.0, _prompt(_bash(reply="reject", after=0.4, message="no"), _say(20)))],
    "two tools at once": [(0.0, _prompt({"op": "tools", "tools": [_bash(**_LATER), _bash(reply="once", after=0.8)]}))],
    "a question that is answered": [(0.0, _prompt({"op": "question", "answers": [["Blue"]], "after": 0.5}, _say(10)))],
    "a question that waits": [(0.0, _prompt({"op": "question"}))],
    "a key that is refused": [(0.0, _prompt(_bash(**_LATER), {"op": "fail", "status": 401}))],
    "an error in the stream": [(0.0, _prompt({"op": "in_stream", "n": 10}))],
    "no such model": [(0.0, _prompt({"op": "no_model"}))],
    "a limit that passes": [(0.0, _prompt({"op": "fail", "status": 429, "times": 1, "retry_after": 1}, _say(10)))],
    "a provider that hangs up": [(0.0, _prompt({"op": "cut", "n": 10}, _say(10)))],
    "a subagent that asks": [(0.0, _prompt(_child(_bash(**_LATER)), _say(10)))],
    "a subagent that waits for a person": [(0.0, _prompt(_child(_bash())))],
    "a subagent that fails": [(0.0, _prompt(_child({"op": "fail", "status": 400}), _say(10)))],
    "a subagent in the background": [(0.0, _prompt(_child(_say(30), background=True), _say(5)))],
    "a person stops it": [(0.0, _prompt(_say(60), {"op": "abort", "after": 0.8}))],
    "a person stops what waits": [(0.0, _prompt(_bash(), {"op": "abort", "after": 1.0}))],
    "what waits expires": [(0.0, _prompt(_bash(), {"op": "abort", "after": 1.0, "reason": "inactivity"}))],
    "a second prompt that steers": [(0.0, _prompt(_bash(**_LATER), _say(20))), (0.5, _prompt(_say(10)))],
    "two more that queue": [
        (0.0, _prompt(_say(20))), (0.3, _prompt(_say(10), delivery="queue")), (0.4, _prompt(_say(10), delivery="queue")),
    ],
    "one turn after the other": [(0.0, _prompt(_say(10))), (1.5, _prompt(_say(10)))],
    "a turn, and then the person's own command": [(0.0, _prompt(_say(10))), (1.5, _shell)],
    "the person's own command": [(0.0, _shell), (0.5, _prompt(_say(5)))],
    "a session that is deleted at work": [(0.0, _prompt(_say(60))), (1.0, _delete)],
}  # fmt: skip


# What is done to a part.


async def _cut_stream(world: "KillWorld") -> None:
    await world.streams.cut(last_words=0.2)
    await world.streams.subscribed(PATIENCE)


async def _end_stream(world: "KillWorld") -> None:
    """As of a reader that is too slow."""
    world.streams.end()
    await eventually(lambda: not world.streams.subscriptions)
    await world.streams.subscribed(PATIENCE)


async def _too_slow(world: "KillWorld") -> None:
    """The bridge's process gets no processor for a while, and more happens than may wait for a reader: its stream ends properly."""
    opened = len(world.journal.entries("opencode", "stream opened"))
    os.kill(world.bridge.pid, signal.SIGSTOP)
    try:
        for _ in range(FLOODS):
            for _ in range(FLOOD):
                world.second.process.publish("rpc.flood", {"text": "x" * 2000})
            await asyncio.sleep(0.02)
    finally:
        os.kill(world.bridge.pid, signal.SIGCONT)
    await eventually(lambda: len(world.journal.entries("opencode", "stream opened")) > opened)


async def _repeat(world: "KillWorld") -> None:
    """No server does that (recorded); a proxy between might."""
    await _cut_stream(world)
    world.streams.send(list(world.sent)[-REPEATED:])


async def _skip(world: "KillWorld") -> None:
    """Internal events take numbers, and the stream is cut meanwhile."""
    for session_id in list(world.second.process.state.sessions):
        world.second.process.skip(session_id, 3)
    await _cut_stream(world)


def _restart(
    *, managed: bool, killed: bool, version: str | None = None
) -> Callable[["KillWorld"], Awaitable[None]]:
    async def restart(world: "KillWorld") -> None:
        await world.end_opencode(managed=managed, killed=killed)
        await world.second.start(version=version)
        await world.streams.subscribed(PATIENCE)

    return restart


async def _other_generation(world: "KillWorld") -> None:
    """Somebody starts the first generation at the same port, and goes back."""
    await world.end_opencode(managed=True, killed=False)
    world.ledger.replaced(world.clock.now())
    other = OpenCodeServer(world.clock, world.journal)
    await other.start(world.second.port)
    try:
        await other.process.streams.subscribed(PATIENCE)
        await asyncio.sleep(OTHER_SECONDS)
    finally:
        await other.close()
    await world.second.start()
    await world.streams.subscribed(PATIENCE)


async def _reload(world: "KillWorld") -> None:
    world.second.api.reload()


async def _expire(world: "KillWorld") -> None:
    """Nothing has happened in the folder for an hour."""
    world.second.api.expire(DIRECTORY)


async def _bridge(world: "KillWorld") -> None:
    await KILLS["bridge"](world)


async def _relay(world: "KillWorld") -> None:
    world.in_doubt += await KILLS["relay"](world)


PARTS: Mapping[str, Callable[["KillWorld"], Awaitable[None]]] = {
    "the stream is cut": _cut_stream,
    "the managed service is stopped": _restart(managed=True, killed=False),
    "the managed service is killed": _restart(managed=True, killed=True),
    "the bridge is killed": _bridge,
    "the relay is killed": _relay,
    "a server in the foreground is stopped": _restart(managed=False, killed=False),
    "a server in the foreground is killed": _restart(managed=False, killed=True),
    "the stream ends for a slow reader": _end_stream,
    "the bridge is too slow": _too_slow,
    "the service is updated": _restart(managed=True, killed=False, version="2.3.2"),
    "the first generation takes its place": _other_generation,
    "the locations are loaded anew": _reload,
    "the location expires": _expire,
    "numbers are left out": _skip,
    "events are repeated": _repeat,
}


READ_BY_ALL = frozenset({"the relay is killed", "the locations are loaded anew", "the location expires"})
"""What leaves the bridge and its stream alone."""


class KillWorld(SecondWorld):
    """Everything that ever happened in its OpenCode is in the `ledger`."""

    async def _start_opencode(self) -> None:
        self.ledger = Ledger()
        self.in_doubt: Counter[Key] = Counter()
        self.known_wrong: set[str] = set()  # what earlier rounds have been blamed for
        self.second = OpenCode2Server(
            self.clock, self.journal, password=PASSWORD, directory=DIRECTORY, model=_reaction, flavour=FLAVOUR
        )
        self.opencode = self.second  # type: ignore[assignment]
        self.streams = self.second.process.streams
        self.sent: deque[Any] = deque(maxlen=REPEATED)
        self._watch_events()
        await self.second.start()
        self._stack.push_async_callback(self._close_opencode)

    def _watch_events(self) -> None:
        process, streams = self.second.process, self.streams
        happen, send = process._happen, streams.send

        def happened(directory: str, event: Json) -> None:
            self.ledger.read(self.clock.now(), event)
            happen(directory, event)

        def sent(frames: Sequence[Any]) -> None:
            self.sent.extend(frames)
            send(frames)

        process._happen = happened  # type: ignore[method-assign]
        streams.send = sent  # type: ignore[method-assign]

    async def end_opencode(self, *, managed: bool, killed: bool) -> None:
        """Nobody is there any more; what happened until the end is in the ledger."""
        self.second.process.managed = managed
        await (self.second.cut() if killed else self.second.close())
        self.ledger.server_ended(self.clock.now(), resumes=managed)


def _reaction(prompt: str) -> Reaction:
    return Reaction(parse(prompt) or Script(), "a title")


# Rounds.


@dataclass(frozen=True, slots=True)
class Round:
    """One play, in which something is done to a part `at` seconds after its prompt."""

    seed: int
    number: int
    play: str
    part: str
    at: float

    def __str__(self) -> str:
        """All that is needed to play it again."""
        return f"KILL_SEED={self.seed} KILL_ROUND={self.number}: {self.part} {self.at:.3f} s into {self.play}"


def draw(seed: int, number: int) -> Round:
    """The round of this number: always the same for the same seed. Every part has its turn."""
    source = Random(f"opencode2 {seed} {number}")
    part = list(PARTS)[number % len(PARTS)]
    return Round(seed, number, source.choice(list(PLAYS)), part, source.uniform(0.0, TIMED))


async def play(world: KillWorld, one: Round) -> None:
    """Play a round. Raises AssertionError if the phone does not show what it should, and nothing else."""
    world.journal.clear()
    began = world.clock.now()
    session_id = str(world.second.api.create({"title": one.play, "location": {"directory": DIRECTORY}})["id"])
    acting = asyncio.create_task(_act(world, session_id, PLAYS[one.play]), name="play")
    try:
        await asyncio.sleep(one.at)
        world.ledger.read_by_all = one.part in READ_BY_ALL
        await PARTS[one.part](world)
        world.ledger.read_by_all = True
        await acting
    finally:
        acting.cancel()
    await eventually(lambda: not list(world.ledger.at_work()))
    await asyncio.sleep(
        max(0.0, began + TIMED - world.clock.now())
    )  # a background command ends, and a title comes
    await _right(world)
    if session_id in world.second.process.state.sessions:
        world.second.api.delete(session_id)
        await _right(world)


async def _act(world: KillWorld, session_id: str, acts: Sequence[tuple[float, Act]]) -> None:
    began = asyncio.get_running_loop().time()
    for at, act in acts:
        await asyncio.sleep(max(0.0, began + at - asyncio.get_running_loop().time()))
        await eventually(lambda: world.second.running)
        act(world, session_id)


async def _right(world: KillWorld) -> None:
    """All is as it should be, and stays so when nothing moves any more."""

    def right() -> bool:
        assert wrong(world) == []
        return True

    await eventually(right)
    await world.still(STILL_SECONDS)
    right()


def wrong(world: KillWorld) -> list[str]:
    """What is not as it should be."""
    entries = world.journal.entries()
    own: dict[str, list[Json]] = {}
    for card in activities([entry for entry in entries if entry.where == "phone"]):
        if not card["replaced"]:
            own.setdefault(str(card["sessionID"]), []).append(card)
    cards = [one for session_id, found in own.items() for one in _wrong_cards(world, session_id, found)]
    missing = [f"no card of {one} runs" for one in world.ledger.waiting() - own.keys()]
    return wrong_alerts(world) + cards + missing + complaints(entries)


def wrong_alerts(world: KillWorld) -> list[str]:
    """What rang too often, too seldom, or should not have rung, from the beginning on."""
    showings = list(without_doubtful(world.phones[0].showings, world.in_doubt))
    rings = world.ledger.rings
    roots = {ring.session_id for ring in rings} | {str(one["sessionID"]) for one in showings}
    found = wrong_rings(rings, {one: one for one in roots}, showings)
    return [one for one in found if one not in world.known_wrong]


def _wrong_cards(world: KillWorld, session_id: str, cards: Sequence[Json]) -> list[str]:
    """A session that waits has a card that says so, all others are over; no turn has two, and the last says how it ended."""
    runs = [last_status(card) for card in cards if card["ended"] is None]
    wanted = ["permission"] if session_id in world.ledger.waiting() else []
    found = [] if runs == wanted else [f"running cards of {session_id} say {runs}, not {wanted}"]
    if len(cards) > (turns := world.ledger.executions[session_id]):
        found.append(f"{len(cards)} cards for {turns} executions of {session_id}")
    holds = [one for one in world.ledger.rings if one.session_id == session_id and one.holds]
    if holds and not wanted and last_status(cards[-1]) != holds[-1].event_type:
        found.append(f"the card of {session_id} says {last_status(cards[-1])}, not {holds[-1].event_type}")
    return found
