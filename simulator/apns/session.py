"""What one connection has shown of its provider so far: team, key and tokens. The checks read it, accepted facts change it."""

from typing import Final

from simulator.apns.authentication.provider_certificate import ProviderCertificate
from simulator.apns.authentication.provider_token import ProviderToken
from simulator.apns.profile import Profile
from simulator.apns.registry import SigningKey

MAX_TOKENS_KEPT: Final = 64


class Session:
    """Starts empty with each connection, but for the client certificate, which the TLS handshake may have shown."""

    def __init__(self, certificate: ProviderCertificate | None = None) -> None:
        self.certificate = certificate
        self.first_key: SigningKey | None = None
        self.wedged = False
        self.throttled_until = 0.0
        self._first_seen: dict[str, float] = {}

    @property
    def team_id(self) -> str | None:
        """The team that the first valid token bound this connection to."""
        return self.first_key.team_id if self.first_key is not None else None

    def is_update_too_soon(self, text: str, profile: Profile, now: float) -> bool:
        """True if this token is one too many, or an earlier one was and the window has not passed yet."""
        if now < self.throttled_until:
            return True
        if text in self._first_seen:
            return False
        return len(self._recent(profile, now)) >= profile.provider_tokens

    def saw(self, token: ProviderToken, now: float) -> None:
        """A valid token was used."""
        if token.text not in self._first_seen:
            if len(self._first_seen) >= MAX_TOKENS_KEPT:
                del self._first_seen[next(iter(self._first_seen))]
            self._first_seen[token.text] = now
        if self.first_key is None:
            self.first_key = token.key

    def throttle(self, profile: Profile, now: float) -> None:
        """A token was one too many: nothing goes any more until the oldest of the window leaves it."""
        recent = self._recent(profile, now)
        if now >= self.throttled_until:
            self.throttled_until = min(recent, default=now) + profile.provider_token_window

    def _recent(self, profile: Profile, now: float) -> list[float]:
        return [seen for seen in self._first_seen.values() if seen > now - profile.provider_token_window]
