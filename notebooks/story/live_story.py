"""The whole chain in real time: OpenCode's recordings, the real bridge, the real relay, the sandbox and phones."""

from typing import Any

from simulator.opencode.player import Played
from simulator.scenario import load
from simulator.world import World, WorldOptions
from story.stage import Stage


class LiveStory(Stage):
    """`story = await LiveStory.begin()` ... `await story.end()`. `world` has all the parts."""

    times = False

    def __init__(self, world: World) -> None:
        super().__init__(world.journal)
        self.world = world

    @classmethod
    async def begin(cls, **options: Any) -> "LiveStory":
        """Start everything and pair the phones; `options` are those of simulator.world.WorldOptions."""
        story = cls(World(WorldOptions(**options)))
        await story.world.__aenter__()
        story.phones = story.world.phones
        story.begun()
        return story

    async def end(self) -> None:
        """Stop everything and remove all files."""
        await self.world.__aexit__(None, None, None)

    async def play(self, name: str, speed: float = 20.0) -> Played:
        """Let OpenCode do what was recorded (`simulator replay --list`), and wait until nothing moves any more.

        How many `events` OpenCode sent, and the ids of its `sessions`.
        """
        return await self.world.play(load(name), speed)

    def now(self) -> float:
        """UNIX seconds."""
        return self.world.clock.now()
