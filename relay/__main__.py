"""`relay serve | bridge | pair | migrate`: argument parsing only."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from relay import __version__, settings
from relay.database import DatabaseError, close_database, open_database
from relay.serve import StartError, serve
from relay.settings import SettingsError

FAULTS = (SettingsError, DatabaseError, StartError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it ended well, 1 with one line on stderr when it could not start."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(arguments.run(arguments))
    except FAULTS as error:
        print(f"relay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("relay", description="Push relay for OpenCode")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="run the relay; settings come from the environment")
    command.set_defaults(run=_serve)
    command = commands.add_parser("migrate", help="bring the database's tables up to date")
    command.set_defaults(run=_migrate)
    return parser


async def _serve(_: argparse.Namespace) -> None:
    await until_signal(lambda stop: serve(settings.load(os.environ), stop))


async def _migrate(_: argparse.Namespace) -> None:
    await open_database(settings.load(os.environ).database_url)
    await close_database()


async def until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until it ends, or until SIGINT or SIGTERM sets the event that it is given."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(stop)


if __name__ == "__main__":
    sys.exit(main())
