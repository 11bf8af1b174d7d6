"""`simulator demo`: the whole chain in one terminal, scenario after scenario, until Ctrl-C."""

import asyncio
import itertools
import signal
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.live import Live

from simulator.journal import Entry
from simulator.replay.view import timeline_line, world_view
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import Scenario, load

CHOICE = (
    "a_text",
    "b_permission_once",
    "g_child_session",
    "c_error_401",
    "f_two_sessions",
    "h_question",
    "b_permission_reject",
    "e_abort",
)
"""What is played when no scenario is named: one of each kind."""
OPTIONS = WorldOptions(live_activities=True, phone_profile="lenient")
"""A real phone lets about ten Live Activities an hour be started by push; a demo that goes on and on needs more."""
PAUSE = 3.0
PAGE_PORT = 8901
"""Of the page, or any free one if somebody has it."""
FRAMES_A_SECOND = 8
KEPT_ENTRIES = 200
MOST_ROWS = 36


async def demo(chosen: Sequence[Scenario], speed: float, *, once: bool = False) -> None:
    """Start a world, show its pairing code, and play `chosen` in turn; forever, or `once`."""
    console = Console()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with console.status("starting OpenCode, APNs, relay and bridge ..."):
        world = await ReplayWorld(OPTIONS).__aenter__()
    try:
        console.print("\n".join(world.bridge.output), highlight=False, soft_wrap=True)
        console.print("The iPhone scanned this code and registered with the relay.")
        page = await world.serve_page(PAGE_PORT)
        console.print(f"The page, with the phone and every push: {page}\n", highlight=False)
        await _until(stop, _Stage(world, console).play(_order(chosen, once), speed))
    finally:
        with console.status("stopping ..."):
            await world.__aexit__(None, None, None)
    console.print("Stopped.")


def _order(chosen: Sequence[Scenario], once: bool) -> Iterator[Scenario]:
    scenarios = chosen or [load(name) for name in CHOICE]
    return iter(scenarios) if once else itertools.cycle(scenarios)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    playing = asyncio.create_task(work, name="demo-play")
    stopping = asyncio.create_task(stop.wait(), name="demo-stop")
    await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (playing, stopping):
        task.cancel()
    await asyncio.gather(playing, stopping, return_exceptions=True)
    if not playing.cancelled() and (error := playing.exception()) is not None:
        raise error


class _Stage:
    """A world being watched. On a terminal the view is drawn anew; into a file go plain lines."""

    def __init__(self, world: ReplayWorld, console: Console) -> None:
        self._world, self._console = world, console
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._playing = ""

    async def play(self, scenarios: Iterator[Scenario], speed: float) -> None:
        """Play in turn while the view is drawn."""
        stop_listening = self._world.journal.listen(self._note)
        drawing = asyncio.create_task(self._draw(), name="demo-draw")
        try:
            for scenario in scenarios:
                self._announce(scenario)
                await self._world.play(scenario, speed)
                await asyncio.sleep(PAUSE)
        finally:
            stop_listening()
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    def _announce(self, scenario: Scenario) -> None:
        self._playing = f"{scenario.name}: {scenario.about}"
        if not self._console.is_terminal:
            self._console.print(f"\n{self._playing}", highlight=False)

    def _note(self, entry: Entry) -> None:
        line = timeline_line(entry)
        if line is not None:
            self._entries.append(entry)
            if not self._console.is_terminal:
                self._console.print(line, soft_wrap=True)

    async def _draw(self) -> None:
        if not self._console.is_terminal:
            return
        with Live(console=self._console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(self._view(), refresh=True)
                await asyncio.sleep(1 / FRAMES_A_SECOND)

    def _view(self) -> RenderableType:
        width, height = self._console.size
        return world_view(
            screen=self._world.phones[0].screen,
            entries=tuple(self._entries),
            playing=self._playing,
            now=self._world.clock.now(),
            width=width,
            height=min(height - 1, MOST_ROWS),
        )
