"""All ways in which a turn of a real OpenCode ends: what the phone rings for then, and what its card says."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from live.provider import KEY, Refuse, Say
from live.tools import bash, question, task
from live.world import LiveWorld, went
from waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Alerts = list[tuple[str, str, str]]
WAITING = "Action Needed: {title}"


def endless() -> Say:
    """An answer that begins and never ends."""
    return Say("One, and so on", after=asyncio.Event())


@dataclass(frozen=True, slots=True)
class End:
    """`happen` begins a session of this title and lets its turn end like this; then there were these alerts and no
    other, the card went through `statuses` (a regular expression), and says `last`.

    `at_once`: within milliseconds of its beginning, so that it may be over before the relay has decided on a card for it:
    the starts of one phone are decided on one after the other, and a card of what is over would be noise.
    """

    title: str
    happen: Callable[[LiveWorld, str], Awaitable[str]]
    alerts: Alerts
    statuses: str
    last: str
    at_once: bool = False


async def refused_key(world: LiveWorld, title: str) -> str:
    """OpenCode 1.18 ends a turn that failed twice."""
    world.provider.learn(title, Refuse(401, f"Incorrect API key provided: {KEY}"))
    return await world.client.begin(title, title)


async def rejected(world: LiveWorld, title: str) -> str:
    """The turn just stops: no error, and no other model call."""
    world.provider.learn(title, bash("rm -rf ."))
    session = await world.client.begin(title, title)
    await world.shows(session, "permission")
    await world.client.reply(await world.client.asked(session), "reject")
    return session


async def answered_question(world: LiveWorld, title: str) -> str:
    world.provider.learn(title, question("Which colour?", "Red", "Blue"), Say("It is blue now."))
    session = await world.client.begin(title, title)
    await world.shows(session, "permission")
    await world.client.answer(await world.client.asked(session, "question"), "Blue")
    return session


async def abort(world: LiveWorld, title: str) -> str:
    world.provider.learn(title, endless())
    session = await world.client.begin(title, title)
    await eventually(lambda: world.provider.calls(title))
    await world.shows(session, "working")
    await world.client.abort(session)
    return session


async def abort_in_retry(world: LiveWorld, title: str) -> str:
    """OpenCode 1.18 reports no error then."""
    world.provider.learn(title, Refuse(429, "Slowly", {"retry-after": "60"}))
    session = await world.client.begin(title, title)
    await world.shows(session, "retry")
    await world.client.abort(session)
    return session


async def abort_in_tool(world: LiveWorld, title: str) -> str:
    world.provider.learn(title, bash("sleep 60"))
    session = await world.client.begin(title, title)
    await world.shows(session, "permission")
    await world.client.reply(await world.client.asked(session), "once")
    await world.shows(session, "working")
    await world.client.abort(session)
    return session


async def abort_with_child(world: LiveWorld, title: str) -> str:
    world.provider.learn(title, task(f"{title}: child"))
    world.provider.learn(f"{title}: child", endless())
    session = await world.client.begin(title, title)
    await eventually(lambda: world.provider.calls(f"{title}: child"))
    await world.shows(session, "working")
    await world.client.abort(session)
    return session


async def failed_child(world: LiveWorld, title: str) -> str:
    """The parent goes on, and knows."""
    world.provider.learn(title, task(f"{title}: child"), Say("It could not be done."))
    world.provider.learn(f"{title}: child", Refuse(401, "Incorrect API key provided"))
    return await world.client.begin(title, title)


async def dismissed_question(world: LiveWorld, title: str) -> str:
    world.provider.learn(title, question("Which one?", "Left", "Right"))
    session = await world.client.begin(title, title)
    await world.shows(session, "permission")
    await world.client.dismiss(await world.client.asked(session, "question"))
    return session


async def rejected_with_a_message(world: LiveWorld, title: str) -> str:
    """Then the model is called again."""
    world.provider.learn(title, bash("rm -rf ."), Say("Then I will not."))
    session = await world.client.begin(title, title)
    await world.shows(session, "permission")
    await world.client.reply(await world.client.asked(session), "reject", "Never do that")
    return session


async def unknown_model(world: LiveWorld, title: str) -> str:
    """OpenCode 1.18 sends the error again after the end."""
    return await world.client.begin(title, title, model={"providerID": "scripted", "modelID": "unheard"})


async def two_prompts(world: LiveWorld, title: str) -> str:
    """The second comes while the first is answered: both are one turn."""
    seen = asyncio.Event()
    world.provider.learn(title, Say("The first answer.", after=seen))
    world.provider.learn(f"{title}: more", Say("The second answer."))
    session = await world.client.begin(title, title)
    await eventually(lambda: world.provider.calls(title))
    await world.client.prompt(session, f"{title}: more")
    await world.shows(session, "working")
    seen.set()
    return session


async def deleted(world: LiveWorld, title: str) -> str:
    """OpenCode 1.18 works on for a while, and fails at last."""
    world.provider.learn(title, endless(), Refuse(400, "It cannot be kept"))
    session = await world.client.begin(title, title)
    await world.shows(session, "working")
    await world.client.delete(session)
    return session


INTERRUPTED = "Interrupted: OpenCode stopped before the session was done."
ENDS = (
    End("Refused key", refused_key, [("error", "Error: {title}", "Incorrect API key provided: ***")],
        "working error", "Incorrect API key provided: ***"),
    End("Rejected", rejected, [("permission", WAITING, "bash: rm -rf .")],
        "working permission (working )?complete", "Stopped"),
    End("Answered question", answered_question,
        [("permission", WAITING, "Which colour? (Red / Blue)"), ("complete", "{title}", "It is blue now.")],
        "working permission (working )?complete", "It is blue now."),
    End("Abort", abort, [], "working complete", "Stopped"),
    End("Abort in a retry", abort_in_retry, [], "(working )?retry complete", "Stopped"),
    End("Abort in a tool", abort_in_tool, [("permission", WAITING, "bash: sleep 60")],
        "working permission working complete", "Stopped"),
    End("Abort with a subagent", abort_with_child, [], "working complete", "Stopped"),
    End("Failed subagent", failed_child, [("complete", "{title}", "It could not be done.")],
        "working complete", "It could not be done."),
    End("Dismissed question", dismissed_question, [("permission", WAITING, "Which one? (Left / Right)")],
        "working permission (working )?complete", "Stopped"),
    End("Rejected with a message", rejected_with_a_message,
        [("permission", WAITING, "bash: rm -rf ."), ("complete", "{title}", "Then I will not.")],
        "working permission (working )?complete", "Then I will not."),
    End("Unknown model", unknown_model, [("error", "Error: {title}", "Model not found: scripted/unheard.")],
        "working error", "Model not found: scripted/unheard.", at_once=True),
    End("Two prompts", two_prompts, [("complete", "{title}", "The second answer.")],
        "working complete", "The second answer."),
    End("Deleted", deleted, [], "working complete", "Stopped"),
)  # fmt: skip


async def test_every_end_is_reported_as_what_it_was(world: LiveWorld) -> None:
    """All of them at the same time, so that nothing of one session may count for another."""
    sessions = await asyncio.gather(*(end.happen(world, end.title) for end in ENDS))
    await eventually(
        lambda: all(world.alerts(session) for session, end in zip(sessions, ENDS, strict=True) if end.alerts)
    )
    await world.all_ended([session for session, end in zip(sessions, ENDS, strict=True) if not end.at_once])
    for end, session in zip(ENDS, sessions, strict=True):
        expected = [(kind, title.format(title=end.title), body) for kind, title, body in end.alerts]
        assert (end.title, world.alerts(session)) == (end.title, expected)
        cards = world.cards(session)
        assert len(cards) == 1 or (end.at_once and not cards), f"{end.title}: {len(cards)} cards"
        if not cards:
            continue
        (card,) = cards
        assert re.fullmatch(end.statuses, went(card)), f"{end.title}: {went(card)}"
        assert (end.title, card["states"][-1]["lastMessage"]) == (end.title, end.last)


async def test_a_disposed_directory_interrupts_its_sessions_and_says_so(world: LiveWorld) -> None:
    """As a change of the configuration does it: nobody at the computer ended that run, so it rings."""
    world.provider.learn("Think", endless())
    session = await world.client.begin("Thinking", "Think")
    await eventually(lambda: world.provider.calls("Think"))
    await world.shows(session, "working")
    await world.client.dispose()
    card = await world.ended(session)
    assert world.alerts(session) == [("error", "Error: Thinking", INTERRUPTED)]
    assert (went(card), card["states"][-1]["lastMessage"]) == ("working error", INTERRUPTED)


async def test_an_abort_before_the_model_is_called_does_not_ring(world: LiveWorld) -> None:
    """No session.error then (1.18.33): only the assistant's message has a MessageAbortedError, before the one idle."""
    world.provider.learn("Never mind", endless())
    session = await world.client.begin("Changed mind", "Never mind")
    await eventually(lambda: _busy(world, session))
    await world.client.abort(session)
    card = await world.ended(session)
    assert world.alerts(session) == []
    assert card["states"][-1]["lastMessage"] == "Stopped"


async def _busy(world: LiveWorld, session_id: str) -> bool:
    return not await world.client.idle(session_id)
