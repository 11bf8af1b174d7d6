"""A provider's client certificate as the TLS layer reports it: whose app, which environment. Pure."""

from typing import Any, Final, NamedTuple

from simulator.apns.registry import Realm

# Common names of Apple's certificates: today's kind serves both environments, the older ones a single one.
KINDS: Final[dict[Realm | None, str]] = {
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
        return KINDS[self.realm] + self.bundle_id

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
    realm = next((realm for realm, start in KINDS.items() if name.startswith(start)), None)
    return ProviderCertificate(bundle_id, realm)
