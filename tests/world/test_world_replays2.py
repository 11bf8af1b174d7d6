"""Every recording of a real OpenCode 2 through the real chain, with two relays, on a phone in the pocket and on one in the hand.

Most are played into each other, as in a service that has many folders open; those in which the server is stopped one by one.
All of it is over before the first expectation is looked at, so that nothing more comes later. REPLAY_SPEED is how many times
as fast as recorded, REPLAY_RELAYS how many relays there are, REPLAY_ENCRYPT whether texts are sealed (`make replays`).
"""

import asyncio
import json
import math
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from relay.bridge.notify.sealing import MESSAGES, NO_TITLE
from relay.contract import EVENT_KINDS
from simulator.apns.messages import Request
from simulator.apns.request_log import KeptRequest
from simulator.journal import Entry
from simulator.opencode.playing import Played
from simulator.replay.expectations import Audience
from simulator.replay.report import activities, relay_events, report
from simulator.replay.world import PASSWORD, ReplayWorld, WorldOptions
from simulator.scenario import load, scenarios
from waiting import eventually

pytestmark = [pytest.mark.replay, pytest.mark.asyncio(loop_scope="module")]

SPEED = float(os.environ.get("REPLAY_SPEED", "20"))
RELAYS = int(os.environ.get("REPLAY_RELAYS", "2"))
SEALED = os.environ.get("REPLAY_ENCRYPT", "require") == "require"
BEFORE = "a_text"
"""Played on generation 1, before it is updated to generation 2 at the same port."""
STOPPED = [name for name in scenarios(2) if load(name).recording.killed_at is not None]
TOGETHER = [name for name in scenarios(2) if name not in STOPPED]
POCKET, HAND = 0, 1
HOLDS_WITHIN = 20.0
CARDED_WITHIN = 2.0
TRIES = 5

Plays = dict[str, Played]
CAME: list[bytes] = []
"""The bodies of all requests to APNs."""


@dataclass
class All:
    """The play of each scenario, and those that had to be made once more, of which the alerts count nevertheless."""

    plays: Plays
    in_vain: list[tuple[str, Played]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[ReplayWorld]:
    """One phone lives by pushes, on the other the app is open. Lenient, for so many cards are too many for an hour."""
    options = WorldOptions(
        live_activities=True,
        phone_profile="lenient",
        phones=2,
        relays=RELAYS,
        encrypt="require" if SEALED else "off",
    )
    async with ReplayWorld(options) as world:
        keep = world.apns.requests.keep

        def note(request: Request, entry: Entry) -> KeptRequest:
            CAME.append(request.body)
            return keep(request, entry)

        world.apns.requests.keep = note  # type: ignore[method-assign]  # it keeps 500 itself
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
        for _ in range(TRIES):
            await world.followed()
            found[name] = await world.player.play(load(name).recording, SPEED)
            await _settled(world, name, found[name])
            # The open app may hear of a run later than the relay, which then starts a card as well: played once more, too.
            if result_of(world, name, found[name], POCKET)["ok"] and not _holds(world, name, found[name]):
                in_vain.append((name, found[name]))
            else:
                break
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


FALLBACKS = frozenset(
    {
        *(text for kind in EVENT_KINDS.values() for text in (kind.title, kind.body, kind.message)),
        NO_TITLE,
        *MESSAGES.values(),
    }
)
SHORTEST = 12
"""Letters: a word as short as "Done", or four letters of base64, are found anywhere."""


def texts_of(world: ReplayWorld) -> set[str]:
    """What people saw on the phone in the pocket, and only they could: alerts and cards, read with the key."""
    phone = world.phones[POCKET]
    seen = {text for one in phone.showings for text in (one["title"], one["body"])}
    for entry in world.journal.entries("phone"):
        if entry.detail.get("phone") == phone.name and entry.detail.get("by") == "push":
            card = entry.detail["contentState"] or {}
            seen |= {str(card.get(name)) for name in ("sessionTitle", "lastMessage", "retryInfo")}
    words = {text.removesuffix("…") for text in seen if text not in FALLBACKS}
    return {text for text in words if len(text) >= SHORTEST}


def spellings(text: str) -> set[bytes]:
    """The text as somebody might write it: as UTF-8 and UTF-16, in JSON, in a URL, in hex, and in base64 wherever it begins."""
    octets = text.encode()
    inside = {b64encode(b"x" * before + octets)[4:-4] for before in range(3)}
    escaped = {json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
    return {
        octets, text.encode("utf-16-le"), text.encode("utf-16-be"), quote(text).encode(), octets.hex().encode(), *escaped,
        *inside, *(one.translate(bytes.maketrans(b"+/", b"-_")) for one in inside),
    }  # fmt: skip


@pytest.mark.skipif(not SEALED, reason="the texts leave in clear")
async def test_nobody_between_can_read_a_text(world: ReplayWorld, played: All) -> None:
    """Neither a request to APNs, nor a page of the database, nor a log holds a text that the phone showed."""
    assert played.plays
    texts = texts_of(world)
    assert len(texts) > len(played.plays), "the phone could read them"
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    database = [path.read_bytes() for path in files if path.name.startswith("relay.sqlite3")]
    logs = ["\n".join(part.log).encode() for part in (*world.relays, world.bridge)]
    assert CAME
    assert database
    haystack = b"\0".join([*CAME, *database, *logs, *(path.read_bytes() for path in files)])
    assert [text for text in texts if any(one in haystack for one in spellings(text))] == []
    assert b"ses_" in haystack, "session ids stay in clear"
