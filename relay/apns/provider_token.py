"""One provider token (JWT) per key and process, shared by all connections."""

import logging
from collections.abc import Callable

import jwt

from relay.log import line

log = logging.getLogger("relay.apns")

MIN_AGE = 20 * 60.0
"""Seconds. Apple, "Establishing a token-based connection": renew at most every 20 minutes, else 429."""
MAX_AGE = 50 * 60.0
"""Seconds. At least every 60 minutes, else 403 ExpiredProviderToken; ten minutes are left for skewed clocks."""


class ProviderToken:
    """The current token. `authorization(now)` signs a new one when the old one has come of age."""

    def __init__(self, *, private_key: str, key_id: str, team_id: str) -> None:
        self._private_key = private_key
        self._key_id = key_id
        self._team_id = team_id
        self.issued_at = float("-inf")
        self._authorization = ""

    def authorization(self, now: float) -> str:
        """The value of the authorization header at UNIX time `now`."""
        # Younger than now: the clock was set back, and APNs may refuse a time to come.
        if not -MIN_AGE < now - self.issued_at < MAX_AGE:
            self._sign(now)
        return self._authorization

    def renew(self, now: float) -> bool:
        """Sign a new token because APNs called this one expired; False if it is too young for Apple's limit."""
        if now - self.issued_at < MIN_AGE:
            return False
        self._sign(now)
        return True

    def _sign(self, now: float) -> None:
        token = jwt.encode(
            {"iss": self._team_id, "iat": int(now)},
            self._private_key,
            algorithm="ES256",
            headers={"kid": self._key_id},
        )
        self.issued_at = now
        self._authorization = f"bearer {token}"
        log.info(line("provider token signed", keyID=self._key_id))


SignedAt = Callable[[], str]
"""Returns the authorization header for a request that is written now."""
