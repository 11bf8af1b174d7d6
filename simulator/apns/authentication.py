"""What a connection has shown of its provider: the client certificate of its handshake, and the tokens, keys and team since."""

from typing import Any, Final, NamedTuple

from simulator.apns.profile import Profile
from simulator.apns.provider_token import ProviderToken
from simulator.apns.registry import Realm, SigningKey

MAX_TOKENS_KEPT: Final = 64

# Common names of Apple's certificates: today's kind serves both environments, the older ones a single one.
COMMON_NAMES: Final[dict[Realm | None, str]] = {
    None: "Apple Push Services: ",
    "sandbox": "Apple Development IOS Push Services: ",
    "production": "Apple Production IOS Push Services: ",
}


class ProviderCertificate(NamedTuple):
    """`realm` None = both environments. It is good for the app's bundle id and most suffixed topics."""

    bundle_id: str
    realm: Realm | None = None

    @property
    def common_name(self) -> str:
        """As Apple words it."""
        return COMMON_NAMES[self.realm] + self.bundle_id

    def serves(self, realm: Realm) -> bool:
        """Whether it may be used on this environment."""
        return self.realm in (None, realm)


def read_certificate(peer: dict[str, Any] | None) -> ProviderCertificate | None:
    """From what `ssl` says of a verified peer (getpeercert); None without a certificate, or if it names no app."""
    if not peer:
        return None
    subject = {name: value for part in peer.get("subject", ()) for name, value in part}
    bundle_id = subject.get("userId")
    if bundle_id is None:
        return None
    name = subject.get("commonName", "")
    realm = next((realm for realm, start in COMMON_NAMES.items() if name.startswith(start)), None)
    return ProviderCertificate(bundle_id, realm)


class ProviderState:
    """What one connection has shown of its provider so far: team, key and tokens. The checks read it, decisions change it.

    It starts empty, but for the client certificate, which the TLS handshake may have shown.
    """

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

    def learn(self, token: ProviderToken | None, reason: str | None, profile: Profile, now: float) -> None:
        """A request was decided on: `token` if it had one that proved the provider, `reason` if it was refused."""
        if token is not None:
            self.add_token(token, now)
        if reason == "TooManyProviderTokenUpdates":
            self.throttle(profile, now)
        elif reason == "ExpiredProviderToken":
            self.wedged = profile.wedge_after_expired

    def add_token(self, token: ProviderToken, now: float) -> None:
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
