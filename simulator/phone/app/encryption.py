"""What the app's extensions do with sealed texts: the notification service extension with an alert, the widget with a card. No I/O.

Read anew from the product's published vectors (`docs/encryption-vectors.json`): AES-256-GCM under HKDF-SHA256 of the pairing's key,
bound by netstrings to what stands in clear beside it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LOCKED = "the keychain opens with the first unlock after a restart"
NO_KEY = "the app has no such key: its pairing is older, or has another"
ALTERED = "it was altered, or is of another place"


class Unreadable(Exception):
    """The sealed texts cannot be read; the sentence says why."""


class KeyRing:
    """The keys of the pairings, in the keychain that the app shares with its extensions.

    Documented (Apple, kSecAttrAccessibleAfterFirstUnlock): what runs in the background reads it once the person has unlocked the
    phone after a restart; `unlocked` says whether that has happened.
    """

    def __init__(self, unlocked: Callable[[], bool]) -> None:
        self._unlocked = unlocked
        self._keys: dict[str, bytes] = {}
        self._kids: dict[str, str] = {}

    def keep(self, account: str, key: str | None) -> None:
        """Store or replace the key of an account; None: its pairing has none."""
        if old := self._kids.pop(account, None):
            self._keys.pop(old, None)
        if key is not None:
            octets = _octets(key)
            kid = base64.urlsafe_b64encode(hashlib.sha256(octets).digest()[:8]).rstrip(b"=").decode()
            self._keys[kid], self._kids[account] = octets, kid

    def kid(self, account: str) -> str | None:
        """The name of the account's key."""
        return self._kids.get(account)

    def proof(self, kid: object, parts: Sequence[str]) -> str | None:
        """That a paired phone says so, made with the key `kid`; None without it. HMAC-SHA256 over the netstrings of the parts."""
        key = self._keys.get(kid) if isinstance(kid, str) and self._unlocked() else None
        if key is None:
            return None
        octets = hmac.digest(_derived(key, "answer/1"), _netstrings(["answer/1", *parts]), "sha256")
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    def alert(self, payload: dict[str, Any]) -> tuple[str, str] | None:
        """Title and body of a sealed alert; None if it is not sealed. Raises Unreadable."""
        enc = payload.get("enc")
        if enc is None:
            return None
        texts = self._open(enc, "alert/1", [str(payload.get("eventType")), str(payload.get("sessionID"))])
        return str(texts.get("title", "")), str(texts.get("body", ""))

    def card(self, props: dict[str, Any], session_id: str | None) -> dict[str, Any]:
        """What the widget shows: the sealed texts in place of those in clear, if it can read them."""
        enc = props.get("enc")
        shown = {name: value for name, value in props.items() if name != "enc"}
        if enc is None:
            return shown
        try:
            return shown | self._open(enc, "card/1", [str(session_id)])
        except Unreadable:
            return shown

    def _open(self, enc: Any, purpose: str, context: Sequence[str]) -> dict[str, Any]:
        if not self._unlocked():
            raise Unreadable(LOCKED)
        if not isinstance(enc, dict) or enc.get("v") != 1 or enc.get("kid") not in self._keys:
            raise Unreadable(NO_KEY)
        key, bound = _derived(self._keys[enc["kid"]], purpose), _netstrings([purpose, *context])
        try:
            opened = json.loads(AESGCM(key).decrypt(_octets(enc["n"]), _octets(enc["ct"]), bound))
        except (InvalidTag, ValueError, KeyError, TypeError, AttributeError):
            raise Unreadable(ALTERED) from None
        if not isinstance(opened, dict):
            raise Unreadable(ALTERED)
        return opened


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(key)


def _netstrings(parts: Sequence[str]) -> bytes:
    return b"".join(f"{len(part.encode())}:{part},".encode() for part in parts)


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
