"""`simulator demo --opencode`: the chain and the phone beside the OpenCode that a person works with, of either generation."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from simulator.journal import Entry
from simulator.output import Output
from simulator.process import Command
from simulator.replay.demo import STOPS, WORLD, keep_tidy, page_of, say, stop_event, until
from simulator.replay.view import timeline_line
from simulator.replay.world import LINK, ReplayWorld
from simulator.world import World

WAITING = r"^Waiting "
NEWS = ("Waiting ", "Following ", "Also here: ", "Not the managed service ")
"""How the lines of the bridge begin that are not about pairing."""
OWN_NAMES = ("RELAY_", "OPENCODE_EXPERIMENTAL_PUSH_")
"""What the variables of another relay begin with, which is not the one of this world."""


@dataclass(frozen=True, slots=True)
class OwnOptions:
    """`url` None: the bridge finds OpenCode by itself; with `start` it starts one, in the current folder."""

    url: str | None = None
    start: bool = False
    control_port: int | None = None
    verbose: bool = False


async def own_demo(options: OwnOptions) -> None:
    """Bring everything up beside OpenCode, and print one line for each event until Ctrl-C.

    While OpenCode is not there it is waited for. CommandError with the bridge's reason if it cannot be followed.
    """
    console, stop = Console(), stop_event()
    with console.status("starting bridge, relay, APNs and the iPhone ..."):
        world = await OwnWorld(options).__aenter__()
    try:
        page = await page_of(world, options.control_port)
        say(console, f"The page: {page}  ({STOPS})")
        await until(stop, _follow(world, console, options))
    finally:
        await world.__aexit__(None, None, None)
    say(console, "Stopped.")


async def _follow(world: "OwnWorld", console: Console, options: OwnOptions) -> None:
    output = Output()

    def show(entry: Entry) -> None:
        if entry.what == "waiting" and not world.phones:
            return  # the bridge prints it for people then, with what to do
        line = timeline_line(entry, every_hop=options.verbose)
        if line is not None:
            output.write(line.plain)

    stop_listening = world.journal.listen(show)
    try:
        await world.follow(lambda text: say(console, text))
        say(console, "The iPhone is paired. Work with OpenCode now: it rings when a session is done or asks.")
        ends = (world.bridge.until_ended(), world.relay.until_ended())
        await until(asyncio.Event(), *ends, keep_tidy(world.phones[0], world))
    finally:
        stop_listening()


class OwnWorld(ReplayWorld):
    """APNs at first; with `follow` relay, bridge and the phone with its app beside somebody's OpenCode."""

    def __init__(self, options: OwnOptions) -> None:
        super().__init__(WORLD)
        self._own = options

    async def _start(self) -> None:
        await World._start(self)

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The person's own: it has OpenCode's password, and, if OpenCode is started, the keys of its providers."""
        return {name: text for name, text in os.environ.items() if not name.startswith(OWN_NAMES)}

    @property
    def app_password(self) -> str | None:
        """The one that the bridge is given, too."""
        return os.environ.get("OPENCODE_PASSWORD") or os.environ.get("OPENCODE_SERVER_PASSWORD")

    def _bridge_arguments(self) -> list[str]:
        own = self._own
        return [
            "bridge",
            *([] if own.url is None else [f"--opencode-url={own.url}"]),
            *(["--start-opencode"] if own.start else []),
            f"--relay-url={self.relay.url}",
            f"--secret-file={self.folder / 'relay-secret'}",
            "--port=0",
            "--print-link",
        ]

    async def follow(self, say: Callable[[str], None]) -> None:
        """Return when the bridge follows OpenCode and the phone is paired; `say` gets what a person should know meanwhile."""
        self.add_relays()
        self.bridge = Command(
            "bridge",
            self._bridge_arguments(),
            self.journal,
            environment=self.bridge_environment,
            folder=Path.cwd(),
        )
        self._stack.push_async_callback(self.bridge.stop)
        await asyncio.gather(self.bridge.start(), self.relay.start())
        first = await self.bridge.printed(f"{WAITING}|{LINK}", None)
        if first.startswith("Waiting"):
            say(first)
        self.pairing_link = await self.bridge.printed(LINK, None)
        for line in self.bridge.output:
            if line.startswith(NEWS) and line != first:
                say(line)
        await self._connected()
        await self.pair("iPhone")

    async def _connected(self) -> None:
        """Return when the bridge has OpenCode's event stream: from then on nothing is missed."""
        changed = asyncio.Event()
        stop_listening = self.journal.listen(lambda _: changed.set())
        try:
            while not self.journal.entries("bridge", "connected"):
                self.bridge.raise_if_ended()
                changed.clear()
                await changed.wait()
        finally:
            stop_listening()
