"""A real OpenCode through the real bridge and relay: what the phone rings for, and what its card goes through."""

import asyncio
import re

import pytest

from live.provider import TITLE, Calls, Refuse, Say
from live.tools import bash, task
from live.world import LiveWorld, went
from waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_text_answer_rings_once_with_the_models_title_and_last_words(world: LiveWorld) -> None:
    seen = asyncio.Event()
    world.provider.learn("Are we done?", Say("Yes, all 12 tests pass.", after=seen))
    session = await world.client.begin(None, "Are we done?")
    await world.shows(session, "working")
    seen.set()
    card = await world.ended(session)
    assert world.alerts(session) == [("complete", TITLE, "Yes, all 12 tests pass.")]
    assert went(card) == "working complete"
    assert card["states"][-1]["lastMessage"] == "Yes, all 12 tests pass."


async def test_turns_in_quick_succession_each_ring_with_their_own_words(world: LiveWorld) -> None:
    answers = [f"Answer {number}." for number in range(5)]
    for number, answer in enumerate(answers):
        world.provider.learn(f"Question {number}", Say(answer))
    session = await world.client.begin("Quick", "Question 0")
    for number in range(1, len(answers)):
        await eventually(lambda before=number - 1: world.provider.calls(f"Question {before}"))
        await eventually(lambda: world.client.idle(session))
        await world.client.prompt(session, f"Question {number}")
    await world.all_rang(session, len(answers))
    assert world.alerts(session) == [("complete", "Quick", answer) for answer in answers]


async def test_several_requests_at_once_each_ring(world: LiveWorld) -> None:
    world.provider.learn("Do both", Calls(bash("ls one"), bash("ls two")), Say("Both done."))
    session = await world.client.begin("Both", "Do both")
    await world.all_rang(session, 2)
    requests = [one for one in await world.client.listed("permission") if one["sessionID"] == session]
    for request in requests:
        await world.client.reply(request, "once")
    card = await world.ended(session)
    (first, second, last) = world.alerts(session)
    assert {first, second} == {
        ("permission", "Action Needed: Both", f"bash: ls {one}") for one in ("one", "two")
    }
    assert last == ("complete", "Both", "Both done.")
    assert card["states"][-1]["lastMessage"] == "Both done."


async def test_what_a_child_of_a_child_asks_of_a_root_that_does_not_run_leaves_no_card(
    world: LiveWorld,
) -> None:
    """Somebody goes on with a subagent's session while the session that it belongs to is idle."""
    world.provider.learn("Go on below", bash("ls below"), Say("Done below."))
    root = await world.client.create("Root")
    child = await world.client.create("Child", await world.client.create("Parent", root))
    await world.client.prompt(child, "Go on below")
    request = await world.client.asked(child)
    await world.shows(root, "permission")
    await world.client.reply(request, "once")
    card = await world.ended(root)
    assert world.alerts(root) == [("permission", "Action Needed: Root", "bash: ls below")]
    assert (went(card), card["states"][-1]["lastMessage"]) == ("permission complete", "Answered")
    assert world.alerts(child) == []


async def test_a_permission_answered_at_the_computer_does_not_ring(world: LiveWorld) -> None:
    world.provider.learn("List the files", bash("ls"), Say("One file."))
    session = await world.client.begin("Files", "List the files")
    await world.client.reply(await world.client.asked(session), "once")
    card = await world.ended(session)
    assert world.alerts(session) == [("complete", "Files", "One file.")]
    assert went(card) == "working complete"


async def test_a_rate_limit_is_waited_for_without_ringing(world: LiveWorld) -> None:
    limited = Refuse(429, "Rate limit reached for requests", {"retry-after": "3"})
    seen = asyncio.Event()
    world.provider.learn("Hurry up", limited, Say("Here I am again.", after=seen))
    session = await world.client.begin("Limited", "Hurry up")
    waiting = await world.shows(session, "retry")
    await world.shows(session, "working")
    seen.set()
    card = await world.ended(session)
    assert re.fullmatch("Retry 1 in [0-3]s", waiting["states"][-1]["retryInfo"])
    assert world.alerts(session) == [("complete", "Limited", "Here I am again.")]
    assert re.fullmatch("(working )?retry working complete", went(card))
    assert card["states"][-1]["retryInfo"] is None


async def test_a_subagent_asks_and_ends_under_its_parents_name(world: LiveWorld) -> None:
    world.provider.learn("Have them counted", task("Count the lines"), Say("There are 3 lines."))
    world.provider.learn("Count the lines", bash("echo 3"), Say("3 lines, says the child."))
    parent = await world.client.begin("Counting lines", "Have them counted")
    child = await world.client.child(parent)
    request = await world.client.asked(child)
    await world.shows(parent, "permission")
    await world.client.reply(request, "once")
    card = await world.ended(parent)
    assert world.alerts(parent) == [
        ("permission", "Action Needed: Counting lines", "bash: echo 3"),
        ("complete", "Counting lines", "There are 3 lines."),
    ]
    assert re.fullmatch("working permission (working )?complete", went(card))
    assert world.alerts(child) == world.cards(child) == []
