"""`simulator replay`: one scenario through the whole chain of real processes, and what came of it."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.report import report
from simulator.scenario import Scenario, load, scenarios
from simulator.world import World, WorldOptions

Json = dict[str, Any]


async def replay(scenario: Scenario, speed: float, database_url: str | None = None) -> Json:
    """The report of one scenario, played in a new world."""
    options = WorldOptions(permission_delay=scenario.permission_delay, database_url=database_url)
    async with World(options) as world:
        played = await world.play(scenario, speed)
        showings = [fact for phone in world.phones for fact in phone.showings]
        return report(scenario, played, world.journal, showings)


def print_list() -> None:
    """Every scenario with its sentence."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in scenarios():
        table.add_row(f"[bold]{name}", load(name).about)
    Console().print(table)


def print_json(result: Json) -> None:
    """The report as one JSON object on standard output."""
    json.dump(result, sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_report(result: Json) -> None:
    """The report for people."""
    console = Console()
    for one in result["notifications"]:
        console.print(f"  [bold]{one['title']}[/]  {one['body']}", highlight=False)
    for expectation in result["expectations"]:
        console.print(
            "  [green]✓[/]" if expectation["ok"] else "  [red]✗[/]", expectation["what"], highlight=False
        )
    p50 = result["latency_ms"]["event_to_phone"]["p50"]
    latency = f", {p50:.0f} ms from OpenCode's event to the phone (median)" if p50 is not None else ""
    verdict = "[green]ok[/]" if result["ok"] else "[red]not as expected[/]"
    console.print(f"{result['scenario']}: {verdict}{latency}")
