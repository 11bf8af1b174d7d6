"""Every recording of a real OpenCode 2 through the real chain, with two relays, on a phone in the pocket and on one in the hand.

Most are played into each other, as in a service that has many folders open; those in which the server is stopped one by one.
All of it is over before the first expectation is looked at, so that nothing more comes later. REPLAY_SPEED is how many times
as fast as recorded, REPLAY_RELAYS how many relays there are (`make replays`).
"""

import asyncio
import math
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from simulator.opencode.playing import Played
from simulator.replay.expectations import Audience
from simulator.replay.report import activities, relay_events, report
from simulator.replay.world import PASSWORD, ReplayWorld, WorldOptions
from simulator.scenario import load, scenarios
from waiting import eventually

pytestmark = [pytest.mark.replay, pytest.mark.asyncio(loop_scope="module")]

SPEED = float(os.environ.get("REPLAY_SPEED", "20"))
RELAYS = int(os.environ.get("REPLAY_RELAYS", "2"))
BEFORE = "a_text"
"""Played on generation 1, before it is updated to generation 2 at the same port."""
STOPPED = [name for name in scenarios(2) if load(name).recording.killed_at is not None]
TOGETHER = [name for name in scenarios(2) if name not in STOPPED]
POCKET, HAND = 0, 1
HOLDS_WITHIN = 20.0
CARDED_WITHIN = 2.0
TRIES = 5

Plays = dict[str, Played]


@dataclass
class All:
    """The play of each scenario, and those that had to be made once more, of which the alerts count nevertheless."""

    plays: Plays
    in_vain: list[tuple[str, Played]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[ReplayWorld]:
    """One phone lives by pushes, on the other the app is open. Lenient, for so many cards are too many for an hour."""
    options = WorldOptions(live_activities=True, phone_profile="lenient", phones=2, relays=RELAYS)
    async with ReplayWorld(options) as world:
        world.apns.profile.device_rate = None  # one phone takes the alerts of all recordings in seconds
        world.phones[HAND].set("app", "foreground")
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(world: ReplayWorld) -> All:
    """What was played; by now all of it is over."""
    await world.followed()
    found: Plays = {BEFORE: await world.player.play(load(BEFORE).recording, SPEED)}
    await eventually(lambda: _holds(world, BEFORE, found[BEFORE]))
    await world.serve(2)
    await world.followed()
    together, in_vain = await _together(world, TOGETHER)
    found |= together
    for name in STOPPED:
        await world.followed()
        found[name] = await world.player.play(load(name).recording, SPEED)
        await _settled(world, name, found[name])
    await world.over(load(BEFORE))
    return All(found, in_vain)


async def _together(world: ReplayWorld, names: list[str]) -> tuple[Plays, list[tuple[str, Played]]]:
    """Each begins when the cards of those before have; also, what was played in vain.

    A run that is over before the relay gets round to it has no card in the pocket: then it is played once more.
    """
    running, in_vain = {}, []
    for name in sorted(names, key=lambda name: -load(name).recording.lasts):
        for _ in range(TRIES):
            began = world.clock.now()
            running[name] = asyncio.create_task(world.player.play(load(name).recording, SPEED))
            if await _carded(world, name, running[name], began):
                break
            in_vain.append((name, await running[name]))
    return {name: await play for name, play in running.items()}, in_vain


async def _carded(world: ReplayWorld, name: str, play: "asyncio.Task[Played]", began: float) -> bool:
    """Whether each session has a card on each phone; waits until it has, or until it will have none any more."""
    wanted = len(load(name).activities) * len(world.phones)
    given_up = began + load(name).recording.lasts / SPEED + CARDED_WITHIN
    others = {session_id for _, session_id in _cards(world, 0.0, began)}

    def found() -> bool:
        cards = _cards(world, began)
        return len([card for card in cards if card[1] not in others]) >= wanted

    await eventually(lambda: found() or world.clock.now() > given_up)
    return found()


def _cards(world: ReplayWorld, since: float, until: float = math.inf) -> set[tuple[str, str]]:
    """The phones and sessions of which a card has started."""
    started = world.journal.entries("phone", "started", since)
    return {(one.detail["phone"], one.detail["sessionID"]) for one in started if one.at < until}


async def _settled(world: ReplayWorld, name: str, played: Played) -> None:
    """Return when what was played has come to what it must; or after a while: then its test fails."""
    ends = world.clock.now() + HOLDS_WITHIN
    await eventually(lambda: _holds(world, name, played) or world.clock.now() > ends)


def _holds(world: ReplayWorld, name: str, played: Played) -> bool:
    return all(result_of(world, name, played, number)["ok"] for number in (POCKET, HAND))


def result_of(world: ReplayWorld, name: str, played: Played, number: int) -> dict[str, Any]:
    """The report for one of the phones."""
    phone = world.phones[number]
    audience = Audience((phone.name,), SPEED, foreground=number == HAND)
    return report(load(name), played, world.journal, phone.showings, audience=audience, alone=False)


@pytest.mark.parametrize("number", [POCKET, HAND], ids=["in the pocket", "in the hand"])
@pytest.mark.parametrize("name", [BEFORE, *scenarios(2)])
async def test_the_phone_shows_exactly_what_the_scenario_says(
    world: ReplayWorld, played: All, name: str, number: int
) -> None:
    result = result_of(world, name, played.plays[name], number)
    assert [one["what"] for one in result["expectations"] if not one["ok"]] == []


async def test_nothing_else_was_reported_or_shown(world: ReplayWorld, played: All) -> None:
    plays = [*played.plays.items(), *played.in_vain]
    known = {session_id for _, play in plays for session_id in play.sessions.values()}
    expected = sorted(
        (play.sessions[alert.session_id], alert.event_type)
        for name, play in plays
        for alert in load(name).alerts
        for _ in range(alert.count)
    )
    reported = relay_events(world.journal.entries("relay", "event"))
    cards = activities(world.journal.entries("phone"))
    assert {one["sessionID"] for one in (*reported, *cards)} <= known
    for phone in world.phones:
        assert sorted((one["sessionID"], one["eventType"]) for one in phone.showings) == expected


async def test_nothing_of_it_was_a_fault(world: ReplayWorld, played: All) -> None:
    """No process logged an error, the phones could read every push, and no secret went into a log."""
    assert played.plays
    entries = world.journal.entries()
    assert [entry for entry in entries if entry.detail.get("level") in ("ERROR", "CRITICAL")] == []
    pushes = world.journal.entries("apns", "push")
    # A card that the open app took away for its own has a token that is gone.
    assert {(entry.detail["push_type"], entry.detail["status"]) for entry in pushes} <= {
        ("alert", 200),
        ("liveactivity", 200),
        ("liveactivity", 410),
    }
    shown = world.journal.entries("phone", "shown")
    assert all(entry.detail["rootAgrees"] and entry.detail["knownServer"] for entry in shown)
    secret = (world.folder / "relay-secret").read_text().strip()
    for command in (*world.relays, world.bridge):
        assert not [line for line in command.log if secret in line or PASSWORD in line]
