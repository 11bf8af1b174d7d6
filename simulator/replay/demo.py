"""`simulator demo`: the whole chain in one terminal and on one page, scenario after scenario, until Ctrl-C."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console, RenderableType
from rich.live import Live

from simulator.journal import Entry
from simulator.lab.state import write_private
from simulator.output import Output
from simulator.phone.phone import Phone
from simulator.process import CommandError
from simulator.replay.view import is_too_small, timeline_line, world_view
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import Scenario, in_words, load
from simulator.stopping import HANGUP, on_stop
from simulator.world import World

CHOICE = (
    "a_text",
    "b_permission_once",
    "g_child_session",
    "c_error_401",
    "f_two_sessions",
    "h_question",
    "b_permission_reject",
    "e_abort",
    "opencode2/b_permission_once",
    "opencode2/h_form_answered",
)
"""What is played when no scenario is named: one of each kind, of both generations."""
WORLD = WorldOptions(live_activities=True, phone_profile="lenient")
"""A real phone lets about ten Live Activities an hour be started by push; a demo that goes on and on needs more."""
PAUSE = 3.0
CONTROL_PORT = 8901
ENDED_FOR = 4.0
"""Seconds after which the person swipes a card away that has ended."""
FRAMES_A_SECOND = 8
KEPT_ENTRIES = 200
MOST_ROWS = 36
STOPS = "Ctrl-C stops"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command line. `control_port` None: 8901, or any free one if that is taken; with `verbose` every hop is a line."""

    scenarios: Sequence[Scenario] = field(default_factory=tuple)
    speed: float = 1.0
    once: bool = False
    control_port: int | None = None
    verbose: bool = False


async def demo(options: DemoOptions) -> None:
    """Start a world and its page, and play the scenarios in turn; forever, or once. CommandError if it cannot start."""
    console, stop = Console(), stop_event()
    with console.status("starting OpenCode, bridge, relay, APNs and the iPhone ..."):
        world = await ReplayWorld(WORLD).__aenter__()
    try:
        page = await page_of(world, options.control_port)
        say(console, f"OpenCode, bridge, relay, APNs and an iPhone are up. The page: {page}")
        playing = _Stage(world, console, page, options).play(_order(options))
        await until(stop, playing, world.bridge.until_ended(), world.relay.until_ended())
    finally:
        stopping = console.status("stopping ...")
        with contextlib.suppress(OSError):  # the terminal may be gone
            stopping.start()
        await world.__aexit__(None, None, None)
        with contextlib.suppress(OSError):
            stopping.stop()
    say(console, "Stopped.")


def stop_event() -> asyncio.Event:
    """Set by Ctrl-C, SIGTERM, and by a terminal that is closed: bridge and relay would go on without it."""
    stop = asyncio.Event()
    on_stop(stop.set, HANGUP)
    return stop


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


async def page_of(world: World, port: int | None) -> str:
    """The page of the world's APNs, where `simulator push` finds it, too; its address. CommandError if the port is taken."""
    lab = world.lab
    lab.key_file = world.folder / f"AuthKey_{world.key.key_id}.p8"
    write_private(lab.key_file, world.key.private_key.encode("ascii"))
    page = await world.serve_page(CONTROL_PORT if port is None else port)
    if port and urlsplit(page).port != port:
        raise CommandError(f"--control-port {port} is in use")
    return page


def _order(options: DemoOptions) -> Iterator[Scenario]:
    scenarios = [in_words(one) for one in options.scenarios or [load(name) for name in CHOICE]]
    return iter(scenarios) if options.once else itertools.cycle(scenarios)


async def until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    """Work until one work has come to its end, or `stop` is set. Raises what the first one raises."""
    working = [asyncio.create_task(work, name="demo-work") for work in works]
    stopping = asyncio.create_task(stop.wait(), name="demo-stop")
    ended: list[asyncio.Task[None]] = []
    try:
        await asyncio.wait({*working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in working if task.done()]
    finally:
        for task in (*working, stopping):
            task.cancel()
        await asyncio.gather(*working, stopping, return_exceptions=True)
    for task in ended:
        task.result()


def swipe_ended(phone: Phone, now: float) -> None:
    """What a person does with cards that say nothing new any more."""
    over = [
        one for one in phone.activities.visible if one.state == "ended" and one.changed_at + ENDED_FOR <= now
    ]
    if over:
        phone.activities.swipe(*over)


async def keep_tidy(phone: Phone, world: World) -> None:
    """Swipe ended cards away, for good."""
    while True:
        swipe_ended(phone, world.clock.now())
        await asyncio.sleep(1.0)


class _Stage:
    """A world being watched. On a terminal with room the view is drawn anew; elsewhere go plain lines."""

    def __init__(self, world: ReplayWorld, console: Console, page: str, options: DemoOptions) -> None:
        self._world, self._console, self._options = world, console, options
        self._footer = f"{page}  {STOPS}"
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._playing = ""
        self._draws = console.is_terminal and not console.is_dumb_terminal and not is_too_small(*console.size)
        self._output = Output()

    async def play(self, scenarios: Iterator[Scenario]) -> None:
        """Play in turn while the view is drawn."""
        stop_listening = self._world.journal.listen(self._note)
        drawing = asyncio.create_task(self._draw(), name="demo-draw")
        try:
            for scenario in scenarios:
                self._announce(scenario)
                await self._world.play(scenario, self._options.speed)
                await asyncio.sleep(PAUSE / self._options.speed)
        finally:
            stop_listening()
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    def _announce(self, scenario: Scenario) -> None:
        self._playing = scenario.about
        if not self._draws:
            self._output.write("")
            self._output.write(scenario.about)

    def _note(self, entry: Entry) -> None:
        line = timeline_line(entry, every_hop=self._options.verbose)
        if line is not None:
            self._entries.append(entry)
            if not self._draws:
                self._output.write(line.plain)

    async def _draw(self) -> None:
        if not self._draws:
            await keep_tidy(self._world.phones[0], self._world)
        with Live(console=self._console, auto_refresh=False, screen=False) as live:
            while True:
                swipe_ended(self._world.phones[0], self._world.clock.now())
                live.update(self._view(), refresh=True)
                await asyncio.sleep(1 / FRAMES_A_SECOND)

    def _view(self) -> RenderableType:
        """Lines of other processes arrive late, so all are put where they belong."""
        width, height = self._console.size
        return world_view(
            screen=self._world.phones[0].screen,
            entries=sorted(self._entries, key=lambda entry: entry.at),
            playing=self._playing,
            footer=self._footer,
            now=self._world.clock.now(),
            width=width,
            height=min(height - 1, MOST_ROWS),
            encoding=self._console.encoding,
            every_hop=self._options.verbose,
        )
