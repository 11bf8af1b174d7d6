"""What must hold when parts of the chain die or lie."""

import asyncio
import random
from collections import Counter

import pytest

from simulator.replay.report import relay_events, report
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import Scenario, load
from waiting import PATIENCE, eventually

pytestmark = pytest.mark.replay

KILLED_SCENARIOS = (
    "f_two_sessions",
    "b_permission_external_directory",
    "c_error_context_overflow",
    "c_error_400",
)


async def _play_while_the_relay_is_killed(
    world: ReplayWorld, scenario: Scenario, source: random.Random
) -> None:
    """Kill the relay at a random moment of the play, leave it down for a moment, start it again."""
    playing = asyncio.create_task(world.player.play(scenario.recording, speed=4.0))
    await asyncio.sleep(source.uniform(0.05, scenario.recording.events[-1].t / 4.0 + 0.1))
    await world.relay.kill()
    await asyncio.sleep(source.uniform(0.0, 0.5))
    await world.relay.start()
    await playing


async def test_a_killed_relay_loses_no_alert_and_shows_none_twice() -> None:
    """A request that was answered while the relay was down need not ring any more; all others must, once."""
    source = random.Random(20261121)
    said: Counter[str] = Counter()
    async with ReplayWorld() as world:
        for round_number in range(3 * len(KILLED_SCENARIOS)):
            scenario = load(KILLED_SCENARIOS[round_number % len(KILLED_SCENARIOS)])
            said.update(alert.event_type for alert in scenario.alerts for _ in range(alert.count))
            await _play_while_the_relay_is_killed(world, scenario, source)
            await eventually(lambda: _shown(world) - said == Counter() == _ends(said) - _shown(world))
        await world.still(2.0)
        assert _ends(_shown(world)) == _ends(said)
        assert _shown(world)["permission"] <= said["permission"]
        logged = Counter(
            one["eventType"]
            for one in relay_events(world.journal.entries("relay", "event"))
            if one["eventType"] in said
        )
        assert _ends(logged) == _ends(_shown(world))
        # A request may ring in the very moment in which the relay dies, and be answered before it is told again: it has no line.
        assert logged["permission"] <= _shown(world)["permission"]


def _shown(world: ReplayWorld) -> Counter[str]:
    return Counter(one.payload["eventType"] for one in world.phones[0].screen.notifications)


def _ends(alerts: Counter[str]) -> Counter[str]:
    return Counter({kind: count for kind, count in alerts.items() if kind != "permission"})


async def test_a_relay_that_dies_with_pushes_unsent_sends_them_after_its_restart() -> None:
    """APNs does not answer, the relay is killed while it waits, and nobody reports the event again."""
    scenario = load("a_text")
    async with ReplayWorld() as world:
        ports = dict(world.apns.ports)
        await world.apns.close()
        await world.player.play(scenario.recording, speed=20)
        # Not the session's start, which makes no push here: a bridge that is stopped then has not reported its end.
        await eventually(
            lambda: any(
                one.detail["eventType"] == "complete" for one in world.journal.entries("bridge", "delivered")
            )
        )
        await world.bridge.stop()
        await world.relay.kill()
        await world.apns.start(sandbox_port=ports["sandbox"], production_port=ports["production"])
        await world.relay.start()
        await world.phones[0].shown(1, within=PATIENCE)
        await world.still(2.0)
        assert len(world.phones[0].showings) == 1


async def test_every_phone_of_the_secret_rings_and_who_is_stopped_politely_ends_with_status_0() -> None:
    scenario = load("b_permission_once")
    async with ReplayWorld(WorldOptions(phones=3)) as world:
        played = await world.play(scenario, speed=20)
        for phone in world.phones:
            assert report(scenario, played, world.journal, phone.showings)["ok"]
        assert await world.bridge.stop() == 0
        assert await world.relay.stop() == 0


async def test_a_token_of_the_other_environment_is_found_and_remembered() -> None:
    """The original app says "production" whatever its build; a development build's tokens live in the sandbox."""
    async with ReplayWorld(WorldOptions(realm="sandbox", claimed_realm="production")) as world:
        for _ in range(2):
            await world.play(load("c_error_401"), speed=20)
        pushes = [
            (one.detail["realm"], one.detail["status"], one.detail["reason"])
            for one in world.journal.entries("apns", "push")
        ]
        assert pushes == [
            ("production", 400, "BadDeviceToken"),
            ("sandbox", 200, None),
            ("sandbox", 200, None),
        ]
        assert len(world.phones[0].showings) == 2


async def test_a_dead_token_is_removed_and_the_others_ring() -> None:
    async with ReplayWorld(WorldOptions(phones=2)) as world:
        gone, left = world.phones
        world.apns.registry.unregister(gone.app.token, world.clock.now() + 1)
        await world.play(load("c_error_401"), speed=20)
        await world.play(load("c_error_401"), speed=20)
        answers = Counter(entry.detail["status"] for entry in world.journal.entries("apns", "push"))
        assert answers == {200: 2, 410: 1}
        assert [len(phone.showings) for phone in (gone, left)] == [0, 2]
