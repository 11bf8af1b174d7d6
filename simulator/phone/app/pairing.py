"""The pairing link as the app reads it, from a QR code or a deep link, and where the app keeps its secret. No I/O."""

import json
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

DEFAULT_RELAY_URL = "https://apn.dev.opencode.ai"
"""What the app uses when the link names no relay."""

_LINK_KEYS = ("pair", "payload")


class PairingError(ValueError):
    """The scanned text is no pairing; the sentence says why and never holds the secret."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """One OpenCode server as the app knows it. `server_id` is None for links of servers that do not send it, `key` for those that seal
    nothing.
    """

    relay_url: str
    hosts: tuple[str, ...]
    server_id: str | None
    relay_secret: str = field(repr=False)
    key: str | None = field(default=None, repr=False)


def parse_link(text: str) -> Pairing:
    """The pairing in a scanned text. Raises PairingError.

    The app takes any link with a `pair` or `payload` parameter, or raw JSON; `v` is absent or 1, `relaySecret` a
    string, `hosts` a list of strings that is not empty; `relayURL` and `serverID` may be missing.
    """
    data = _data(text.strip())
    if data.get("v", 1) != 1 or isinstance(data.get("v"), bool):
        raise PairingError("the pairing has a version this app does not know: 'v' must be 1")
    return Pairing(
        relay_url=_optional(data, "relayURL", DEFAULT_RELAY_URL).strip().rstrip("/"),
        hosts=_hosts(data.get("hosts")),
        server_id=_optional(data, "serverID", "") or None,
        relay_secret=_secret(data.get("relaySecret")),
        key=_key(data.get("key")),
    )


def _data(text: str) -> dict[str, Any]:
    payload = text if text.startswith("{") else _parameter(text)
    try:
        data = json.loads(payload)
    except ValueError:
        raise PairingError("the pairing is not JSON") from None
    if not isinstance(data, dict):
        raise PairingError("the pairing is not a JSON object")
    return data


def _parameter(link: str) -> str:
    """The JSON in a link."""
    try:
        query = parse_qs(urlsplit(link).query)
    except ValueError:
        raise PairingError("not a pairing link: it is no URL") from None
    for key in _LINK_KEYS:
        if key in query:
            return query[key][0]
    raise PairingError("not a pairing link: it has neither 'pair' nor 'payload'")


def _secret(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise PairingError("the pairing has no 'relaySecret'")
    return value


def _key(value: Any) -> str | None:
    """32 bytes as base64url without padding: 43 characters."""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise PairingError("'key' of the pairing must be 43 characters of base64url")
    return value


def _optional(data: dict[str, Any], key: str, default: str) -> str:
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise PairingError(f"{key!r} of the pairing must be a string")
    return value or default


def _hosts(value: Any) -> tuple[str, ...]:
    """The usable hosts in order, each once; loopback only if there is nothing else."""
    if not isinstance(value, list) or not value or not all(isinstance(host, str) for host in value):
        raise PairingError("'hosts' of the pairing must be a list of URLs, and not an empty one")
    usable = [host for host in dict.fromkeys(value) if _is_url(host)]
    if not usable:
        raise PairingError("'hosts' of the pairing holds no URL")
    return tuple([host for host in usable if not _is_loopback(host)] or usable)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Keychain:
    """Secrets by account. Nothing but `secret` ever shows one."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def keep(self, account: str, secret: str) -> None:
        """Store or replace the secret of an account."""
        self._secrets[account] = secret

    def secret(self, account: str) -> str:
        """The secret of an account. Raises KeyError if there is none."""
        return self._secrets[account]

    def __repr__(self) -> str:
        return f"Keychain({len(self._secrets)} secrets)"
