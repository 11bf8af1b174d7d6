"""OpenCode 2 through the real bridge and relay: what the phone rings for, and what its card goes through.

Each test runs with a real OpenCode 2, where there is one, and with a program that stands in for it.
"""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from live.provider import KEY, TITLE, Calls, Refuse, Say
from live.second_world import LiveWorld2
from live.server import PASSWORD
from live.tools import question, shell, subagent
from live.world import went
from relay.bridge.options import BridgeOptions
from relay.doctor.contract import compared
from relay.doctor.finding import Case
from waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_text_answer_rings_once_with_the_models_title_and_last_words(world2: LiveWorld2) -> None:
    seen = asyncio.Event()
    world2.provider.learn("Are we done?", Say("Yes, all 12 tests pass.", after=seen))
    session = await world2.client2.begin(None, "Are we done?")
    await world2.shows(session, "working")
    seen.set()
    card = await world2.ended(session)
    ((kind, title, body),) = world2.alerts(session)
    assert (kind, body) == ("complete", "Yes, all 12 tests pass.")
    assert title in (TITLE, "Are we done?")  # the title may come after the end (recorded)
    assert went(card) == "working complete"


async def test_several_requests_at_once_each_ring(world2: LiveWorld2) -> None:
    world2.provider.learn("Do both", Calls(shell("ls one"), shell("ls two")), Say("Both done."))
    session = await world2.client2.begin("Both", "Do both")
    await world2.all_rang(session, 2)
    for request in await world2.client2.listed(session):
        await world2.client2.reply(request, "once")
    await world2.ended(session)
    (first, second, last) = world2.alerts(session)
    assert {first, second} == {
        ("permission", "Action Needed: Both", f"shell: ls {one}") for one in ("one", "two")
    }
    assert last == ("complete", "Both", "Both done.")


async def test_a_permission_answered_at_the_computer_does_not_ring(world2: LiveWorld2) -> None:
    world2.provider.learn("List the files", shell("ls"), Say("One file."))
    session = await world2.client2.begin("Files", "List the files")
    await world2.client2.reply(await world2.client2.asked(session), "once")
    card = await world2.ended(session)
    assert world2.alerts(session) == [("complete", "Files", "One file.")]
    assert re.fullmatch("(working )?(permission )?(working )?complete", went(card))


async def test_a_declined_request_ends_quietly(world2: LiveWorld2) -> None:
    world2.provider.learn("Wipe it", shell("rm -rf ."))
    session = await world2.client2.begin("Wiping", "Wipe it")
    await world2.shows(session, "permission")
    await world2.client2.reply(await world2.client2.asked(session), "reject")
    await world2.ended(session)
    assert world2.alerts(session) == [("permission", "Action Needed: Wiping", "shell: rm -rf .")]


async def test_a_question_rings_with_its_options_and_goes_on_with_the_answer(world2: LiveWorld2) -> None:
    world2.provider.learn("Paint it", question("Which colour?", "Red", "Blue"), Say("It is blue now."))
    session = await world2.client2.begin("Painting", "Paint it")
    await world2.shows(session, "permission")
    await world2.client2.answer(await world2.client2.asked(session, "form"), "Blue")
    await world2.ended(session)
    (asked, done) = world2.alerts(session)
    assert asked[:2] == ("permission", "Action Needed: Painting")
    assert re.search(r"Which colour\? .*Red / Blue", asked[2])
    assert done == ("complete", "Painting", "It is blue now.")


async def test_a_question_without_an_answer_ends_quietly(world2: LiveWorld2) -> None:
    world2.provider.learn("Ask me", question("Which one?", "This", "That"))
    session = await world2.client2.begin("Asking", "Ask me")
    await world2.shows(session, "permission")
    await world2.client2.dismiss(await world2.client2.asked(session, "form"))
    await world2.ended(session)
    assert [kind for kind, _, _ in world2.alerts(session)] == ["permission"]


async def test_what_the_user_stops_is_quiet(world2: LiveWorld2) -> None:
    world2.provider.learn("Count", Say("One, and so on", after=asyncio.Event()))
    session = await world2.client2.begin("Counting", "Count")
    await world2.shows(session, "working")
    await world2.client2.interrupt(session)
    card = await world2.ended(session)
    assert (world2.alerts(session), went(card)) == ([], "working complete")


async def test_a_refused_key_rings_once_as_an_error_without_it(world2: LiveWorld2) -> None:
    world2.provider.learn("Fail", Refuse(401, f"Incorrect API key provided: {KEY}"))
    session = await world2.client2.begin("Failing", "Fail")
    await world2.all_rang(session, 1)
    ((kind, title, body),) = world2.alerts(session)
    assert (kind, title) == ("error", "Error: Failing")
    assert KEY not in body


async def test_a_rate_limit_is_waited_for_without_ringing(world2: LiveWorld2) -> None:
    limited = Refuse(429, "Rate limit reached for requests", {"Retry-After": "3"})
    seen = asyncio.Event()
    world2.provider.learn("Hurry up", limited, Say("Here I am again.", after=seen))
    session = await world2.client2.begin("Limited", "Hurry up")
    await world2.shows(session, "retry")
    await world2.shows(session, "working")
    seen.set()
    card = await world2.ended(session)
    assert world2.alerts(session) == [("complete", "Limited", "Here I am again.")]
    assert re.fullmatch("(working )?retry working complete", went(card))


async def test_a_subagent_asks_and_ends_under_its_parents_name(world2: LiveWorld2) -> None:
    world2.provider.learn("Have them counted", subagent("Count the lines"), Say("There are 3 lines."))
    world2.provider.learn("Count the lines", shell("echo 3"), Say("3 lines, says the child."))
    parent = await world2.client2.begin("Counting lines", "Have them counted")
    child = await world2.client2.child(parent)
    request = await world2.client2.asked(child)
    await world2.shows(parent, "permission")
    await world2.client2.reply(request, "once")
    await world2.ended(parent)
    assert world2.alerts(parent) == [
        ("permission", "Action Needed: Counting lines", "shell: echo 3"),
        ("complete", "Counting lines", "There are 3 lines."),
    ]
    assert world2.alerts(child) == world2.cards(child) == []


async def test_killed_in_the_foreground_it_is_interrupted(world2: LiveWorld2) -> None:
    """It never resumes what ran."""
    world2.provider.learn("Build it", Say("Building, and so on", after=asyncio.Event()))
    session = await world2.client2.begin("Build", "Build it")
    await world2.shows(session, "working")
    await world2.opencode.kill()
    await world2.restart_opencode()
    await world2.ended(session)
    ((kind, title, body),) = world2.alerts(session)
    assert (kind, title) == ("error", "Error: Build")
    assert body.startswith("Interrupted: ")


async def test_the_managed_service_is_found_and_resumes_its_turn_as_the_same_run(
    opencode2_program: Path,
) -> None:
    """Nobody says where it is or what its password is; SIGTERM, and it goes on where it was."""
    async with LiveWorld2(opencode2_program, managed=True) as world:
        seen = asyncio.Event()
        never = Say("Half of it", after=asyncio.Event())
        world.provider.learn("Take your time", never, Say("All of it.", after=seen), Say("All of it."))
        session = await world.client2.begin("Long", "Take your time")
        await world.shows(session, "working")
        await world.opencode.stop()
        await world.restart_opencode()
        await eventually(lambda: world.provider.calls("Take your time") >= 2)
        seen.set()
        card = await world.ended(session)
        said = await world.client2.messages(session)
        if world.alerts(session) != [("complete", "Long", "All of it.")]:
            pytest.fail(f"{world.alerts(session)}\n{said}\n" + "\n".join(world.bridge.log))
        assert went(card) == "working complete"
        assert world.flaws() == []


async def test_its_contract_has_what_the_bridge_reads(world2: LiveWorld2) -> None:
    options = BridgeOptions(world2.opencode.url, "http://relay", password=PASSWORD)
    async with aiohttp.ClientSession() as http:
        comparison = await compared(http, Case(options, {"XDG_STATE_HOME": "/nowhere"}))
    assert comparison.ok, "\n".join(comparison.lines())
