"""`simulator replay | demo | conform`: argument parsing only."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from simulator import replay
from simulator.command import CommandError
from simulator.conform.cases import CaseFileError
from simulator.conform.cases import load as load_cases
from simulator.conform.run import print_json as print_results
from simulator.conform.run import print_result, print_totals, run_cases
from simulator.demo import demo
from simulator.scenario import UnknownScenario, load

FAULTS = (CaseFileError, UnknownScenario, CommandError, TimeoutError, OSError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all was as expected, 1 when not, 2 when it could not run, with one line on stderr."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except FAULTS as error:
        text = error.args[0] if error.args else type(error).__name__
        print(f"simulator: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _replay(arguments: argparse.Namespace) -> int:
    if arguments.list:
        replay.print_list()
        return 0
    if arguments.scenario is None:
        raise UnknownScenario("which scenario? `simulator replay --list` names them")
    scenario = load(arguments.scenario)
    with Console(stderr=True).status(f"playing {scenario.name} ..."):
        result = asyncio.run(replay.replay(scenario, arguments.speed, arguments.database_url))
    (replay.print_json if arguments.json else replay.print_report)(result)
    return 0 if result["ok"] else 1


def _demo(arguments: argparse.Namespace) -> int:
    asyncio.run(demo([load(name) for name in arguments.scenarios], arguments.speed, once=arguments.once))
    return 0


def _conform(arguments: argparse.Namespace) -> int:
    cases = load_cases(arguments.cases)
    console = Console(stderr=arguments.json)
    results = asyncio.run(run_cases(cases, lambda result: print_result(console, result)))
    if arguments.json:
        print_results(results)
    else:
        print_totals(console, results)
    return 1 if any(result.verdict == "failed" for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("simulator", description="OpenCode, APNs and an iPhone on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("replay", help="one scenario through the whole chain, checked")
    command.add_argument("scenario", nargs="?", metavar="SCENARIO")
    command.add_argument("--list", action="store_true", help="name all scenarios")
    command.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast as recorded")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.add_argument(
        "--database-url", metavar="URL", help="the relay's database; default a new SQLite file"
    )
    command.set_defaults(run=_replay)
    command = commands.add_parser("demo", help="the whole chain in this terminal, until Ctrl-C")
    command.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="which to play; default a choice of them"
    )
    command.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast as recorded")
    command.add_argument("--once", action="store_true", help="end after the last scenario")
    command.set_defaults(run=_demo)
    command = commands.add_parser(
        "conform", help="run a file of acceptance cases against a fresh APNs sandbox"
    )
    command.add_argument("cases", type=Path, metavar="CASES.json")
    command.add_argument(
        "--json", action="store_true", help="one JSON object; the line a case goes to standard error"
    )
    command.set_defaults(run=_conform)
    return parser


def _speed(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1000")
    return value


if __name__ == "__main__":
    sys.exit(main())
