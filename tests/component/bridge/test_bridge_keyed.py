"""One item of a key at a time, the keys side by side; and timers by key."""

import asyncio

import pytest

from component.bridge.timers import Timers
from relay.bridge.keyed import KeyedQueue, KeyedTimers, call_later
from waiting import eventually


class TestKeyedQueue:
    async def test_failing_work_loses_only_its_own_item(self, caplog: pytest.LogCaptureFixture) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            if item == 1:
                raise ValueError("broken")
            done.append(item)

        queue: KeyedQueue[int] = KeyedQueue("test", work, bound=10, dropped=done.append)
        for item in (0, 1, 2):
            queue.put("key", item)
        assert await queue.close(5) == []
        assert done == [0, 2]
        assert "work failed task=test:key reason=ValueError" in caplog.text

    async def test_keys_do_not_wait_for_each_other_and_the_oldest_item_is_dropped(self) -> None:
        done: list[str] = []
        dropped: list[str] = []
        gate = asyncio.Event()

        async def work(item: str) -> None:
            if item[0] == "a":
                await gate.wait()
            done.append(item)

        queue: KeyedQueue[str] = KeyedQueue("test", work, bound=2, dropped=dropped.append)
        queue.put("a", "a1")
        queue.put("b", "b1")
        await eventually(lambda: done == ["b1"])
        queue.put("a", "a2")
        assert (queue.busy("a"), queue.busy("b")) == (True, False)
        queue.put("a", "a3")
        assert dropped == ["a1"]
        gate.set()
        assert await queue.close(5) == []
        assert done == ["b1", "a2", "a3"]

    async def test_closing_returns_what_was_not_done(self) -> None:
        queue: KeyedQueue[int] = KeyedQueue("test", asyncio.sleep, bound=10, dropped=print)
        queue.put("key", 60)
        queue.put("key", 0)
        assert await queue.close(0) == [60, 0]
        assert len(queue) == 0
        assert await queue.close(0) == []

    async def test_work_that_brings_more_work_is_drained_too(self) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            done.append(item)
            if item < 3:
                queue.put("key", item + 1)

        queue: KeyedQueue[int] = KeyedQueue("test", work, bound=10, dropped=done.append)
        queue.put("key", 0)
        assert await queue.close(5) == []
        assert done == [0, 1, 2, 3]


class TestKeyedTimers:
    def test_each_key_is_due_once_at_its_time_unless_cancelled_or_started_anew(self) -> None:
        due: list[str] = []
        clock = Timers()
        timers = KeyedTimers(due.append, bound=10, dropped=due.append, call_later=clock.call_later)
        for key, seconds in (("a", 3.0), ("b", 2.0), ("c", 1.0)):
            timers.start(key, seconds, f"{key}1")
        timers.start("a", 1.5, "a2")
        timers.cancel("b")
        timers.cancel("nothing")
        clock.turn_to(1.0)
        assert due == ["c1"]
        clock.turn_to(9.0)
        assert due == ["c1", "a2"]
        timers.start("c", 1.0, "c2")  # what was due can be started again
        assert timers.close() == ["c2"]
        clock.turn_to(99.0)
        assert due == ["c1", "a2"]

    def test_beyond_the_bound_the_oldest_is_dropped(self) -> None:
        dropped: list[str] = []
        clock = Timers()
        timers = KeyedTimers(print, bound=2, dropped=dropped.append, call_later=clock.call_later)
        for key in "abab":
            timers.start(key, 1.0, key)
        assert dropped == []
        timers.start("c", 1.0, "c")
        assert dropped == ["a"]
        assert timers.close() == ["b", "c"]

    async def test_the_loops_clock_is_the_default(self) -> None:
        due: list[int] = []
        timers = KeyedTimers(due.append, bound=1, dropped=due.append)
        timers.start("key", 0.0, 1)
        assert due == []
        await eventually(lambda: due == [1])
        call_later(0.0, lambda: due.append(2)).cancel()
        timers.start("key", 0.0, 3)
        await eventually(lambda: due == [1, 3])
