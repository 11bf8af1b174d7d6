"""The HTTP proxy that leads to a host, by the variables that other programs read, too: HTTPS_PROXY, NO_PROXY and their kin. Pure.

No standard defines them; read here as curl documents it (everything.curl.dev, "Proxy environment variables"), and a port
in NO_PROXY as wget and Go take it. These variables are meant for the network: they never lead to a loopback host.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

PORTS: Final = {"http": 80, "https": 443}
_VARIABLES: Final = {scheme: (f"{scheme}_proxy", "all_proxy") for scheme in PORTS}
_NOTHING: Final = {"", "undefined", "null"}


class ProxyError(ValueError):
    """A variable that names no HTTP proxy; the text never shows its value, which may hold a password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Takes CONNECT (RFC 9110 9.3.6) at host and port, over TLS if `tls`. User and password show in no repr."""

    host: str
    port: int
    tls: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"{'https' if self.tls else 'http'}://{self}"

    @property
    def authorization(self) -> str:
        """The value of proxy-authorization (RFC 7617); empty without user and password."""
        if not self.username and not self.password:
            return ""
        return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


def read_proxy(text: str) -> Proxy | None:
    """The proxy in a variable's value: http://[USER:PASSWORD@]HOST[:PORT], or HOST:PORT; None if it is empty."""
    text = text.strip()
    if text in _NOTHING:
        return None
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host or url.scheme not in PORTS or port == 0 or not host.isprintable() or " " in host:
        raise ProxyError("must be http://HOST:PORT of an HTTP proxy, user and password percent-encoded")
    return Proxy(
        host,
        port or PORTS[url.scheme],
        url.scheme == "https",
        unquote(url.username or ""),
        unquote(url.password or ""),
    )


def proxy_for(url: str, environment: Mapping[str, str], own: Proxy | None = None) -> Proxy | None:
    """The proxy for an http or https URL; None: go there directly. Raises ProxyError.

    `own` was set for this purpose alone: it goes before HTTPS_PROXY, and only NO_PROXY before it.
    """
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    if _is_exempt(host, parts.port or PORTS[parts.scheme], _value("no_proxy", environment)):
        return None
    if own or is_loopback(host):
        return own
    for variable in _VARIABLES[parts.scheme]:
        for name in (variable, variable.upper()):
            try:
                proxy = read_proxy(environment.get(name, ""))
            except ProxyError as error:
                raise ProxyError(f"{name} {error}") from None
            if proxy:
                return proxy
    return None


def is_loopback(host: str) -> bool:
    """localhost, a name below it (RFC 6761 6.3), or an address of this machine alone."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _value(variable: str, environment: Mapping[str, str]) -> str:
    return environment.get(variable) or environment.get(variable.upper()) or ""


def _is_exempt(host: str, port: int, listed: str) -> bool:
    """Whether NO_PROXY lists the host: by name, by a domain above it, by address or network, or all by `*`."""
    return any(_matches(host, port, entry) for entry in listed.replace(",", " ").lower().split())


def _matches(host: str, port: int, entry: str) -> bool:
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        entry = name
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        domain = entry.lstrip("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
