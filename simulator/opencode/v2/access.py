"""Who may use the server: its password, and the tokens that pair codes are changed for."""

import base64
import hashlib
import hmac
import random

from simulator.clock import Clock

CODE_LIVES = 300
"""Seconds."""
TOKEN_LIVES = 30 * 24 * 3600
"""Seconds."""


class Access:
    """One password, and codes that work once. Tokens `<expiry>.<hmac>` are keyed by the password: another one revokes all."""

    def __init__(self, clock: Clock, password: str, source: random.Random) -> None:
        self._clock = clock
        self._random = source
        self._codes: dict[str, float] = {}
        self.password = password

    def admits(self, given: str | None) -> bool:
        """Whether this is the password, or a token that is still good."""
        if given is None:
            return False
        return hmac.compare_digest(given.encode(), self.password.encode()) or self._good_token(given)

    def pair(self) -> str:
        """A code for one use within five minutes."""
        code = base64.urlsafe_b64encode(self._random.randbytes(18)).decode()
        self._codes[code] = self._clock.now() + CODE_LIVES
        return code

    def token(self, code: str) -> str | None:
        """What a code is changed for; None if it is unknown, used or expired."""
        expires = self._codes.pop(code, 0.0)
        if self._clock.now() >= expires:
            return None
        until = str(int(self._clock.now()) + TOKEN_LIVES)
        return f"{until}.{self._signature(until)}"

    def _good_token(self, given: str) -> bool:
        until, _, signature = given.partition(".")
        if not (until.isascii() and until.isdigit() and int(until) > self._clock.now()):
            return False
        return hmac.compare_digest(signature.encode(), self._signature(until).encode())

    def _signature(self, until: str) -> str:
        digest = hmac.new(self.password.encode(), until.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
