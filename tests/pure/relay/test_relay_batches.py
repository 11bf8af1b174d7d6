"""Questions that wait for one answer get theirs together."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.server.background import Batches


class Ask:
    """Doubles numbers, one question at a time, when it is let; remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self, questions: Sequence[int]) -> list[int]:
        self.asked.append(list(questions))
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return [2 * question for question in questions]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_is_asked_at_once() -> None:
    ask = Ask()
    ask.gate.set()
    batches = Batches(ask, most=10)
    assert await asyncio.gather(*map(batches, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert ask.asked == [list(range(7))]


async def test_what_comes_meanwhile_is_asked_next_and_never_more_than_the_most() -> None:
    ask = Ask()
    batches = Batches(ask, most=3)
    first = batches(1)
    await turns()
    later = [batches(number) for number in range(2, 7)]
    await turns()
    assert ask.asked == [[1]]
    ask.gate.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10, 12]
    assert ask.asked == [[1], [2, 3, 4], [5, 6]]
    assert await batches(7) == 14


async def test_a_fault_is_for_those_who_asked_and_the_next_are_asked_again() -> None:
    ask = Ask()
    ask.fault = ValueError("no")
    batches = Batches(ask, most=2)
    ask.gate.set()
    found = await asyncio.gather(batches(1), batches(2), return_exceptions=True)
    assert found == [ask.fault, ask.fault]
    ask.fault = None
    assert await batches(3) == 6


@pytest.mark.parametrize("fault", [None, ValueError("no")])
async def test_who_hangs_up_cancels_nothing(fault: Exception | None) -> None:
    ask = Ask()
    ask.fault = fault
    batches = Batches(ask, most=2)
    caller, other = batches(1), batches(2)
    await turns()
    caller.cancel()
    ask.gate.set()
    assert await asyncio.gather(other, return_exceptions=True) == [fault or 4]
    assert caller.cancelled()


async def test_closing_waits_for_what_is_asked() -> None:
    ask = Ask()
    batches = Batches(ask, most=1)
    await batches.close()
    answers = [batches(1), batches(2)]
    closing = asyncio.create_task(batches.close())
    await turns()
    assert not closing.done()
    ask.gate.set()
    await closing
    assert [answer.result() for answer in answers] == [2, 4]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
def test_everybody_gets_his_own_answer_whenever_he_asks(pauses: list[int], most: int) -> None:
    async def story() -> None:
        ask = Ask()
        ask.gate.set()
        batches = Batches(ask, most=most)
        answers = []
        for number, pause in enumerate(pauses):
            answers.append(batches(number))
            await turns(pause)
        assert await asyncio.gather(*answers) == [2 * number for number in range(len(pauses))]
        assert [number for batch in ask.asked for number in batch] == list(range(len(pauses)))
        assert all(len(batch) <= most for batch in ask.asked)

    asyncio.run(story())
