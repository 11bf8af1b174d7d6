"""Work that outlives its caller."""

import asyncio

import pytest

from relay.server.shelter import Shelter
from waiting import eventually


async def test_the_caller_gets_the_result() -> None:
    async def work() -> int:
        return 7

    assert await Shelter(1.0).run(work()) == 7


async def test_a_cancelled_caller_cancels_nothing() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    shelter = Shelter(5.0)
    caller = asyncio.create_task(shelter.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    closing = asyncio.create_task(shelter.close())
    go.set()
    await closing
    assert done.is_set()


async def test_the_deadline_ends_the_work_too() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await Shelter(0.01).run(work())
    assert cancelled.is_set()


async def test_an_error_reaches_the_caller_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("no")

    shelter = Shelter(1.0)
    with pytest.raises(ValueError, match="no"):
        await shelter.run(work())
    caller = asyncio.create_task(shelter.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await shelter.close()
    await eventually(lambda: not shelter._tasks)
    assert "never retrieved" not in caplog.text


async def test_a_task_that_is_cancelled_at_the_end_of_the_loop_is_no_error() -> None:
    shelter = Shelter(5.0)
    caller = asyncio.create_task(shelter.run(asyncio.Event().wait()))
    await eventually(lambda: shelter._tasks)
    for task in shelter._tasks:
        task.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert not shelter._tasks
