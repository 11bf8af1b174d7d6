"""Whose request it is: the client's address, which only a proxy that is trusted may say in its stead. Pure.

`X-Forwarded-For` is read from its end, for every proxy adds the address that it saw itself: the first that is no trusted proxy is the
client (as nginx' `real_ip_recursive`). What stands before it anybody may have written.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]
Headers = Iterable[tuple[bytes, bytes]]

HOME_PREFIX: Final = 64
"""Bits of an IPv6 address that a household or a machine gets at least (RFC 6177); the rest it chooses itself, and as often as it likes."""
HOPS: Final = 20
"""Addresses that are read; nobody stands behind more proxies."""

_FORWARDED_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;,\s]+))', re.IGNORECASE)
_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::\d+)?|([0-9.]+):\d+")


class NetworksError(ValueError):
    """Part of a list that is neither an address nor a network."""


def read_networks(text: str) -> Networks:
    """Addresses and networks with commas between. Raises NetworksError with what is none."""
    return tuple(_network(one.strip()) for one in text.split(",") if one.strip())


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise NetworksError(text) from None


class Clients:
    """Names whoever asks. Of the proxies in `trusted` the headers are believed."""

    def __init__(self, trusted: Networks) -> None:
        self._trusted = trusted
        self._is_trusted = lru_cache(1024)(self._in_trusted)

    def name(self, peer: str, headers: Headers) -> str:
        """What the client's limits go by: an IPv4 address, or the /64 of an IPv6 one."""
        if not self.trusts(peer):
            return _name(peer)
        nearest = peer
        for hop in _hops(headers):
            address = _without_port(hop)
            if _parsed(address) is None:
                break  # "unknown", or a name that a proxy made up: then it is the proxy that answers for it
            nearest = address
            if not self._is_trusted(address):
                break
        return _name(nearest)

    def trusts(self, peer: str) -> bool:
        """Whether it is a proxy, which stands for many clients."""
        return self._is_trusted(peer)

    def _in_trusted(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(address in network for network in self._trusted)


def forwards(headers: Headers) -> bool:
    """Whether somebody in between says for whom he asks."""
    return any(name in (b"x-forwarded-for", b"forwarded") for name, _ in headers)


def _hops(headers: Headers) -> Iterator[str]:
    """The addresses that proxies wrote, the newest first. Of the two headers X-Forwarded-For counts, which nearly all of them write."""
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.decode("latin-1"))
    if lines := found.get(b"x-forwarded-for"):
        return reversed([one.strip() for one in ",".join(lines).split(",")][-HOPS:])
    pairs = [_FORWARDED_FOR.search(one) for one in ",".join(found.get(b"forwarded", [])).split(",")][-HOPS:]
    return reversed([pair[1] or pair[2] or "" if pair else "" for pair in pairs])


def _without_port(text: str) -> str:
    found = _WITH_PORT.fullmatch(text)
    return (found[1] or found[2]) if found else text


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    """The address; of an IPv4 one in IPv6 clothes (::ffff:192.0.2.1) the IPv4 one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(1024)
def _name(text: str) -> str:
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, HOME_PREFIX), strict=False))
    return str(address or text)
