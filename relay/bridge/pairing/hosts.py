"""The addresses at which a phone may reach OpenCode, best first, Tailscale's among them. Which of them answer is tried."""

import asyncio
import contextlib
import ipaddress
import logging
import shutil
import socket
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from relay.bridge.address import port_of
from relay.log import line

log = logging.getLogger("relay.bridge.pairing.hosts")

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
            async with asyncio.timeout(deadline):
                await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        answer.seek(0)
        return answer.read()


WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, never bound
NO_TAILNET = Tailnet()
PROBE_DEADLINE = 1.0
"""Seconds in which an address of this machine must take a connection."""

TIERS: tuple[tuple[str, int], ...] = (
    ("100.64.0.0/10", 1),  # carrier-grade NAT, which Tailscale uses
    ("10.0.0.0/8", 2),
    ("172.16.0.0/12", 2),
    ("192.168.0.0/16", 2),
    ("169.254.0.0/16", 3),  # link-local
    ("127.0.0.0/8", 4),
)
"""Networks and their tier; a lower tier is preferred, and an address in none of them is public: tier 0."""
OTHER_TIER = 4
"""Names and IPv6 come last, with loopback, as in the first implementation."""

ROUTES = (
    "2001:db8::1",
    "fd00::1",
    "192.0.2.1",
    "100.100.100.100",
    "10.255.255.254",
    "172.31.255.254",
    "192.168.255.254",
    "169.254.1.1",
)
"""Destinations in each tier, and of both kinds of IPv6: the address this machine would use to get there is its own."""


def tier(host: str) -> int:
    """How promising an address is: 0 public, 1 CGNAT, 2 private, 3 link-local, 4 loopback or not IPv4."""
    try:
        ip = ipaddress.IPv4Address(host)
    except ValueError:
        return OTHER_TIER
    return next((level for network, level in TIERS if ip in ipaddress.ip_network(network)), 0)


def is_local(host: str) -> bool:
    """Whether a server asked for at `host` may listen on other addresses of this machine, too."""
    return host in WILDCARDS or host in ("localhost", "::1") or host.startswith("127.")


def advertised_url(host: str, port: int) -> str:
    """`host` as a URL: a scheme is kept as it is, a bare name or address gets http and OpenCode's port."""
    host = host.strip().rstrip("/")
    if "://" in host:
        return host
    if host.count(":") > 1 and not host.startswith("["):
        host = _in_url(host)
    has_port = host.rpartition("]")[2].count(":") == 1
    return f"http://{host}" if has_port else f"http://{host}:{port}"


def host_list(
    opencode_url: str, advertised: Iterable[str], answering: Sequence[str], tailnet: Tailnet = NO_TAILNET
) -> list[str]:
    """The URLs for the pairing link: advertised ones, Tailscale's name and addresses, then the others by tier. Pure.

    `answering` are addresses of this machine, those of the tailnet among them, at which OpenCode's port takes
    connections; they matter only if `opencode_url` is local. No other address is named, and the tailnet's name only
    together with an address of it. Where nothing else answers, the loopback URL is all there is.
    """
    parts = urlsplit(opencode_url)
    host, port = parts.hostname or "", port_of(opencode_url)
    urls = [advertised_url(name, port) for name in advertised if name.strip()]
    bound = [ip for ip in answering if not is_local(ip)] if is_local(host) else [host]
    tailscale = [ip for ip in tailnet.addresses if ip in bound]
    names = [tailnet.name] if tailnet.name and tailscale else []
    found = [
        f"{parts.scheme}://{_in_url(name)}:{port}" for name in (*names, *tailscale, *sorted(bound, key=tier))
    ]
    if not is_local(host):
        return _unique([*urls, *found[: len(names)], opencode_url])
    return _unique([*urls, *(found or [_loopback(opencode_url)])])


def _loopback(opencode_url: str) -> str:
    """The URL, with an address in it that can be asked."""
    parts = urlsplit(opencode_url)
    if parts.hostname not in WILDCARDS:
        return opencode_url
    return opencode_url.replace(parts.netloc, f"127.0.0.1:{port_of(opencode_url)}", 1)


def own_addresses() -> list[str]:
    """Addresses of this machine, by its routes, IPv4 and IPv6. Connecting a UDP socket sends nothing."""
    return _unique([address for route in ROUTES if (address := _source(route))])


async def answering_addresses(
    addresses: Iterable[str], port: int, deadline: float = PROBE_DEADLINE
) -> list[str]:
    """Those of `addresses` that take a TCP connection on `port` within `deadline` seconds."""
    candidates = list(addresses)
    answers = await asyncio.gather(*(_answers(address, port, deadline) for address in candidates))
    return [address for address, yes in zip(candidates, answers, strict=True) if yes]


async def _answers(address: str, port: int, deadline: float) -> bool:
    try:
        async with asyncio.timeout(deadline):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _source(route: str) -> str | None:
    kind = socket.AF_INET6 if ":" in route else socket.AF_INET
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((route, 9))
            address = str(probe.getsockname()[0])
    except OSError:
        return None  # no way there
    return None if address.startswith("fe80:") else address  # of no use without this machine's own zone


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unique(urls: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(urls))
