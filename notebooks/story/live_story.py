"""The whole chain in real time: OpenCode's recordings, the real bridge, the real relay, the sandbox and phones."""

import atexit
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import aiohttp

from simulator.opencode.playing import Played
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import in_words, load
from story.pictures import Table
from story.stage import Stage


class LiveStory(Stage):
    """`story = await LiveStory.begin()` ... `await story.end()`. `world` has all the parts."""

    times = False

    world: ReplayWorld

    @classmethod
    async def begin(cls, **options: Any) -> "LiveStory":
        """Start everything and pair the phones; `options` are those of simulator.replay.world.WorldOptions."""
        story = cls(ReplayWorld(WorldOptions(**options)))
        await story.world.__aenter__()
        story.begun()
        atexit.register(story._leave_nothing)
        return story

    async def end(self) -> None:
        """Stop everything and remove all files."""
        atexit.unregister(self._leave_nothing)
        await self.world.__aexit__(None, None, None)

    def _leave_nothing(self) -> None:
        """A notebook that is closed before its `end` takes the processes with it."""
        for name in ("relay", "bridge"):
            started = self.journal.entries(name, "process started")
            if len(started) > len(self.journal.entries(name, "process ended")):
                with suppress(ProcessLookupError):
                    os.kill(started[-1].detail["pid"], signal.SIGTERM)

    async def play(self, name: str, speed: float = 20.0) -> Played:
        """Let OpenCode do what was recorded (`simulator replay --list`), and wait until nothing moves any more.

        How many `events` OpenCode sent, and the ids of its `sessions`.
        """
        return await self.world.play(in_words(load(name)), speed)

    async def play_all(self, names: Iterable[str], speed: float = 20.0) -> Table:
        """The same for several, one after the other: what happens in each, how much OpenCode says, and what rings."""
        rows = []
        for name in names:
            self.rings()
            played = await self.play(name, speed)
            rings = ", ".join(one["eventType"] for one in self.rings()) or "nothing"
            rows.append(
                {"what happens": load(name).about, "events of OpenCode": played.events, "rings": rings}
            )
        return Table(rows)

    async def prompt(self, text: str, title: str) -> None:
        """Ask the agent in a new session, over OpenCode's own HTTP API; wait until nothing moves any more.

        `text` may say what the model does: simulator/opencode/prompt_language.py.
        """
        async with aiohttp.ClientSession(self.world.opencode.url) as http:
            async with http.post("/session", json={"title": title}) as response:
                session = await response.json()
            parts = [{"type": "text", "text": text}]
            async with http.post(f"/session/{session['id']}/prompt_async", json={"parts": parts}) as response:
                response.raise_for_status()
        await self.world.still(2.0)
