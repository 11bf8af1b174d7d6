"""`simulator apns`: an APNs sandbox with one phone and its control API, alone, for a provider in any language."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Literal

import msgspec
import trustme

from simulator.apns.errors import BadFault, BadProfile
from simulator.apns.registry import ProviderKey
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock, TurnableClock
from simulator.journal import Journal
from simulator.lab.control.app import ControlServer, create_app
from simulator.lab.device import DeviceSpec
from simulator.lab.guide import guide
from simulator.lab.lab import Lab
from simulator.lab.state import Saved, StateFile, restore, state_of, write_private
from simulator.process import CommandError

BUNDLE_ID = "com.example.app"
DEVICE = "iPhone"


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """The command line. Port 0 is any free one; `profile` None is the saved one, or "observed".

    `faults` is a JSON file with a list of rules; `sink` answers 200 to everything, unread; `folder` gets CA and key.
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


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that takes pushes, and its control API."""

    lab: Lab
    control: ControlServer
    key_file: Path


async def serve(options: SandboxOptions) -> None:
    """Start, say how to push to it, and run until SIGINT or SIGTERM. CommandError, LabError if it cannot start."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options) as sandbox:
        print(guide(sandbox.lab, sandbox.control.url, sandbox.key_file), flush=True)
        await stop.wait()
    print("Stopped.")


@asynccontextmanager
async def running(options: SandboxOptions) -> AsyncIterator[Running]:
    """All of it, up; afterwards it is gone, and what is to be kept is in the state file."""
    file = None if options.state is None else StateFile(options.state)
    saved = None if file is None else file.load()
    authority = trustme.CA() if saved is None else saved.authority()
    lab = _lab(options, authority)
    _furnish(lab, options, saved)

    def save() -> None:
        if file is not None:
            file.save(authority, state_of(lab))

    async with AsyncExitStack() as stack:
        stack.push_async_callback(lab.sandbox.close)
        await _listen(lab.sandbox, options)
        control = ControlServer(create_app(lab, save))
        await _port("--control-port", options.control_port, control.start(options.control_port))
        stack.push_async_callback(control.close)
        save()
        stack.callback(save)
        lab.start()
        stack.push_async_callback(lab.close)
        yield Running(lab, control, _write_key(lab, options.folder))


def _lab(options: SandboxOptions, authority: trustme.CA) -> Lab:
    clock = TurnableClock() if options.clock == "virtual" else RealClock()
    journal = Journal(clock)
    seed = SystemRandom().getrandbits(256)  # keys and tokens of two sandboxes must differ
    sandbox = Sandbox(
        clock, journal, random=Random(seed), authority=authority, folder=options.folder, sink=options.sink
    )
    return Lab(clock, journal, sandbox)


def _furnish(lab: Lab, options: SandboxOptions, saved: Saved | None) -> None:
    """What was saved; without it one app, one phone and one key. Then what the command line says."""
    if saved is not None:
        restore(lab, saved.state)
    else:
        lab.sandbox.add_app(BUNDLE_ID)
        lab.add_device(DeviceSpec(DEVICE, BUNDLE_ID))
    if _usable_key(lab) is None:
        lab.issue_key()
    try:
        if options.profile is not None:
            lab.sandbox.profile.become(options.profile)
        if options.faults is not None:
            lab.sandbox.faults.load(_rules(options.faults))
    except (BadProfile, BadFault) as error:
        raise CommandError(str(error)) from None


def _rules(path: Path) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CommandError(f"{path} is no JSON list of fault rules: {error}") from None


def _usable_key(lab: Lab) -> ProviderKey | None:
    """The oldest that may push to everything."""
    signing = lab.sandbox.registry.keys
    usable = (
        key
        for key in lab.keys.values()
        if not signing[key.key_id].revoked and signing[key.key_id].topics is None
    )
    return next(usable, None)


async def _listen(sandbox: Sandbox, options: SandboxOptions) -> None:
    wanted = {
        "sandbox_port": options.port,
        "production_port": options.production_port,
        "manage_sandbox_port": options.manage_port,
        "manage_production_port": options.manage_production_port,
    }
    ports = ", ".join(str(port) for port in wanted.values())
    await _port("one of the ports", ports, sandbox.start(**wanted))


async def _port(name: str, port: object, starting: Awaitable[None]) -> None:
    try:
        await starting
    except OSError as error:
        what = error.filename or f"{name} {port}"
        raise CommandError(f"{what} cannot be used: {error.strerror or error}") from None


def _write_key(lab: Lab, folder: Path) -> Path:
    """The .p8 file, as Apple names it, for its owner only."""
    key = _usable_key(lab)
    assert key is not None  # _furnish has seen to it
    path = folder / f"AuthKey_{key.key_id}.p8"
    write_private(path, key.private_key.encode("ascii"))
    return path
