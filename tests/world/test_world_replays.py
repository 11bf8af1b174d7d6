"""Every recording of a real OpenCode through the real chain: bridge and relay as processes, APNs over HTTP/2 + TLS."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from mariadb import MariaDB
from simulator.process import parse
from simulator.replay.command import ReplayOptions, replay
from simulator.replay.expectations import Audience, evaluate_activities
from simulator.replay.report import activities, report
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import Scenario, load, scenarios
from waiting import eventually

pytestmark = [pytest.mark.replay, pytest.mark.asyncio(loop_scope="module")]

STILL_SECONDS = 2.0
"""When nothing has moved for so long nothing more comes: a relay looks every second for what is due."""
TRIES = ("retry", "delivered")
ONE_OF_EACH_KIND = (
    "a_text", "b_permission_once", "c_error_401", "c_error_context_overflow", "d_retry_503_backoff", "e_abort",
    "f_two_sessions", "g_child_session", "i_sigkill_while_streaming",
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pocket() -> AsyncIterator[ReplayWorld]:
    """The phone is in the pocket: the app lives by pushes. Lenient, because 28 cards an hour are too many for a phone."""
    async with ReplayWorld(WorldOptions(live_activities=True, phone_profile="lenient")) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hand() -> AsyncIterator[ReplayWorld]:
    """Two phones are in the hand, with the other kind of app, and two relays on one database."""
    options = WorldOptions(
        live_activities=True,
        phone_profile="lenient",
        phones=2,
        foreground=True,
        app="expo-widgets",
        relays=2,
    )
    async with ReplayWorld(options) as world:
        yield world


async def _played(world: ReplayWorld, name: str) -> dict[str, Any]:
    """The report of a scenario, whose expectations have held."""
    scenario, began = load(name), world.clock.now()
    played = await world.play(scenario, speed=20)
    showings = world.phones[0].showings
    result = report(scenario, played, world.journal, showings, began, world.audience(20))
    assert [one["what"] for one in result["expectations"] if not one["ok"]] == []
    assert result["ok"]
    return result


@pytest.mark.parametrize("name", scenarios())
async def test_the_phone_shows_exactly_what_the_scenario_says(pocket: ReplayWorld, name: str) -> None:
    result = await _played(pocket, name)
    assert all(push["status"] == 200 for push in result["pushes"])
    alerts = [push for push in result["pushes"] if push["pushType"] == "alert"]
    reported = [event for event in result["relay_events"] if event["eventType"] not in {"start", "progress"}]
    assert len(alerts) == len(result["notifications"]) == len(reported)
    assert len(result["activities"]) == len(load(name).activities)
    if result["notifications"] and load(name).recording.killed_at is None:  # no event tells of a death
        assert 0 < result["latency_ms"]["event_to_phone"]["p50"] < 5000


async def test_nothing_of_it_was_a_fault(pocket: ReplayWorld) -> None:
    """No process logged an error, the phone could read every push, and no secret went into a log."""
    entries = pocket.journal.entries()
    assert [entry for entry in entries if entry.detail.get("level") in ("ERROR", "CRITICAL")] == []
    assert [
        entry for entry in entries if entry.where == "phone" and entry.what in ("dropped", "replaced")
    ] == []
    assert all(
        entry.detail["rootAgrees"] and entry.detail["knownServer"]
        for entry in pocket.journal.entries("phone", "shown")
    )
    secret = (pocket.folder / "relay-secret").read_text().strip()
    phone = pocket.phones[0]
    tokens = [phone.app.token, phone.device.push_to_start_token, *(one.token for one in phone.activities.all)]
    assert len(tokens) > len(scenarios())
    for command in (pocket.relay, pocket.bridge):
        assert not [
            line for line in command.log if secret in line or any(token in line.lower() for token in tokens)
        ]


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
async def test_in_the_foreground_the_app_does_it_itself(hand: ReplayWorld, name: str) -> None:
    await _played(hand, name)


async def test_both_relays_were_at_work(hand: ReplayWorld) -> None:
    """The bridge told the first, the phones registered at the second: what they share is in the database."""
    received = [{line.what for text in relay.log if (line := parse(text))} for relay in hand.relays]
    assert "event" in received[0]
    assert "activity registered" not in received[0]
    assert "activity registered" in received[1]
    assert "event" not in received[1]


async def test_what_lasts_is_seen_at_the_recorded_speed() -> None:
    result = await replay(load("d_retry_429_retry_after"), ReplayOptions(app="expo-widgets", relays=2))
    assert [one["what"] for one in result["expectations"] if not one["ok"]] == []
    (card,) = result["activities"]
    retries = [state for state in card["states"] if state["status"] == "retry"]
    assert retries[0]["retryInfo"].startswith("Retry 1 in ")


async def _cards_after_a_killed_relay(
    world: ReplayWorld, name: str, *, received: int, speed: float
) -> list[dict[str, Any]]:
    """The cards, all of which are right in the end, if the relay is killed as it has heard of so many events."""
    scenario, began = load(name), world.clock.now()
    playing = asyncio.create_task(world.player.play(scenario.recording, speed))
    await eventually(lambda: len(world.journal.entries("relay", "event", began)) >= received)
    await world.relay.kill()
    await world.relay.start()
    played = await playing

    def cards() -> list[dict[str, Any]]:
        assert _unreported(world, began) == set(), "the bridge still tries to tell the relay of them"
        found = activities(world.journal.entries("phone", since=began))
        assert _wrong(scenario, found, played.sessions) == []
        return found

    await eventually(lambda: cards() is not None)
    await world.still(STILL_SECONDS)
    return cards()


def _unreported(world: ReplayWorld, began: float) -> set[str]:
    """The sessions whose newest event the relay received in vain so far."""
    tries = [entry for entry in world.journal.entries("bridge", since=began) if entry.what in TRIES]
    newest = {entry.detail["sessionID"]: entry.what for entry in tries}
    return {session_id for session_id, what in newest.items() if what == "retry"}


def _wrong(scenario: Scenario, cards: list[dict[str, Any]], sessions: dict[str, str]) -> list[str]:
    """What is wrong with the cards of the turns that have one."""
    shown = {card["sessionID"] for card in cards}
    started = tuple(one for one in scenario.activities if sessions[one.session_id] in shown)
    demanded = replace(scenario, activities=started)
    found = evaluate_activities(demanded, cards, Audience(("iPhone",), speed=100), sessions)
    return [one.what for one in found if not one.ok]


@pytest.mark.parametrize("name", ["a_text", "c_error_400", "e_abort", "f_two_sessions"])
@pytest.mark.parametrize("received", [1, 2])
async def test_a_killed_relay_leaves_no_card_behind(pocket: ReplayWorld, name: str, received: int) -> None:
    """A turn that is over before the relay is back may have had no card; one that has a card ends it, once."""
    await _cards_after_a_killed_relay(pocket, name, received=received, speed=4.0)


async def test_a_killed_relay_does_not_forget_to_start_the_card(pocket: ReplayWorld) -> None:
    assert len(await _cards_after_a_killed_relay(pocket, "d_retry_503_backoff", received=1, speed=2.0)) == 1


@pytest.mark.mariadb
async def test_two_relays_on_mariadb(mariadb: MariaDB) -> None:
    options = ReplayOptions(speed=20, database_url=mariadb.new_database(), relays=2)
    result = await replay(load("f_two_sessions"), options)
    assert [one["what"] for one in result["expectations"] if not one["ok"]] == []
    assert len(result["activities"]) == 2
