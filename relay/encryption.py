"""Texts that only computer and phone read: the key of a pairing, the envelope, and the proof that an answer is a paired phone's. Pure.

The relay and Apple carry envelopes and cannot open them. Everything here is in `docs/encryption-vectors.json`, too, so that an app in
another language can be checked against it.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.contract import Envelope

KEY_BYTES = 32
NONCE_BYTES = 12
"""NIST SP 800-38D: 96 bits, at random. One key seals some thousand texts a day; a repeat becomes likely after 2^32."""
TAG_BYTES = 16

Purpose = Literal["alert/1", "card/1", "typed/1", "answer/1"]
"""One key each, so that an envelope of one purpose is nothing for another: an alert, a card, a typed answer; and the proof of an answer."""


class Sealed(ValueError):
    """The envelope cannot be opened: it is of another key or version, or was altered. The text says which."""


@dataclass(frozen=True, slots=True)
class PairingKey:
    """32 random bytes that the pairing link carries from the computer to the phone, and nobody else has."""

    octets: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.octets) != KEY_BYTES:
            raise ValueError(f"the pairing's key must have {KEY_BYTES} bytes, but it has {len(self.octets)}")

    @classmethod
    def new(cls) -> Self:
        """A fresh one."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a pairing link. Raises ValueError, one sentence without the key."""
        return cls(_octets(text))

    @property
    def text(self) -> str:
        """As the pairing link carries it."""
        return base64url(self.octets)

    @property
    def kid(self) -> str:
        """Which key this is, for whoever may have several: says nothing of the key itself."""
        return base64url(hashlib.sha256(self.octets).digest()[:8])

    def derived(self, purpose: Purpose) -> bytes:
        """The key of one purpose (RFC 5869, HKDF-SHA256 without salt, the purpose as info)."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self.octets)

    def seal(
        self, plain: bytes, purpose: Purpose, context: Sequence[str], *, nonce: bytes | None = None
    ) -> Envelope:
        """`plain` for whoever has the key. It opens only with the same `context`: what stands in clear beside it.

        `nonce` is for test vectors; two texts must never have the same one.
        """
        nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
        sealed = AESGCM(self.derived(purpose)).encrypt(nonce, plain, netstrings([purpose, *context]))
        return Envelope(kid=self.kid, n=base64url(nonce), ct=base64url(sealed))

    def open(self, envelope: Envelope, purpose: Purpose, context: Sequence[str]) -> bytes:
        """What was sealed. Raises Sealed."""
        if envelope.v != 1:
            raise Sealed(f"the envelope has version {envelope.v}, and only version 1 is known")
        if envelope.kid != self.kid:
            raise Sealed("the envelope is of another pairing's key")
        try:
            nonce, sealed = _octets(envelope.n), _octets(envelope.ct)
            return AESGCM(self.derived(purpose)).decrypt(nonce, sealed, netstrings([purpose, *context]))
        except (InvalidTag, ValueError):
            raise Sealed("the envelope was altered, or is of another place") from None

    def proof(self, parts: Sequence[str]) -> str:
        """HMAC-SHA256 (RFC 2104) over the parts of an answer, base64url: only a paired phone can make it."""
        octets = hmac.digest(self.derived("answer/1"), netstrings(["answer/1", *parts]), "sha256")
        return base64url(octets)

    def proves(self, parts: Sequence[str], proof: str) -> bool:
        """Whether the proof is that of these parts; in the same time for every wrong one."""
        return hmac.compare_digest(self.proof(parts).encode(), proof.encode("utf-8", "replace"))


def netstrings(parts: Sequence[str]) -> bytes:
    """Each part with its length in bytes before it, `5:hello,`: no two lists give the same bytes (D. J. Bernstein, "Netstrings")."""
    octets = [part.encode() for part in parts]
    return b"".join(b"%d:%b," % (len(part), part) for part in octets)


def base64url(octets: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("expected base64url: letters, digits, - and _") from None
