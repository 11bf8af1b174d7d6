"""`relay serve | bridge | pair | migrate`: argument parsing only."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from relay import __version__, settings
from relay.bridge.errors import BridgeError
from relay.bridge.pairing import show_pairing
from relay.bridge.run import BridgeOptions, pairing_of, run_bridge
from relay.database import DatabaseError, close_database, open_database
from relay.serve import StartError, serve
from relay.settings import SettingsError

FAULTS = (SettingsError, DatabaseError, StartError, BridgeError)
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
DEFAULT_OPENCODE_URL = "http://127.0.0.1:4096"
DEFAULT_RELAY_URL = "http://127.0.0.1:8787"


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
    await run_bridge(_bridge_options(arguments), stop=stop, out=sys.stdout)


async def _pair(arguments: argparse.Namespace, _: asyncio.Event) -> None:
    show_pairing(await pairing_of(_bridge_options(arguments)), sys.stdout)


async def _until_signal(
    run: Callable[[argparse.Namespace, asyncio.Event], Awaitable[None]], arguments: argparse.Namespace
) -> None:
    """Run until it ends; SIGINT and SIGTERM set the event that it is given."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(arguments, stop)


def _parser(environment: Callable[[str], str | None]) -> argparse.ArgumentParser:
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
    _add_bridge_options(command, environment)
    command.set_defaults(run=_bridge)
    command = commands.add_parser("pair", help="print the pairing QR code and link")
    _add_bridge_options(command, environment)
    command.set_defaults(run=_pair)
    return parser


def _add_bridge_options(command: argparse.ArgumentParser, environment: Callable[[str], str | None]) -> None:
    add = command.add_argument
    add("--opencode-url", default=DEFAULT_OPENCODE_URL, help="where `opencode serve` listens (%(default)s)")
    add(
        "--relay-url", default=DEFAULT_RELAY_URL, help="the relay, as bridge and phone reach it (%(default)s)"
    )
    add(
        "--relay-secret",
        default=environment("RELAY_SECRET"),
        help="at least 16 characters; else from --secret-file",
    )
    add("--secret-file", type=Path, help="where the secret is kept, and made if missing (mode 0600)")
    add(
        "--advertise-host",
        action="append",
        default=[],
        help="a host under which phones reach OpenCode; repeatable",
    )
    add(
        "--username",
        default=environment("OPENCODE_SERVER_USERNAME") or "opencode",
        help="OpenCode's (%(default)s)",
    )
    add(
        "--password",
        default=environment("OPENCODE_SERVER_PASSWORD"),
        help="OpenCode's; or OPENCODE_SERVER_PASSWORD",
    )
    add("--permission-delay", type=float, default=2.0, metavar="SECONDS",
        help="a request answered sooner does not ring (%(default)s)")  # fmt: skip


def _bridge_options(arguments: argparse.Namespace) -> BridgeOptions:
    return BridgeOptions(
        opencode_url=arguments.opencode_url,
        relay_url=arguments.relay_url,
        relay_secret=arguments.relay_secret,
        secret_file=arguments.secret_file,
        advertise_hosts=tuple(arguments.advertise_host),
        username=arguments.username,
        password=arguments.password,
        permission_delay=arguments.permission_delay,
    )


if __name__ == "__main__":
    sys.exit(main())
