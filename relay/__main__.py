"""`relay serve | migrate | phones | forget | secret | log | bridge | pair | doctor | completion`: argument parsing only.

A command's modules are imported when it is called, so that the bridge needs no package of the server.
"""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from relay import __version__, log
from relay.bridge.options import (
    DEFAULT_PORT,
    Environment,
    add_bridge_arguments,
    add_pair_arguments,
    add_pairing_arguments,
    bridge_options,
    pairing_options,
    port_number,
)
from relay.errors import CommandError, server_packages
from relay.output import printing
from relay.usage import Parser, number, period

Run = Callable[[argparse.Namespace, asyncio.Event], Awaitable[int | None]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it ended well, 1 with one line on stderr when it could not start, 2 when it cannot be understood.

    1, too, when the doctor found a step that fails.
    """
    return printing(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser(os.environ.get).parse(argv)
        log.install(log.level_in(os.environ, arguments.log_level), sys.stderr, _formatter(arguments))
        return asyncio.run(_until_signal(arguments.run, arguments)) or 0
    except CommandError as error:
        print(f"relay: {error}", file=sys.stderr)
        return 1


def _formatter(arguments: argparse.Namespace) -> logging.Formatter | None:
    """JSON if that is wanted; for who looks at a bridge in a terminal, words; else None: key=value."""
    if log.is_json(os.environ):
        return log.JsonFormatter()
    if arguments.run is not _bridge or arguments.verbose or not sys.stderr.isatty():
        return None
    from relay.bridge.people import PeopleFormatter

    return PeopleFormatter()


async def _serve(_: argparse.Namespace, stop: asyncio.Event) -> None:
    with server_packages():
        from relay.server import settings
        from relay.server.serve import serve
    logging.getLogger("tortoise").setLevel(logging.WARNING)
    await serve(settings.load(os.environ), stop, out=sys.stdout, environment=os.environ)


async def _migrate(_: argparse.Namespace, __: asyncio.Event) -> None:
    with server_packages():
        from relay.server import settings
        from relay.server.store.database import close_database, open_database
    logging.getLogger("tortoise").setLevel(logging.WARNING)
    await open_database(settings.load_database(os.environ).database_url)
    await close_database()


async def _phones(_: argparse.Namespace, __: asyncio.Event) -> None:
    with server_packages():
        from relay.server import settings
        from relay.server.phones import phones
    print("\n".join(await phones(settings.load_database(os.environ).database_url)))


async def _forget(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    with server_packages():
        from relay.server import settings
        from relay.server.phones import forget
    print(await forget(settings.load_database(os.environ).database_url, arguments.which))


async def _log(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    with server_packages():
        from relay.server import log_command, settings
    question = log_command.Question(
        delivery=arguments.delivery,
        secret=arguments.secret,
        last=arguments.last,
        since=arguments.since,
        failed=arguments.failed,
        follow=arguments.follow,
        as_json=arguments.json,
        columns=shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
    )
    url = settings.load_database(os.environ).database_url
    await log_command.answer(url, question, lambda text: print(text, flush=True), stop)


def _add_log_arguments(command: Parser) -> None:
    command.add_argument("delivery", metavar="DELIVERY", nargs="?", help="the beginning of a delivery's id: everything that is known of it, and nothing else")  # fmt: skip
    command.add_argument("--secret", metavar="SECRET", help="only of this secret: its name, or the beginning of its hash, as relay phones prints them")  # fmt: skip
    command.add_argument("--last", metavar="N", type=number(int, lambda count: 0 < count <= 1000, "a number from 1 to 1000"), help="so many (20; with --since 1000)")  # fmt: skip
    command.add_argument("--since", metavar="TIME", type=number(period, lambda seconds: seconds > 0, "a time such as 90s, 15m, 1h or 2d"), help="only those of the last 90s, 15m, 1h, 2d")  # fmt: skip
    command.add_argument("--failed", action="store_true", help="only those that failed")
    command.add_argument("--follow", action="store_true", help="go on with those to come, until Ctrl-C")
    command.add_argument("--json", action="store_true", help="print a JSON object for each")


async def _secret_add(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    with server_packages():
        from relay.server import secret_command, settings
    _say(*await secret_command.add(settings.load_database(os.environ), arguments.name, arguments.hash))


async def _secret_list(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    with server_packages():
        from relay.server import secret_command, settings
    _say(*await secret_command.listed(settings.load_database(os.environ), as_json=arguments.json))


async def _secret_revoke(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    with server_packages():
        from relay.server import secret_command, settings
    _say(*await secret_command.revoke(settings.load_database(os.environ), arguments.name))


def _say(result: str, notes: str) -> None:
    print(result, flush=True)
    if notes:
        print(notes, file=sys.stderr)


async def _bridge(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    from relay.bridge.run import run_bridge

    await run_bridge(bridge_options(arguments), stop=stop, out=sys.stdout)


async def _pair(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    from relay.bridge.pair import pair

    options = pairing_options(arguments)
    await pair(
        options,
        out=sys.stdout,
        notes=sys.stderr,
        connect=arguments.connect,
        output=arguments.output,
        rotate=arguments.rotate_secret,
        new_key=arguments.rotate_key,
    )


async def _doctor(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    from relay.doctor.command import contract_drift, doctor
    from relay.doctor.finding import Case

    case = Case(pairing_options(arguments), os.environ, push=arguments.push, bridge_port=arguments.port)
    run = contract_drift if arguments.contract else doctor
    return await run(case, stop=stop, out=sys.stdout, as_json=arguments.json)


async def _until_signal(run: Run, arguments: argparse.Namespace) -> int | None:
    """Run until it ends, and return its exit status; SIGINT and SIGTERM set the event that it is given."""
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    return await run(arguments, stop)


class _ServeHelp(argparse.Action):
    """The help of `relay serve`, with its settings; they are read only if somebody asks."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(
            option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show this help and the settings"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        with server_packages():
            from relay.server.settings import in_help
        print(f"{parser.format_help()}\n{in_help()}", end="")
        parser.exit()


async def _completion(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    import shtab

    print(shtab.complete(_parser(os.environ.get), shell=arguments.shell))


def _parser(environment: Environment) -> Parser:
    parser = Parser("relay", description="Push relay for OpenCode.")
    parser.add_argument("--version", action="version", version=f"relay {__version__}")
    parser.set_defaults(log_level=logging.INFO)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    command = commands.add_parser(
        "serve", help="run the relay; its settings come from the environment", add_help=False
    )
    command.add_argument("-h", "--help", action=_ServeHelp)
    command.set_defaults(run=_serve, parser=command)
    command = commands.add_parser("migrate", help="bring the database's tables up to date")
    command.set_defaults(run=_migrate, parser=command)
    command = commands.add_parser("phones", help="list the phones in the relay's database")
    command.set_defaults(run=_phones, parser=command, log_level=logging.WARNING)
    command = commands.add_parser("forget", help="forget one phone, or a secret with all its phones")
    command.add_argument("which", metavar="WHICH", help="the beginning of a secret's hash, or the end of a phone's token, as relay phones prints them")  # fmt: skip
    command.set_defaults(run=_forget, parser=command, log_level=logging.WARNING)
    _add_secret_commands(
        commands.add_parser("secret", help="the secrets that the relay's operator knows by name")
    )
    command = commands.add_parser(
        "log", help="print the newest deliveries of the relay's database, or the story of one"
    )
    _add_log_arguments(command)
    command.set_defaults(run=_log, parser=command, log_level=logging.WARNING)
    command = commands.add_parser(
        "bridge", help="run beside `opencode serve` and report to the relay what happens"
    )
    add_bridge_arguments(command, environment)
    command.set_defaults(run=_bridge, parser=command)
    command = commands.add_parser("pair", help="print the pairing QR code and link")
    add_pair_arguments(command, environment)
    command.set_defaults(run=_pair, parser=command)
    command = commands.add_parser(
        "doctor", help="find out where the way from OpenCode to the phone is broken"
    )
    add_pairing_arguments(command, environment)
    command.add_argument(
        "--port", type=port_number, default=DEFAULT_PORT, help="the bridge's own (%(default)s)"
    )
    command.add_argument("--no-push", dest="push", action="store_false", help="do not ring on the phones")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    command.add_argument(
        "--contract",
        action="store_true",
        help="compare a running OpenCode 2 with what the bridge knows of its routes, fields and events, and nothing else",
    )
    command.set_defaults(run=_doctor, log_level=logging.ERROR, parser=command)
    command = commands.add_parser("completion", help="print what completes these words in a shell")
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")
    command.set_defaults(run=_completion, parser=command)
    return parser


def _add_secret_commands(command: Parser) -> None:
    """`relay secret` alone is no command."""
    command.set_defaults(log_level=logging.WARNING, parser=command)
    commands = command.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    one = commands.add_parser("add", help="make a secret, print it once, and know it by a name")
    one.add_argument("name", metavar="NAME", help="for you alone: whose it is")
    one.add_argument("--hash", metavar="HASH", help="know a secret that exists, by its hash as relay phones or relay doctor prints it")  # fmt: skip
    one.set_defaults(run=_secret_add, parser=one)
    one = commands.add_parser("list", help="list them, and how many phones each has")
    one.add_argument("--json", action="store_true", help="print one JSON list instead of lines")
    one.set_defaults(run=_secret_list, parser=one)
    one = commands.add_parser("revoke", help="forget all that is kept of one, and take it never again")
    one.add_argument("name", metavar="NAME", help="as relay secret list prints it")
    one.set_defaults(run=_secret_revoke, parser=one)


if __name__ == "__main__":
    sys.exit(main())
