"""The bridge at work in this process, and what a test does to it and to its stream."""

import asyncio
import io
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from relay.bridge.options import BridgeOptions
from relay.bridge.run import run_bridge
from waiting import PATIENCE, eventually

SECRET = "s3cret-s3cret-s3cret"


class RunningBridge:
    """It runs from the beginning; `out` is what it prints."""

    def __init__(self, options: BridgeOptions) -> None:
        self.out = io.StringIO()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(run_bridge(options, stop=self._stop, out=self.out))

    async def stop(self) -> None:
        """As SIGTERM does; raises what it raised. After `kill` there is nothing left to stop."""
        self._stop.set()
        if not self._task.cancelled():
            await asyncio.wait_for(self._task, PATIENCE)

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


Running = Callable[..., AbstractAsyncContextManager[RunningBridge]]


@dataclass(frozen=True)
class Stage:
    """Both neighbours of the bridge; `async with stage.running(permission_delay=2.0) as bridge` is the bridge between them."""

    opencode: FakeOpenCode
    relay: FakeRelay
    running: Running


async def caught_up(fake_opencode: FakeOpenCode) -> None:
    """One resync after now: its first question is the list of sessions, its last the questions of a directory."""
    before = fake_opencode.asked.count("/experimental/session")
    await eventually(lambda: fake_opencode.asked.count("/experimental/session") > before)
    await eventually(lambda: fake_opencode.asked[-1] in ("/question", "/experimental/session"))


async def cut(fake_opencode: FakeOpenCode) -> None:
    """End the stream, so that nobody receives what is sent until the bridge is back."""
    fake_opencode.cut()
    await eventually(lambda: not fake_opencode.streams)
