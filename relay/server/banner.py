"""What a relay says when it is up: where, for whom, and who can reach it. Pure."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from relay import __version__
from relay.server.settings import Settings

KNOWN_ONLY = "only those of relay secret list (RELAY_REGISTRATION is known)"


def rows(settings: Settings, phones: int) -> list[tuple[str, str]]:
    """Five lines as (name, words), for a person and as fields of a log line; a sixth where not every secret is taken."""
    return [
        ("database", database_words(settings.database_url)),
        ("apns", " and ".join(_hosts(settings))),
        (
            "key",
            f"{settings.apns_key_id} of team {settings.apns_team_id}, for {settings.apns_default_bundle_id}",
        ),
        ("phones", str(phones)),
        ("reach", reach_words(settings.relay_host)),
        *([("secrets", KNOWN_ONLY)] if settings.relay_registration == "known" else []),
    ]


def banner(settings: Settings, phones: int) -> str:
    """The same for a terminal, with a line above it."""
    url = f"http://{settings.relay_host}:{settings.port}"
    lines = [f"{name:<9} {words}" for name, words in rows(settings, phones)]
    return "\n".join([f"relay {__version__} listens at {url}   (Ctrl-C stops)", *lines])


def _hosts(settings: Settings) -> Iterator[str]:
    for env in ("production", "sandbox"):
        host, port = settings.apns_hosts[env]
        proxy = settings.apns_proxies.get(env)
        yield (host if port == 443 else f"{host}:{port}") + (f" through the proxy {proxy}" if proxy else "")


def database_words(database_url: str) -> str:
    """Which one it is, without its password."""
    if database_url.startswith("sqlite://"):
        return f"SQLite, {Path(database_url.removeprefix('sqlite://').partition('?')[0]).absolute()}"
    parts = urlsplit(database_url)
    return f"MySQL at {parts.netloc.rpartition('@')[2]}{parts.path}"


def reach_words(host: str) -> str:
    """Who can reach the relay."""
    name = host.strip("[]")
    if name == "localhost" or _is(name, "is_loopback"):
        return "this machine only; RELAY_HOST=0.0.0.0 lets others in"
    if _is(name, "is_unspecified"):
        return "everybody who reaches this machine; put TLS in front of it"
    return f"everybody who reaches {host}; put TLS in front of it"


def _is(host: str, what: str) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(host), what))
    except ValueError:
        return False
