"""One item of a key at a time, the keys side by side."""

import asyncio

import pytest

from relay.bridge.notify.lanes import Lanes


class TestLanes:
    async def test_failing_work_loses_only_its_own_item(self, caplog: pytest.LogCaptureFixture) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            if item == 1:
                raise ValueError("broken")
            done.append(item)

        lanes: Lanes[int] = Lanes("test", work, bound=10, dropped=done.append)
        for item in (0, 1, 2):
            lanes.put("key", item)
        assert await lanes.close(5) == []
        assert done == [0, 2]
        assert "work failed lane=test:key reason=ValueError" in caplog.text

    async def test_cancelling_a_key_leaves_the_others(self) -> None:
        done: list[str] = []
        gate = asyncio.Event()

        async def work(item: str) -> None:
            await gate.wait()
            done.append(item)

        lanes: Lanes[str] = Lanes("test", work, bound=10, dropped=done.append)
        for item in ("a1", "a2", "b1"):
            lanes.put(item[0], item)
        await asyncio.sleep(0)
        lanes.cancel("a")
        lanes.cancel("nothing")
        lanes.put("a", "a3")
        gate.set()
        assert await lanes.close(5) == []
        assert sorted(done) == ["a3", "b1"]

    async def test_closing_returns_what_was_not_done(self) -> None:
        lanes: Lanes[int] = Lanes("test", asyncio.sleep, bound=10, dropped=print)
        lanes.put("key", 60)
        lanes.put("key", 0)
        assert await lanes.close(0) == [60, 0]
        assert len(lanes) == 0
        assert await lanes.close(0) == []

    async def test_work_that_brings_more_work_is_drained_too(self) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            done.append(item)
            if item < 3:
                lanes.put("key", item + 1)

        lanes: Lanes[int] = Lanes("test", work, bound=10, dropped=done.append)
        lanes.put("key", 0)
        assert await lanes.close(5) == []
        assert done == [0, 1, 2, 3]
