"""`simulator replay`: one scenario through the whole chain of real processes, and what came of it."""

import json
import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.lab.lines import printable
from simulator.opencode.v1 import replay as replay1
from simulator.opencode.v2 import replay as replay2
from simulator.output import takes_all_letters
from simulator.phone.app.content_state import ActivityFormat
from simulator.recording import Generation, RecordingError
from simulator.replay.report import report
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import Scenario, load, scenarios

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a scenario is played, `speed` times as fast as recorded, and what the phone is like; see WorldOptions."""

    speed: float = 1.0
    database_url: str | None = None
    app: ActivityFormat = "flat"
    foreground: bool = False
    phone_profile: str = "default"
    relays: int = 1


async def replay(scenario: Scenario, options: ReplayOptions | None = None) -> Json:
    """The report of one scenario, played in a new world. Raises RecordingError if its recording cannot be played."""
    chosen = options or ReplayOptions()
    playable(scenario)
    world_options = WorldOptions(
        permission_delay=scenario.permission_delay,
        database_url=chosen.database_url,
        live_activities=True,
        app=chosen.app,
        foreground=chosen.foreground,
        phone_profile=chosen.phone_profile,
        relays=chosen.relays,
        generation=scenario.recording.generation,
    )
    async with ReplayWorld(world_options) as world:
        played = await world.play(scenario, chosen.speed)
        showings = [one for phone in world.phones for one in phone.showings]
        return report(scenario, played, world.journal, showings, audience=world.audience(chosen.speed))


def playable(scenario: Scenario) -> Scenario:
    """The scenario itself. Raises RecordingError if its recording cannot be played."""
    recording = scenario.recording
    why = (replay1 if recording.generation == 1 else replay2).unplayable(recording)
    if why:
        raise RecordingError(why)
    return scenario


GENERATIONS: dict[Generation, str] = {
    1: "OpenCode 1, recorded on 1.18.33",
    2: "OpenCode 2, recorded on a beta of August 2026 with the names of the releases",
}


def print_list() -> None:
    """Every scenario with its sentence."""
    console = Console()
    for generation, title in GENERATIONS.items():
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for name in scenarios(generation):
            table.add_row(f"[bold]{name}", load(name).about)
        console.print(f"[bold cyan]{title}[/]", table, "", sep="\n")


def print_json(result: Json) -> None:
    """The report as one JSON object on standard output."""
    json.dump(result, sys.stdout, indent=2, ensure_ascii=not takes_all_letters(sys.stdout))
    print()


def print_report(result: Json, *, verbose: bool = False) -> None:
    """The report for people: a line for each alert and card, for what was not as expected, and the verdict.

    `verbose`: also for what was. On a terminal a line is cut where it ends; into a file it goes whole.
    """
    console = Console()
    for line in report_lines(result, verbose=verbose):
        if console.is_terminal:
            console.print(line, no_wrap=True, overflow="ellipsis")
        else:
            console.print(line, soft_wrap=True)


def report_lines(result: Json, *, verbose: bool = False) -> list[Text]:
    """The lines of a report, the verdict last."""
    lines = [
        Text(f"  rang  {printable(one['title'])}: {printable(one['body'])}")
        for one in result["notifications"]
    ]
    lines += [Text(f"  card  {_card(activity)}") for activity in result["activities"]]
    for expectation in result["expectations"]:
        if verbose or not expectation["ok"]:
            mark = ("✓", "green") if expectation["ok"] else ("✗", "red")
            lines.append(Text.assemble("  ", mark, f" {expectation['what']}"))
    return [*lines, _verdict(result)]


def _verdict(result: Json) -> Text:
    expected = result["expectations"]
    held = sum(one["ok"] for one in expected)
    word = (f"ok, {held} of {len(expected)} expectations held", "green")
    if not result["ok"]:
        word = (f"not as expected, {held} of {len(expected)} expectations held", "red")
    elif not expected:
        word = ("played; nothing was expected", "")
    p50 = result["latency_ms"]["event_to_phone"]["p50"]
    latency = f"; {p50:.0f} ms from OpenCode's event to the phone" if p50 is not None else ""
    return Text.assemble(f"{result['scenario']}: ", word, latency)


def _card(activity: Json) -> str:
    """A card in one line: its title and the statuses it went through."""
    statuses = [status for status, _ in groupby(state["status"] for state in activity["states"])]
    titles = [state["sessionTitle"] for state in activity["states"]]
    return f"{printable(titles[-1]) if titles else ''}, by {activity['how']}: {', '.join(statuses)}"
