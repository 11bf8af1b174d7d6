"""Provider tokens: JWTs signed by a key that the registry knows (Apple: Establishing a token-based connection to APNs). Pure.

Two forms stand beside those of the RFCs because APNs takes them. A signature in DER: Apple's own recipe makes one
("Sending push notifications using command-line tools", `openssl dgst -sha256 -sign`), and GitHub jchambers/pushy has sent
no other since 2016. `iat` as digits in a string: GitHub swift-server-community/APNSwift did so until PR 246. The profile
may refuse both.
"""

import base64
import binascii
import math
import re
from typing import Any, Final, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from simulator.apns.json_text import read_json
from simulator.apns.registry import SigningKey

ALGORITHM: Final = "ES256"
CACHE_SIZE: Final = 1024
SCHEME: Final = "bearer "

COORDINATE_SIZE: Final = 32  # bytes of r and of s (RFC 7518 section 3.4)

_PART: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_WORD: Final = re.compile(r"[A-Za-z0-9._-]{0,40}")
_ES256: Final = ec.ECDSA(hashes.SHA256())
LARGEST_SHOWN: Final = 10**18

SignatureForm = Literal["r||s", "DER"]


class ProviderToken(NamedTuple):
    """A token whose signature is good. The checks decide whether it is fresh, and fits the profile and the connection."""

    text: str
    key: SigningKey
    issued_at: float
    form: SignatureForm = "r||s"
    is_iat_text: bool = False


class Flaw(NamedTuple):
    """Why a text is no provider token, as a sentence for whoever made it. It holds no part of a signature."""

    why: str


def bearer(authorization: str | None) -> str | None:
    """The token of an authorization header, or None if there is none. `Bearer` and `bearer` both work at Apple's."""
    if authorization is None or authorization[:7].lower() != SCHEME:
        return None
    return authorization[7:].strip() or None


class TokenReader:
    """Reads and verifies. A provider uses one token for up to an hour, so verified ones are remembered by their text."""

    def __init__(self, keys: dict[str, SigningKey], cache_size: int = CACHE_SIZE) -> None:
        self._keys = keys
        self._cache_size = cache_size
        self._verified: dict[str, ProviderToken] = {}

    def read(self, text: str) -> ProviderToken | Flaw:
        """The token; or its flaw: malformed, not ES256, unknown kid, bad signature, foreign iss, or iat that is no number."""
        known = self._verified.get(text)
        if known is not None:
            return known
        token = self._verify(text)
        if isinstance(token, ProviderToken):
            self._remember(token)
        return token

    def _verify(self, text: str) -> ProviderToken | Flaw:
        parts = text.split(".")
        octets = [_decoded(part) for part in parts]
        if len(parts) != 3 or None in octets:
            return Flaw("it is no JWT, which is three parts in base64url with dots between them")
        header, claims = (_object(part or b"") for part in octets[:2])
        if isinstance(header, str) or isinstance(claims, str):
            return Flaw(f"its header is {header}" if isinstance(header, str) else f"its claims are {claims}")
        if header.get("alg") != ALGORITHM:
            return Flaw(f"alg is {_shown(header.get('alg'))}, and APNs takes {ALGORITHM} only")
        kid = header.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            return Flaw(f"unknown kid: {_shown(kid)} is the id of no key here")
        form = _form_of(octets[2] or b"", text.rpartition(".")[0].encode("ascii"), key)
        if form is None:
            return Flaw(
                f"the signature does not verify: the key {key.key_id} has not signed this header and these claims"
            )
        return _with_claims(text, key, claims, form)

    def _remember(self, token: ProviderToken) -> None:
        if len(self._verified) >= self._cache_size:
            del self._verified[next(iter(self._verified))]  # the oldest; its provider pays one verification
        self._verified[token.text] = token


def _with_claims(
    text: str, key: SigningKey, claims: dict[str, Any], form: SignatureForm
) -> ProviderToken | Flaw:
    if claims.get("iss") != key.team_id:
        return Flaw(
            f"iss is not the key's team: it is {_shown(claims.get('iss'))}, and {key.key_id} belongs to {key.team_id}"
        )
    iat = claims.get("iat")
    issued_at = _seconds(iat)
    if issued_at is None:
        return Flaw(f"iat is not a number: it is {_shown(iat)}, and UNIX seconds are wanted")
    return ProviderToken(text, key, issued_at, form, isinstance(iat, str))


def _decoded(part: str) -> bytes | None:
    """base64url (RFC 7515 section 2), with padding or without it; None if it is none."""
    if _PART.fullmatch(part) is None:
        return None
    part = part.rstrip("=")
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        return None


def _object(octets: bytes) -> dict[str, Any] | str:
    """The JSON object; or what else it is."""
    try:
        value = read_json(octets)
    except (ValueError, RecursionError) as error:
        return f"no JSON object: {error}"
    return value if isinstance(value, dict) else "no JSON object"


def _form_of(signature: bytes, signed: bytes, key: SigningKey) -> SignatureForm | None:
    """How the signature is written if it is good: r||s (RFC 7518 section 3.4), or DER, as OpenSSL writes it; else None."""
    forms: dict[SignatureForm, bytes | None] = {"r||s": _der_of(signature), "DER": _strict_der(signature)}
    return next(
        (form for form, der in forms.items() if der is not None and _verifies(der, signed, key)), None
    )


def _der_of(signature: bytes) -> bytes | None:
    if len(signature) != 2 * COORDINATE_SIZE:
        return None
    r, s = signature[:COORDINATE_SIZE], signature[COORDINATE_SIZE:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def _strict_der(signature: bytes) -> bytes | None:
    try:
        decode_dss_signature(signature)
    except ValueError:
        return None
    return signature


def _verifies(der: bytes, signed: bytes, key: SigningKey) -> bool:
    try:
        key.public_key.verify(der, signed, _ES256)
    except InvalidSignature:
        return False
    return True


def _seconds(iat: object) -> float | None:
    """UNIX seconds: a number of JSON, or digits in a string; None for anything else."""
    if isinstance(iat, str):
        return float(iat) if _DIGITS.fullmatch(iat) else None
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        return None
    try:
        seconds = float(iat)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _shown(value: object) -> str:
    """A claim for people: short words and numbers as they are, of anything else its kind."""
    if value is None:
        return "missing"
    if isinstance(value, str):
        return repr(value) if _WORD.fullmatch(value) else "a text of another form"
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < LARGEST_SHOWN):
        return repr(value)
    return f"of another kind ({type(value).__name__})"
