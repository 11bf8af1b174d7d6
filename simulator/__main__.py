"""`simulator replay | demo | apns | push | opencode | conform`: what a command needs is imported when it is called."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from simulator.arguments import parser_of_simulator
from simulator.output import printing

if TYPE_CHECKING:
    from simulator.replay.command import ReplayOptions


REMEDY = "pip install 'opencode-push-relay[{extra}]'"
EXTRAS = {"apns": "sandbox", "push": "sandbox"}
"""What a command needs less than the extra `simulator` for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all was as expected, 1 when not, 2 when it could not run, with one line on stderr."""
    return printing(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    arguments = parser_of_simulator().parse(argv)
    try:
        return RUN[arguments.command](arguments)
    except ModuleNotFoundError as error:  # first: what is asked for below imports such packages, too
        if (error.name or "").partition(".")[0] in ("", "relay", "simulator"):
            raise
        remedy = REMEDY.format(extra=EXTRAS.get(arguments.command, "simulator"))
        print(f"simulator: its packages are not installed: {remedy}", file=sys.stderr)
        return 2
    except _faults() as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"simulator: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _sentence(error: Exception) -> object:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return error.args[0] if error.args else type(error).__name__


def _faults() -> tuple[type[Exception], ...]:
    """What is shown in one line; only asked for when something went wrong."""
    from simulator.conform.cases import CaseFileError
    from simulator.lab.errors import LabError
    from simulator.process import CommandError
    from simulator.recording import RecordingError
    from simulator.scenario import UnknownScenario

    return (CaseFileError, RecordingError, UnknownScenario, CommandError, LabError, TimeoutError, OSError)


def _replay(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from simulator import scenario
    from simulator.replay import command as replay

    if arguments.list:
        replay.print_list()
        return 0
    if arguments.scenario is None:
        raise scenario.UnknownScenario("which scenario? `simulator replay --list` names them")
    chosen = scenario.in_words(scenario.load(arguments.scenario))
    with Console(stderr=True).status(f"playing {chosen.name} ..."):
        result = asyncio.run(replay.replay(chosen, _replay_options(arguments)))
    if arguments.json:
        replay.print_json(result)
    else:
        replay.print_report(result, verbose=arguments.verbose)
    return 0 if result["ok"] else 1


def _replay_options(arguments: argparse.Namespace) -> "ReplayOptions":
    from simulator.replay.command import ReplayOptions

    names = ("speed", "database_url", "app", "foreground", "phone_profile", "relays")
    return ReplayOptions(**{name: getattr(arguments, name) for name in names})


def _demo(arguments: argparse.Namespace) -> int:
    if arguments.opencode is not None or arguments.start_opencode:
        return _own_demo(arguments)
    from simulator.replay.command import playable
    from simulator.replay.demo import DemoOptions, demo
    from simulator.scenario import load

    names = ("speed", "once", "control_port", "verbose")
    options = {name: getattr(arguments, name) for name in names}
    chosen = [playable(load(name)) for name in arguments.scenarios]
    asyncio.run(demo(DemoOptions(scenarios=chosen, **options)))
    return 0


def _own_demo(arguments: argparse.Namespace) -> int:
    from simulator.process import CommandError
    from simulator.replay.own import OwnOptions, own_demo

    if arguments.scenarios:
        raise CommandError("with an OpenCode of your own nothing is played: leave the scenarios out")
    options = OwnOptions(
        arguments.opencode or None, arguments.start_opencode, arguments.control_port, arguments.verbose
    )
    asyncio.run(own_demo(options))
    return 0


def _apns(arguments: argparse.Namespace) -> int:
    from simulator.lab.command import PORTS, SandboxOptions, serve

    not_options = ("command", "parser", "free_ports")
    given = {name: value for name, value in vars(arguments).items() if name not in not_options}
    for name in [name for name in PORTS if given[name] is None]:
        del given[name]
        if arguments.free_ports:
            given[name] = 0
    lists = {"san": tuple(arguments.san), "tokens": tuple(arguments.tokens)}
    asyncio.run(serve(SandboxOptions(**given | lists)))
    return 0


def _push(arguments: argparse.Namespace) -> int:
    from simulator.push.command import Where, read_payload, run
    from simulator.push.message import PushOptions

    payload = None if arguments.file is None else read_payload(arguments.file)
    names = [one.name for one in fields(PushOptions) if one.name != "payload"]
    options = PushOptions(payload=payload, **{name: getattr(arguments, name) for name in names})
    where = Where(arguments.ready_file, arguments.control, arguments.device)
    return run(options, where, as_json=arguments.json)


def _opencode(arguments: argparse.Namespace) -> int:
    from simulator.opencode.command import OpenCodeOptions, serve

    given = {name: value for name, value in vars(arguments).items() if name not in ("command", "parser")}
    asyncio.run(serve(OpenCodeOptions(**given)))
    return 0


def _conform(arguments: argparse.Namespace) -> int:
    if (arguments.cases is None) == (arguments.provider is None):
        given = "is missing, or" if arguments.cases is None else "is given, and so is"
        arguments.parser.error(f"CASES.json {given} --provider: one of the two")
    if arguments.provider is not None:
        from simulator.conform.providers import command

        return command.run(arguments.provider, arguments.only, json=arguments.json)
    from rich.console import Console

    from simulator.conform import run
    from simulator.conform.cases import load

    cases = load(arguments.cases)
    console = Console(stderr=arguments.json)
    results = asyncio.run(run.run_cases(cases, lambda result: run.print_result(console, result)))
    if arguments.json:
        run.print_json(results)
    else:
        run.print_totals(console, results)
    return 0 if run.passed(results) else 1


RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "replay": _replay,
    "demo": _demo,
    "apns": _apns,
    "push": _push,
    "opencode": _opencode,
    "conform": _conform,
}
"""What is done for each command; the exit status."""


if __name__ == "__main__":
    sys.exit(main())
