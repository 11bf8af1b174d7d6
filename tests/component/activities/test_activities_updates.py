"""Updates: the pace, the newest state, priorities, what APNs refuses."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from activity_relay import Relay, active, aps, pushed, run
from fake_gateway import FakeGateway
from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome
from simulator.clock import VirtualClock
from waiting import eventually

Make = Callable[..., Relay]


class TestUpdates:
    async def test_progress_waits_12_seconds_the_newest_wins_and_the_last_is_sent(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        began = clock.now()
        for second in range(30):
            await relay.receive("progress", body=f"at {second}")
            await relay.push()
            await run(relay, clock, 1)
        await run(relay, clock, 12)
        assert [aps(push)["timestamp"] - began for push in gateway.sent] == [0, 12, 24, 36]
        assert [message for _, _, message in pushed(gateway)] == ["at 0", "at 11", "at 23", "at 29"]
        assert {push.priority for push in gateway.sent} == {5}

    async def test_a_phase_change_waits_a_second_at_most(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        began = clock.now()
        await relay.receive("progress", body="a")
        await relay.push()
        await relay.receive("permission", title="Bash", body="rm -rf build")
        await relay.push()
        assert len(gateway.sent) == 1
        await run(relay, clock, 1)
        question = gateway.sent[-1]
        assert aps(question)["timestamp"] == began + 1
        assert aps(question)["alert"] == {"title": "Bash", "body": "rm -rf build"}
        assert question.priority == 10

    async def test_two_relays_keep_the_same_pace(
        self, make: Make, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        relays = [relay, make("host:2")]
        for second in range(36):
            await asyncio.gather(*(one.receive("progress", body=f"{second}") for one in relays))
            await asyncio.gather(*(one.push() for one in relays))
            await clock.advance(1)
        assert len(gateway.sent) == 3
        stamps = [aps(push)["timestamp"] for push in gateway.sent]
        assert stamps == sorted(set(stamps))

    async def test_above_ten_an_hour_a_question_goes_at_priority_5(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        for _ in range(12):
            await relay.receive("permission")
            await run(relay, clock, 2)
            await relay.receive("progress")
            await run(relay, clock, 2)
        questions = [push.priority for push in gateway.sent if "alert" in aps(push)]
        assert questions == [10] * 10 + [5] * 2
        await clock.advance(3600)
        await relay.receive("permission")
        await relay.push()
        assert gateway.sent[-1].priority == 10

    async def test_what_came_while_a_push_was_in_flight_is_sent_after_it(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.gate.clear()
        await relay.receive("progress", body="first")
        await relay.sender.engine.poll()
        await eventually(lambda: gateway.sent)
        await relay.receive("progress", body="second")
        await relay.sender.engine.poll()
        gateway.gate.set()
        await relay.sender.engine.idle()
        await run(relay, clock, 12)
        assert [message for _, _, message in pushed(gateway)] == ["first", "second"]

    @pytest.mark.parametrize(
        "failure", [answered(500, "InternalServerError"), maybe_sent("lost"), not_sent("down")]
    )
    async def test_after_a_failure_the_newest_state_goes_out_and_the_pauses_grow(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock, failure: Outcome
    ) -> None:
        await active(relay, gateway, clock)
        gateway.answers = [failure] * 3
        await relay.receive("permission", title="Bash", body="?")
        await relay.push()
        await run(relay, clock, 120)
        assert len(gateway.sent) == 4
        assert {aps(push)["alert"]["body"] for push in gateway.sent} == {"?"}
        stamps = [aps(push)["timestamp"] for push in gateway.sent]
        assert stamps == sorted(set(stamps))
        pauses = [after - before for before, after in pairwise(stamps)]
        assert pauses == sorted(pauses)

    async def test_a_push_of_ours_that_apns_refuses_is_not_repeated(
        self, relay: Relay, gateway: FakeGateway, clock: VirtualClock
    ) -> None:
        await active(relay, gateway, clock)
        gateway.answers = [answered(400, "BadPriority")]
        await relay.receive("progress")
        await run(relay, clock, 30)
        assert len(gateway.sent) == 1
        await relay.receive("progress", body="next")
        await run(relay, clock, 1)
        assert pushed(gateway)[-1] == ("update", "working", "next")
