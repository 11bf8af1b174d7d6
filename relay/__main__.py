"""`relay serve | bridge | pair | migrate`: argument parsing only."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from relay import __version__, settings
from relay.bridge.arguments import (
    Environment,
    add_bridge_arguments,
    add_pair_arguments,
    bridge_options,
    pairing_options,
)
from relay.bridge.errors import BridgeError
from relay.bridge.pairing import pairing_of, rotate_secret
from relay.bridge.pairing_code import save_pairing, show_pairing
from relay.bridge.run import run_bridge
from relay.database import DatabaseError, close_database, open_database
from relay.serve import StartError, serve
from relay.settings import SettingsError

FAULTS = (SettingsError, DatabaseError, StartError, BridgeError)
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it ended well, 1 with one line on stderr when it could not start."""
    arguments = _parser(os.environ.get).parse_args(argv)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("tortoise").setLevel(logging.WARNING)
    try:
        asyncio.run(_until_signal(arguments.run, arguments))
    except FAULTS as error:
        print(f"relay: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(_: argparse.Namespace, stop: asyncio.Event) -> None:
    await serve(settings.load(os.environ), stop)


async def _migrate(_: argparse.Namespace, __: asyncio.Event) -> None:
    await open_database(settings.load(os.environ).database_url)
    await close_database()


async def _bridge(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    await run_bridge(bridge_options(arguments), stop=stop, out=sys.stdout)


async def _pair(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    options = pairing_options(arguments)
    if arguments.rotate_secret:
        rotate_secret(options)
        print("The secret is new: start the bridge again, and pair every phone again.", file=sys.stderr)
    pair = await pairing_of(options)
    if arguments.output is None:
        show_pairing(pair, sys.stdout)
    else:
        save_pairing(pair, arguments.output)
        print(f"Scan {arguments.output} with the app; whoever sees it can push to your phones.")


async def _until_signal(
    run: Callable[[argparse.Namespace, asyncio.Event], Awaitable[None]], arguments: argparse.Namespace
) -> None:
    """Run until it ends; SIGINT and SIGTERM set the event that it is given."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(arguments, stop)


def _parser(environment: Environment) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("relay", description="Push relay for OpenCode.")
    parser.add_argument("--version", action="version", version=f"relay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="run the relay; its settings come from the environment")
    command.set_defaults(run=_serve)
    command = commands.add_parser("migrate", help="bring the database's tables up to date")
    command.set_defaults(run=_migrate)
    command = commands.add_parser(
        "bridge", help="run beside `opencode serve` and tell the relay what happens"
    )
    add_bridge_arguments(command, environment)
    command.set_defaults(run=_bridge)
    command = commands.add_parser("pair", help="print the pairing QR code and link")
    add_pair_arguments(command, environment)
    command.set_defaults(run=_pair)
    return parser


if __name__ == "__main__":
    sys.exit(main())
