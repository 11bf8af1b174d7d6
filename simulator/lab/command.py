"""`simulator apns`: an APNs sandbox with one phone and its control API, alone, for a provider in any language."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import trustme

from simulator.apns.errors import SandboxError
from simulator.apns.sandbox import Sandbox
from simulator.journal import Entry, Journal
from simulator.lab.connect_proxy import ConnectProxy
from simulator.lab.control.app import ControlServer, create_app
from simulator.lab.device import OwnKind
from simulator.lab.guide import guide
from simulator.lab.lab import Lab
from simulator.lab.lines import Lines
from simulator.lab.new import BUNDLE_ID, KEY_ID, TEAM_ID, Account, new_lab, open_account
from simulator.lab.ready import WILDCARDS, announcement, reached_at, ready_file
from simulator.lab.state import Saved, StateFile, restore, state_of, write_private
from simulator.output import Output
from simulator.process import CommandError
from simulator.stopping import on_stop

_TEAM: Final = re.compile(r"[A-Z0-9]{10}")
_KEY: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_KEY_FILE: Final = re.compile(r"AuthKey_([A-Z0-9]{10})\.p8")
_BUNDLE: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


PORTS: Final = ("port", "production_port", "manage_port", "manage_production_port", "control_port")
"""The options that have a usual port."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """The command line. Port 0 is any free one; `profile` None is the saved one, or "observed".

    `faults` is a JSON file with a list of rules; `sink` answers 200 to everything, unread; `folder` gets CA and key.
    `key` is a private key of the provider's own (a .p8 file), whose id is `key_id` or in its name; `tokens` are device tokens of the phone's app
    by kind. With a `proxy_port` an HTTP CONNECT proxy leads Apple's host names here. `host` is where APNs listens, the control API always on 127.0.0.1; the certificate is good for `san`, too. `ready_file`
    is there while all ports listen. With `json` one line is printed, for programs, and nothing else.
    """

    port: int = 2197
    production_port: int = 2198
    manage_port: int = 2195
    manage_production_port: int = 2196
    control_port: int = 8901
    clock: Literal["real", "virtual"] = "real"
    profile: str | None = None
    state: Path | None = None
    faults: Path | None = None
    sink: bool = False
    folder: Path = Path("apns-sandbox")
    bundle_id: str = BUNDLE_ID
    team_id: str = TEAM_ID
    key: Path | None = None
    key_id: str | None = None
    tokens: tuple[tuple[OwnKind, str], ...] = ()
    proxy_port: int | None = None
    host: str = "127.0.0.1"
    san: tuple[str, ...] = ()
    ready_file: Path | None = None
    json: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that takes pushes, and its control API."""

    lab: Lab
    control: ControlServer
    key_file: Path


async def serve(options: SandboxOptions) -> None:
    """Start, say how to push to it, print a line for every push, and run until SIGINT or SIGTERM.

    CommandError, LabError if it cannot start.
    """
    stop = asyncio.Event()
    on_stop(stop.set)
    async with running(options) as sandbox:
        octets = announcement(sandbox.lab, sandbox.control.url)
        with ready_file(options.ready_file, octets):
            if options.json:
                print(octets.decode(), flush=True)
            else:
                print(guide(sandbox.lab, sandbox.control.url, sandbox.key_file), flush=True)
                print_pushes(sandbox.lab.journal)
            await stop.wait()
    if not options.json:
        print("Stopped.")


def print_pushes(journal: Journal) -> None:
    """From now on a line for every push. Whoever reads them slowly, or not at all, misses some, and stops nobody's push."""
    lines, loop = Lines(Output().write), asyncio.get_running_loop()

    def take(entry: Entry) -> None:
        lines.take(entry)
        loop.call_soon(lines.flush)

    journal.listen(take)


@asynccontextmanager
async def running(options: SandboxOptions) -> AsyncIterator[Running]:
    """All of it, up; afterwards it is gone, and what is to be kept is in the state file.

    No file is written before all ports listen: those in the folder may be of a sandbox that has one of the ports.
    """
    _check(options)
    file = None if options.state is None else StateFile(options.state)
    saved = None if file is None else file.load()
    authority = trustme.CA() if saved is None else saved.authority()
    lab = new_lab(
        options.clock,
        authority,
        team_id=options.team_id,
        folder=options.folder,
        host=options.host,
        sink=options.sink,
        fixed=saved is None,
    )
    _furnish(lab, options, saved)

    def save() -> None:
        if file is not None:
            file.save(authority, state_of(lab))

    async with AsyncExitStack() as stack:
        stack.push_async_callback(lab.sandbox.close)
        control = ControlServer(create_app(lab, save))
        with _port("--control-port", options.control_port):
            control.listen(options.control_port)
        stack.push_async_callback(control.close)
        await _listen(lab.sandbox, options)
        await _listen_as_proxy(stack, lab, options)
        lab.key_file = _write_key(lab, options.folder)
        await control.start()
        save()
        stack.callback(save)
        lab.start()
        stack.push_async_callback(lab.close)
        yield Running(lab, control, lab.key_file)


def _check(options: SandboxOptions) -> None:
    if _TEAM.fullmatch(options.team_id) is None:
        raise CommandError(
            f"--team-id is ten capital letters and digits, like {TEAM_ID}, not {options.team_id!r}"
        )
    if options.key_id is not None and _KEY.fullmatch(options.key_id) is None:
        raise CommandError(f"--key-id is letters and digits, like {KEY_ID}, not {options.key_id!r}")
    if _BUNDLE.fullmatch(options.bundle_id) is None:
        raise CommandError(f"--bundle-id is like {BUNDLE_ID}, not {options.bundle_id!r}")


def _furnish(lab: Lab, options: SandboxOptions, saved: Saved | None) -> None:
    """What was saved; without it one app, one phone and one key. Then what the command line says."""
    try:
        if saved is not None:
            restore(lab, saved.state)
            if lab.usable_key is None:
                lab.issue_key()
        else:
            open_account(lab, _account(options))
        if options.profile is not None:
            lab.sandbox.profile.become(options.profile)
        if options.faults is not None:
            lab.sandbox.faults.load(_rules(options.faults))
    except SandboxError as error:
        raise CommandError(str(error)) from None


def _account(options: SandboxOptions) -> Account:
    try:
        key = None if options.key is None else options.key.read_text("ascii")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{options.key} cannot be read: {error}") from None
    return Account(options.bundle_id, options.team_id, _key_id(options), key, dict(options.tokens))


def _key_id(options: SandboxOptions) -> str:
    """As given; else that in the name of a file from Apple, AuthKey_ABCDE12345.p8."""
    named = None if options.key is None else _KEY_FILE.fullmatch(options.key.name)
    return options.key_id or (KEY_ID if named is None else named[1])


def _rules(path: Path) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CommandError(f"{path} is no JSON list of fault rules: {error}") from None


async def _listen(sandbox: Sandbox, options: SandboxOptions) -> None:
    wanted = {
        "sandbox_port": options.port,
        "production_port": options.production_port,
        "manage_sandbox_port": options.manage_port,
        "manage_production_port": options.manage_production_port,
    }
    names = [*options.san, *([] if options.host in WILDCARDS else [options.host])]
    ports = ", ".join(str(port) for port in wanted.values())
    try:
        with _port(f"one of the ports of {options.host}", ports):
            await sandbox.start(**wanted, host=options.host, names=names)
    except ValueError as error:
        raise CommandError(f"--san and --host take host names and addresses: {error}") from None


async def _listen_as_proxy(stack: AsyncExitStack, lab: Lab, options: SandboxOptions) -> None:
    if options.proxy_port is None:
        return
    here = reached_at(options.host)
    proxy = ConnectProxy(lab.sandbox.ports, here, lab.journal)
    with _port("--proxy-port", options.proxy_port):
        await proxy.start(options.proxy_port, options.host)
    stack.push_async_callback(proxy.close)
    lab.proxy = f"http://{here}:{proxy.port}"


@contextmanager
def _port(name: str, port: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = error.filename or f"{name} {port}"
        raise CommandError(f"{what} cannot be used: {error.strerror or error}") from None


def _write_key(lab: Lab, folder: Path) -> Path:
    """The .p8 file, as Apple names it, for its owner only."""
    key = lab.usable_key
    assert key is not None  # _furnish has seen to it
    path = folder / f"AuthKey_{key.key_id}.p8"
    write_private(path, key.private_key.encode("ascii"))
    return path
