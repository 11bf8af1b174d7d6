"""Work that outlives its caller, and requests that are worked on together."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.server.background import BackgroundTasks, Batches
from relay.server.store.sql import Unavailable
from waiting import eventually


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_cancelled_caller_cancels_nothing() -> None:
    go = asyncio.Event()
    background = BackgroundTasks(5.0)
    work = background.start(go.wait())
    caller = asyncio.create_task(background.run(go.wait()))
    await turns()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    closing = asyncio.create_task(background.close())
    await turns()
    assert not closing.done()
    go.set()
    await closing
    assert await work is True


async def test_the_deadline_ends_the_work_too() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await BackgroundTasks(0.01).run(work())
    assert cancelled.is_set()


async def test_an_error_reaches_the_caller_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("no")

    background = BackgroundTasks(1.0)
    with pytest.raises(ValueError, match="no"):
        await background.run(work())
    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await background.close()
    await eventually(lambda: not background._tasks)
    assert "never retrieved" not in caplog.text


async def test_a_task_that_is_cancelled_at_the_end_of_the_loop_is_no_error() -> None:
    background = BackgroundTasks(5.0)
    task = background.start(asyncio.Event().wait())
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not background._tasks


# Batches.


def anybody(_: object) -> None:
    """All requests are of one owner."""


class Doubling:
    """Doubles numbers when it is let; remembers what it got together."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.fault = fault

    async def __call__(self, requests: Sequence[int]) -> list[int]:
        self.asked.append(list(requests))
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return [2 * request for request in requests]


async def test_what_comes_meanwhile_is_worked_on_next_and_never_more_than_the_most() -> None:
    work = Doubling()
    batches = Batches(work, most=3, owner=anybody)
    first = batches(1)
    await turns()
    later = [batches(number) for number in range(2, 7)]
    await turns()
    assert work.asked == [[1]]
    closing = asyncio.create_task(batches.close())
    await turns()
    assert not closing.done()
    work.gate.set()
    await closing
    assert [one.result() for one in (first, *later)] == [2, 4, 6, 8, 10, 12]
    assert work.asked == [[1], [2, 3, 4], [5, 6]]
    assert await batches(7) == 14


async def test_an_outage_is_for_all_of_its_batch() -> None:
    work = Doubling(Unavailable("gone"))
    batches = Batches(work, most=2, owner=anybody)
    await batches.close()  # nothing to wait for
    work.gate.set()
    found = await asyncio.gather(batches(1), batches(2), return_exceptions=True)
    assert found == [work.fault, work.fault]
    assert work.asked == [[1, 2]]
    work.fault = None
    assert await batches(3) == 6


@pytest.mark.parametrize("fault", [None, ValueError("no")])
async def test_a_caller_who_hangs_up_takes_nobody_elses_result(fault: Exception | None) -> None:
    work = Doubling(fault)
    batches = Batches(work, most=2, owner=anybody)
    caller, other = batches(1), batches(2)
    await turns()
    caller.cancel()
    work.gate.set()
    assert await asyncio.gather(other, return_exceptions=True) == [fault or 4]
    assert caller.cancelled()


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
def test_every_caller_gets_his_own_result_whenever_he_asks(pauses: list[int], most: int) -> None:
    async def story() -> None:
        work = Doubling()
        work.gate.set()
        batches = Batches(work, most=most, owner=anybody)
        results = []
        for number, pause in enumerate(pauses):
            results.append(batches(number))
            await turns(pause)
        assert await asyncio.gather(*results) == [2 * number for number in range(len(pauses))]
        assert [number for batch in work.asked for number in batch] == list(range(len(pauses)))
        assert all(len(batch) <= most for batch in work.asked)

    asyncio.run(story())


@settings(deadline=None)
@given(st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)), st.integers(1, 100))
def test_a_fault_is_only_for_those_whose_requests_have_it(
    culprits: set[int], refused: set[int], most: int
) -> None:
    """Some break the whole batch, some have an exception of their own as their result."""

    async def work(requests: Sequence[int]) -> list[int | Exception]:
        if culprits.intersection(requests):
            raise ZeroDivisionError
        return [KeyError(one) if one in refused else 2 * one for one in requests]

    async def story() -> None:
        batches = Batches(work, most=most, owner=anybody)
        found = await asyncio.gather(*map(batches, range(40)), return_exceptions=True)
        for number, result in enumerate(found):
            if number in culprits:
                assert isinstance(result, ZeroDivisionError)
            elif number in refused:
                assert isinstance(result, KeyError)
            else:
                assert result == 2 * number

    asyncio.run(story())
