"""Work that outlives its caller."""

import asyncio

import pytest

from relay.server.background import BackgroundTasks
from waiting import eventually


async def test_the_caller_gets_the_result() -> None:
    async def work() -> int:
        return 7

    assert await BackgroundTasks(1.0).run(work()) == 7


async def test_a_cancelled_caller_cancels_nothing() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    background = BackgroundTasks(5.0)
    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    closing = asyncio.create_task(background.close())
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
    caller = asyncio.create_task(background.run(asyncio.Event().wait()))
    await eventually(lambda: background._tasks)
    for task in background._tasks:
        task.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert not background._tasks
