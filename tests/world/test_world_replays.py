"""Every recording of a real OpenCode through the real chain: bridge and relay as processes, APNs over HTTP/2 + TLS."""

import pytest

from simulator.report import report
from simulator.scenario import load, scenarios
from simulator.world import World

pytestmark = [pytest.mark.replay, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("name", scenarios())
async def test_the_phone_shows_exactly_what_the_scenario_says(world: World, name: str) -> None:
    scenario = load(name)
    began = world.clock.now()
    played = await world.play(scenario, speed=20)
    result = report(scenario, played, world.journal, world.phones[0].showings, began)
    assert [one["what"] for one in result["expectations"] if not one["ok"]] == []
    assert result["ok"]
    assert all(push["status"] == 200 and push["pushType"] == "alert" for push in result["pushes"])
    assert len(result["pushes"]) == len(result["notifications"]) == len(result["relay_events"])
    if result["notifications"]:
        assert 0 < result["latency_ms"]["event_to_phone"]["p50"] < 5000


async def test_nothing_of_it_was_a_fault(world: World) -> None:
    """No process logged an error, the phone could read every push, and no secret went into a log."""
    entries = world.journal.entries()
    assert [entry for entry in entries if entry.detail.get("level") in ("ERROR", "CRITICAL")] == []
    assert [
        entry for entry in entries if entry.where == "phone" and entry.what in ("dropped", "replaced")
    ] == []
    assert all(
        entry.detail["rootAgrees"] and entry.detail["knownServer"]
        for entry in world.journal.entries("phone", "shown")
    )
    secret = (world.folder / "relay-secret").read_text().strip()
    token = world.phones[0].app.token
    for command in (world.relay, world.bridge):
        assert not [line for line in command.log if secret in line or token in line.lower()]
