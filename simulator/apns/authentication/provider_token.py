"""Provider authentication tokens: is this JWT signed by a key we know? (Apple: Establishing a token-based connection)"""

from typing import Any, Final, NamedTuple

import jwt

from simulator.apns.registry import SigningKey

ALGORITHM: Final = "ES256"
CACHE_SIZE: Final = 1024
SCHEME: Final = "bearer "

# Only the signature is PyJWT's business: it would judge times by the machine's clock and claims that APNs ignores.
_OPTIONS: Final[Any] = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}


class ProviderToken(NamedTuple):
    """A token whose signature is good. Whether it is fresh, and fits the connection, is for the checks."""

    text: str
    key: SigningKey
    issued_at: float


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

    def read(self, text: str) -> ProviderToken | None:
        """The token, or None: malformed, not ES256, unknown kid, bad signature, foreign iss, or iat not a number."""
        known = self._verified.get(text)
        if known is not None:
            return known
        token = self._verify(text)
        if token is not None:
            self._remember(token)
        return token

    def _verify(self, text: str) -> ProviderToken | None:
        try:
            header = jwt.get_unverified_header(text)
            key = self._keys.get(header.get("kid", ""))
            if key is None:
                return None
            claims = jwt.decode(text, key.public_key, algorithms=[ALGORITHM], options=_OPTIONS)
        except (jwt.PyJWTError, ValueError, TypeError):  # hostile input finds odd corners of base64 and JSON
            return None
        issued_at = claims.get("iat")
        if (
            claims.get("iss") != key.team_id
            or isinstance(issued_at, bool)
            or not isinstance(issued_at, int | float)
        ):
            return None
        return ProviderToken(text, key, issued_at)

    def _remember(self, token: ProviderToken) -> None:
        if len(self._verified) >= self._cache_size:
            del self._verified[next(iter(self._verified))]  # the oldest; its provider pays one verification
        self._verified[token.text] = token
