"""A real OpenCode, or the bridge, goes away in the middle and comes back: nothing is lost, and nothing told twice."""

import asyncio
import re

import pytest

from live.provider import Say
from live.tools import bash
from live.world import PERMISSION_DELAY, STILL_SECONDS, LiveWorld, went
from waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

INTERRUPTED = "Interrupted: OpenCode stopped before the session was done."


async def test_killed_it_is_interrupted_and_neither_done_nor_asking(world: LiveWorld) -> None:
    """OpenCode says nothing when it dies, and remembers neither what ran nor what it asked."""
    world.provider.learn("Build it", Say("Building, and so on", after=asyncio.Event()))
    world.provider.learn("Publish it", bash("echo published"))
    working = await world.client.begin("Build", "Build it")
    asking = await world.client.begin("Release", "Publish it")
    await eventually(lambda: world.provider.calls("Build it"))
    await world.shows(working, "working")
    await world.shows(asking, "permission")
    await world.opencode.kill()
    await world.restart_opencode()
    cards = await world.all_ended([working, asking])
    assert world.alerts(working) == [("error", "Error: Build", INTERRUPTED)]
    assert world.alerts(asking) == [
        ("permission", "Action Needed: Release", "bash: echo published"),
        ("error", "Error: Release", INTERRUPTED),
    ]
    assert went(cards[0]) == "working error"
    assert re.fullmatch("working permission (working )?error", went(cards[1]))
    assert [card["states"][-1]["lastMessage"] for card in cards] == [INTERRUPTED, INTERRUPTED]


async def test_restarted_while_idle_it_says_nothing_of_old_turns(world: LiveWorld) -> None:
    seen = asyncio.Event()
    world.provider.learn("Before", Say("Done before."))
    world.provider.learn("After", Say("Done after.", after=seen))
    session = await world.client.begin("Restarted", "Before")
    await world.ended(session)
    rung = len(world.phones[0].showings)
    await world.opencode.stop()
    await world.restart_opencode()
    await world.still(STILL_SECONDS)
    assert len(world.phones[0].showings) == rung
    await world.client.prompt(session, "After")
    await world.shows(session, "working")
    seen.set()
    await world.ended(session, runs=2)
    assert world.alerts(session) == [
        ("complete", "Restarted", "Done before."),
        ("complete", "Restarted", "Done after."),
    ]


async def test_what_happened_while_no_bridge_ran_is_reported_once_it_does(world: LiveWorld) -> None:
    seen = asyncio.Event()
    world.provider.learn("Finish alone", Say("Finished alone.", after=seen))
    world.provider.learn("Ask alone", bash("echo alone"), Say("Asked alone."))
    done = await world.client.begin("Alone", "Finish alone")
    await world.shows(done, "working")
    await world.bridge.kill()
    asking = await world.client.begin("Asking", "Ask alone")
    request = await world.client.asked(asking)
    seen.set()
    await eventually(lambda: world.client.idle(done))
    await world.start_bridge()
    await world.shows(asking, "permission")
    await world.client.reply(request, "once")
    cards = await world.all_ended([done, asking])
    assert went(cards[0]) == "working complete"
    assert world.alerts(done) == [("complete", "Alone", "Finished alone.")]
    assert world.alerts(asking) == [
        ("permission", "Action Needed: Asking", "bash: echo alone"),
        ("complete", "Asking", "Asked alone."),
    ]


async def test_an_abort_while_a_permission_waits_leaves_no_ghost(world: LiveWorld) -> None:
    """OpenCode 1.18 keeps the request of an aborted turn for ever, also through the reconnection of the bridge."""
    world.provider.learn("Deploy", bash("echo deployed"))
    session = await world.client.begin("Deployment", "Deploy")
    request = await world.client.asked(session)
    await world.shows(session, "permission")
    await world.client.abort(session)
    card = await world.ended(session)
    assert request in await world.client.listed("permission")
    await world.bridge.kill()
    await world.start_bridge()
    await world.still(PERMISSION_DELAY + 1.0)
    assert world.alerts(session) == [("permission", "Action Needed: Deployment", "bash: echo deployed")]
    assert re.fullmatch("working permission (working )?complete", went(card))
    await world.client.reply(request, "reject")  # the ghost goes, and nothing is heard of it
    await world.still(1.0)
    assert len(world.alerts(session)) == 1
