"""The addresses at which a phone may reach OpenCode, best first. Which of them answer is found out by asking."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, never bound
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
    "192.0.2.1",
    "100.100.100.100",
    "10.255.255.254",
    "172.31.255.254",
    "192.168.255.254",
    "169.254.1.1",
)
"""One destination for each tier: the address this machine would use to get there is one of its own."""


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
        host = f"[{host}]"  # a bare IPv6 address
    has_port = host.rpartition("]")[2].count(":") == 1
    return f"http://{host}" if has_port else f"http://{host}:{port}"


def host_list(opencode_url: str, advertised: Iterable[str], answering: Sequence[str]) -> list[str]:
    """The URLs for the pairing link: advertised ones first, then where OpenCode listens. Pure.

    `answering` are IPv4 addresses of this machine at which OpenCode's port takes connections; they matter only if
    `opencode_url` is local. Where nothing else answers, the loopback URL is all there is.
    """
    parts = urlsplit(opencode_url)
    host, port = parts.hostname or "", port_of(opencode_url)
    urls = [advertised_url(name, port) for name in advertised if name.strip()]
    if not is_local(host):
        return _unique([*urls, opencode_url])
    lan = sorted((ip for ip in answering if not is_local(ip)), key=tier)
    loopback = (
        opencode_url.replace(parts.netloc, f"127.0.0.1:{port}", 1) if host in WILDCARDS else opencode_url
    )
    return _unique([*urls, *(f"{parts.scheme}://{ip}:{port}" for ip in lan)] + ([] if lan else [loopback]))


def port_of(url: str) -> int:
    """The port in `url`, else that of its scheme."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def own_addresses() -> list[str]:
    """IPv4 addresses of this machine, by its routes. Connecting a UDP socket sends nothing."""
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((route, 9))
        except OSError:
            return None  # no way there
        return str(probe.getsockname()[0])


def _unique(urls: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(urls))
