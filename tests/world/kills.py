"""Rounds in which one part of the chain dies in the middle of a scenario, and what the phone must show afterwards.

A round plays one recording in a world that lives for many rounds, and kills its part at a moment that was drawn.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pymysql

from simulator.journal import Entry
from simulator.opencode.ids import renamed
from simulator.opencode.v1.replay import session_ids
from simulator.recording import Recording
from simulator.replay.report import activities
from simulator.replay.world import ReplayWorld
from simulator.scenario import Scenario, load, scenarios
from waiting import PATIENCE, eventually
from world.rings import ASKED, Key, Ring, interruptions, rings, running, survivors, wrong_rings

Json = dict[str, Any]

SPEEDS = (2.0, 5.0, 20.0)
PLAY_SECONDS = 3.0
"""No play takes longer: long scenarios are played at the higher speeds only."""
TAIL_SECONDS = 0.4
"""A part may also die so long after the last event: pushes are still under way then."""
STILL_SECONDS = 1.2
"""A relay looks every second for what is due."""
FROM_NOWHERE = frozenset({"i_after_restart"})
WHOLE = tuple(name for name in scenarios() if load(name).recording.actions)
"""The recordings of which it is known what was asked of the server: what a relay's death may excuse is read from those."""
"""Its sessions are put into a server that runs, with no event to tell of them: no real server does that."""

SHOWN = frozenset({"shown", "replaced"})
ERRORS = frozenset({"ERROR", "CRITICAL"})


# What dies.


async def _cut_stream(world: ReplayWorld) -> Counter[Key]:
    streams = world.opencode.process.streams
    await streams.cut(last_words=0.2)
    await streams.subscribed(PATIENCE)
    return Counter()


async def _kill_opencode(world: ReplayWorld) -> Counter[Key]:
    """The play itself ends so (see Round.scenario), because its agent dies with it."""
    return Counter()


async def _kill_bridge(world: ReplayWorld) -> Counter[Key]:
    await world.bridge.kill()
    await world.start_bridge()
    return Counter()


async def _kill_relay(world: ReplayWorld) -> Counter[Key]:
    await world.relay.kill()
    doubtful = _in_doubt(world)
    await world.relay.start()
    return doubtful


def _in_doubt(world: ReplayWorld) -> Counter[Key]:
    """The alerts that APNs took, but the relay had no time to write that down."""
    shown = {entry.detail["apnsID"] for entry in world.journal.entries("phone", "shown")}
    return Counter(
        (str(event_type), str(session_id))
        for apns_id, event_type, session_id in _queued(world)
        if apns_id in shown
    )


def _queued(world: ReplayWorld) -> list[tuple[object, ...]]:
    url, rows = (
        world.options.database_url,
        "SELECT id, event_type, session_id FROM delivery_log WHERE status = 'queued'",
    )
    if url is None:
        with closing(sqlite3.connect(world.folder / "relay.sqlite3")) as database:
            return list(database.execute(rows))
    parts = urlsplit(url)
    where = {"host": parts.hostname, "port": parts.port, "user": parts.username, "database": parts.path[1:]}
    with pymysql.connect(**where) as connection, connection.cursor() as cursor:
        cursor.execute(rows)
        return list(cursor.fetchall())


KILLS: dict[str, Callable[[ReplayWorld], Awaitable[Counter[Key]]]] = {
    "stream": _cut_stream,
    "opencode": _kill_opencode,
    "bridge": _kill_bridge,
    "relay": _kill_relay,
}
"""Each returns when the part is there again: the alerts of which nobody knows any more that they were shown."""


# Rounds.


@dataclass(frozen=True, slots=True)
class Round:
    """One play: `part` dies `at` seconds into the recording, which is played `speed` times as fast.

    If it is `unanswered`, the recording stops at its first request: it waits for the person.
    """

    seed: int
    number: int
    name: str
    part: str
    at: float
    speed: float
    unanswered: bool

    def __str__(self) -> str:
        """All that is needed to play it again."""
        unanswered = ", unanswered" if self.unanswered else ""
        return (
            f"KILL_SEED={self.seed} KILL_ROUND={self.number}: {self.part} dies {self.at:.3f} s into {self.name}, "
            f"played {self.speed:g} times as fast{unanswered}"
        )

    @property
    def scenario(self) -> Scenario:
        """As it is played."""
        scenario, died_at = self._whole, self._died_at
        if died_at is None:
            return scenario
        return replace(scenario, recording=replace(_until(scenario.recording, died_at), killed_at=died_at))

    @property
    def rings(self) -> list[Ring]:
        """What rings in it. A run that a death broke off may have begun too late for the bridge to hear of it."""
        known, died_at = rings(self._whole), self._died_at
        if died_at is None:
            return known
        broken_off = (replace(ring, ends=died_at) for ring in interruptions(self.scenario.recording))
        return [*survivors(known, died_at), *broken_off]

    @property
    def waiting(self) -> set[str]:
        """The root sessions that still run when it is over, as recorded; in a server that died none does."""
        return running(self._whole.recording) if self._died_at is None else set()

    @property
    def _whole(self) -> Scenario:
        scenario = load(self.name)
        return replace(scenario, recording=_unanswered(scenario.recording)) if self.unanswered else scenario

    @property
    def _died_at(self) -> float | None:
        """When OpenCode does, if it does."""
        recorded = load(self.name).recording.killed_at
        return min(self.at, recorded or inf) if self.part == "opencode" else recorded


def draw(seed: int, number: int) -> Round:
    """The round of this number: always the same for the same seed. Every part dies in every fourth round."""
    source = Random(f"{seed} {number}")
    name = source.choice([name for name in WHOLE if name not in FROM_NOWHERE])
    recording = load(name).recording
    unanswered = _asks(recording) and source.random() < 0.5
    if unanswered:
        recording = _unanswered(recording)
    first, last = recording.events[0].t, recording.events[-1].t
    speed = source.choice([speed for speed in SPEEDS if last / speed <= PLAY_SECONDS])
    at = source.uniform(first, last + TAIL_SECONDS * speed)
    return Round(seed, number, name, list(KILLS)[number % len(KILLS)], at, speed, unanswered)


def _asks(recording: Recording) -> bool:
    return any(line.event["payload"]["type"] in ASKED for line in recording.events)


def _unanswered(recording: Recording) -> Recording:
    asked_at = next(line.t for line in recording.events if line.event["payload"]["type"] in ASKED)
    return _until(recording, asked_at)


def _until(recording: Recording, t: float) -> Recording:
    """What was asked of the server later goes, too: else the player takes it for what the server knew from before."""
    events = tuple(line for line in recording.events if line.t <= t)
    return replace(recording, events=events, actions=tuple(one for one in recording.actions if one.t <= t))


# A round that was played.


class Played:
    """What a round should have shown, under the ids of its play, and what the phone showed.

    An alert that is `in_doubt` is sent again, because to lose it would be worse: with the same apns-id and collapse-id, so
    that it takes the place of the first. Nobody can do both with APNs, whose answer is lost with the process that read it.
    """

    def __init__(
        self, world: ReplayWorld, one: Round, sessions: dict[str, str], in_doubt: Counter[Key] | None = None
    ) -> None:
        self._world, self.round, self._sessions = world, one, sessions
        self.in_doubt = in_doubt or Counter()
        self._rings = one.rings
        self._turns = {sessions[card.session_id]: card for card in one.scenario.activities}
        self._asking = {sessions[ring.session_id] for ring in self._rings if ring.holds and ring.request_id}
        self.waiting = {sessions[session_id] for session_id in one.waiting}

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        cards = activities(self._world.journal.entries("phone"))
        wrong = [f"a card of {card['sessionID']}" for card in cards if card["sessionID"] not in self._turns]
        wrong += self._strange()
        for session_id in self._turns:
            own = [card for card in cards if card["sessionID"] == session_id and not card["replaced"]]
            wrong += [f"{one} of {session_id}" for one in self._wrong_cards(session_id, own)]
        return self.wrong_alerts() + wrong

    def wrong_alerts(self) -> list[str]:
        """What rang too often, too seldom, or should not have rung, until now."""
        showings = without_doubtful(self._world.phones[0].showings, self.in_doubt)
        return wrong_rings(self._rings, self._sessions, showings)

    async def stop(self) -> None:
        """Somebody stops the sessions that wait."""
        async with aiohttp.ClientSession(self._world.opencode.url) as http:
            for session_id in self.waiting:
                async with http.post(f"/session/{session_id}/abort") as response:
                    assert response.status == 200, await response.text()
        self.waiting = set()

    def _strange(self) -> list[str]:
        """Alerts of sessions that are not played, and what the parts themselves complain of."""
        entries, own = self._world.journal.entries(), set(self._sessions.values())
        shown = [entry.detail for entry in entries if entry.where == "phone" and entry.what in SHOWN]
        strange = [one for one in shown if one["sessionID"] not in own]
        return [f"{one['eventType']} of {one['sessionID']} rang" for one in strange] + complaints(entries)

    def _wrong_cards(self, session_id: str, cards: Sequence[Json]) -> list[str]:
        """A session that waits has a card that says so, all others are over; no turn has two."""
        runs = [last_status(card) for card in cards if card["ended"] is None]
        waits = ["permission" if session_id in self._asking else "working"]
        wanted = waits if session_id in self.waiting else []
        wrong = [] if runs == wanted else [f"running cards say {runs}, not {wanted}"]
        if len(cards) > (turns := len(self._turns[session_id].runs)):
            wrong.append(f"{len(cards)} cards for {turns} turns")
        if cards and last_status(cards[-1]) == "error" and not self._rang("error", session_id):
            wrong.append("the card says error, but nothing rang")
        return wrong + self._wrong_end(session_id, cards)

    def _rang(self, event_type: str, session_id: str) -> bool:
        rung = ((one["eventType"], one["sessionID"]) for one in self._world.phones[0].showings)
        return (event_type, session_id) in rung

    def _wrong_end(self, session_id: str, cards: Sequence[Json]) -> list[str]:
        """A recording that was played to its end left the card as it should."""
        if self.round.unanswered or self.round.part == "opencode" or not cards:
            return []
        status = self._turns[session_id].runs[-1][-1].status
        return (
            []
            if last_status(cards[-1]) == status
            else [f"the card says {last_status(cards[-1])}, not {status}"]
        )


def complaints(entries: Sequence[Entry]) -> list[str]:
    """What the bridge could not send until now, and what the parts themselves call an error."""
    tries = [entry for entry in entries if entry.where == "bridge" and entry.what in ("retry", "delivered")]
    newest = {entry.detail["sessionID"]: entry for entry in tries}
    errors = [entry for entry in entries if entry.detail.get("level") in ERRORS]
    return [
        *(f"{one.detail['eventType']} waits" for one in newest.values() if one.what == "retry"),
        *(f"the {entry.where} says: {entry.what} {entry.detail}" for entry in errors),
    ]


def without_doubtful(showings: Iterable[Json], in_doubt: Counter[Key]) -> Iterator[Json]:
    """The alerts as a person sees them. Each alert that is in doubt may take its own place once."""
    left = Counter(in_doubt)
    for one in showings:
        key = (one["eventType"], one["sessionID"])
        if one["replaced"] and left[key]:
            left[key] -= 1
        else:
            yield one


def last_status(card: Json) -> str:
    """What a card shows, or showed last."""
    return str(card["states"][-1]["status"])


def played_ids(one: Round, number: int) -> dict[str, str]:
    """The ids of all sessions in play `number`, also of those that a server which died never created."""
    return {session_id: renamed(session_id, number) for session_id in session_ids(load(one.name).recording)}


async def play(world: ReplayWorld, one: Round) -> Played:
    """Play a round. Raises AssertionError if the phone does not show what it should, and nothing else."""
    world.journal.clear()
    playing = asyncio.create_task(world.player.play(one.scenario.recording, one.speed), name="play")
    try:
        await world.clock.sleep(one.at / one.speed)
        in_doubt = await KILLS[one.part](world)
        played = Played(world, one, played_ids(one, (await playing).number), in_doubt)
    finally:
        playing.cancel()
    await _healed(world, played)
    if played.waiting:
        await played.stop()
        await _healed(world, played)
    return played


async def _healed(world: ReplayWorld, played: Played) -> None:
    """All is as it should be, and stays so when nothing moves any more."""

    def right() -> bool:
        assert played.wrong() == []
        return True

    await eventually(right)
    await world.still(STILL_SECONDS)
    right()
