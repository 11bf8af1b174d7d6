"""This machine's name and addresses in its Tailscale network, as `tailscale status --json` tells them; never an error."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from relay.log import line

log = logging.getLogger("relay.bridge.pairing.tailscale")

DEADLINE = 2.0
"""Seconds; somebody is waiting for the pairing code."""

PROGRAMS = ("tailscale", "/Applications/Tailscale.app/Contents/MacOS/Tailscale")
"""In PATH, or where the app of macOS keeps its command line."""


@dataclass(frozen=True, slots=True)
class Tailnet:
    """The name is None where the network has none that other machines could resolve. Without Tailscale both are empty."""

    name: str | None = None
    addresses: tuple[str, ...] = ()


class _Self(Struct):
    dns_name: str = msgspec.field(name="DNSName", default="")
    addresses: list[str] | None = msgspec.field(name="TailscaleIPs", default=None)


class _Network(Struct):
    magic_dns: bool = msgspec.field(name="MagicDNSEnabled", default=True)


class _Status(Struct):
    """What matters of the status; its form is that of Tailscale's Go type ipnstate.Status."""

    backend_state: str = msgspec.field(name="BackendState", default="Running")
    myself: _Self | None = msgspec.field(name="Self", default=None)
    network: _Network | None = msgspec.field(name="CurrentTailnet", default=None)


async def ask_tailscale(deadline: float = DEADLINE) -> Tailnet:
    """What Tailscale says within `deadline` seconds; an empty Tailnet if it is absent, stopped, broken, or silent."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        return Tailnet()
    try:
        return read_status(await _status(program, deadline))
    except (OSError, TimeoutError, ValueError) as error:
        log.info(line("tailscale not asked", reason=str(error) or type(error).__name__))
        return Tailnet()


def read_status(text: bytes) -> Tailnet:
    """The tailnet in the JSON of a status; empty if it is not connected. Raises ValueError if it cannot be read. Pure."""
    status = msgspec.json.decode(text, type=_Status)
    if status.myself is None or status.backend_state != "Running":
        return Tailnet()
    name = status.myself.dns_name.rstrip(".")
    resolved = status.network is None or status.network.magic_dns
    return Tailnet(name if name and resolved else None, tuple(status.myself.addresses or ()))


async def _status(program: str, deadline: float) -> bytes:
    with tempfile.TemporaryFile() as answer:  # a pipe could be held open by others, beyond the deadline
        process = await asyncio.create_subprocess_exec(
            program, "status", "--json", stdin=asyncio.subprocess.DEVNULL, stdout=answer,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await asyncio.wait_for(process.wait(), deadline)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        answer.seek(0)
        return answer.read()
