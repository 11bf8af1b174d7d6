"""Updates: the pace, the newest state, priorities, what APNs refuses."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

from activity_relay import Relay, aps
from outcomes import answered, maybe_sent, not_sent

Make = Callable[..., Relay]


async def test_progress_waits_12_seconds_the_newest_wins_and_the_last_is_sent(relay: Relay) -> None:
    await relay.activate()
    began = relay.clock.now()
    for second in range(30):
        await relay.receive("progress", body=f"at {second}")
        await relay.push()
        await relay.run(1)
    await relay.run(12)
    assert [aps(push)["timestamp"] - began for push in relay.sent] == [0, 12, 24, 36]
    assert [message for _, _, message in relay.pushed] == ["at 0", "at 11", "at 23", "at 29"]
    assert {push.priority for push in relay.sent} == {5}


async def test_a_phase_change_waits_a_second_at_most(relay: Relay) -> None:
    await relay.activate()
    began = relay.clock.now()
    await relay.receive("progress", body="a")
    await relay.push()
    await relay.receive("permission", title="Bash", body="rm -rf build")
    await relay.push()
    assert len(relay.sent) == 1
    await relay.run(1)
    question = relay.sent[-1]
    assert aps(question)["timestamp"] == began + 1
    assert aps(question)["content-state"]["lastMessage"] == "rm -rf build"
    assert "alert" not in aps(question)  # the alert rings
    assert question.priority == 10


async def test_two_relays_keep_the_same_pace(make: Make, relay: Relay) -> None:
    await relay.activate()
    relays = [relay, make("host:2")]
    for second in range(36):
        await asyncio.gather(*(one.receive("progress", body=f"{second}") for one in relays))
        await asyncio.gather(*(one.push() for one in relays))
        await relay.clock.advance(1)
    assert len(relay.sent) == 3
    stamps = [aps(push)["timestamp"] for push in relay.sent]
    assert stamps == sorted(set(stamps))


async def test_after_a_failure_the_newest_state_goes_out_and_the_pauses_grow(relay: Relay) -> None:
    await relay.activate()
    await relay.forget_phone()  # so that no alert asks, and the card has the words
    relay.gateway.answers = [not_sent("down"), answered(500, "InternalServerError"), maybe_sent("lost")]
    await relay.receive("permission", title="Bash", body="?")
    await relay.push()
    await relay.run(120)
    assert {aps(push)["alert"]["body"] for push in relay.sent} == {"?"}
    stamps = [aps(push)["timestamp"] for push in relay.sent]
    assert [after - before for before, after in pairwise(stamps)] == [1, 24, 48]
