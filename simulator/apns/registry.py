"""Apps, signing keys and device tokens of both environments. Plain dicts, no time, no I/O."""

import re
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.apns.delivery.device import Device, OnDelivery, as_device
from simulator.apns.errors import BadKey, BadToken, UnknownApp, UnknownToken

Realm = Literal["sandbox", "production"]
Kind = Literal["alert", "voip", "activity", "push-to-start", "widgets"]

REALMS: Final[tuple[Realm, ...]] = ("sandbox", "production")
LIVE_ACTIVITY_SUFFIX: Final = ".push-type.liveactivity"
WIDGETS_SUFFIX: Final = ".push-type.widgets"


class TokenShape(NamedTuple):
    """How long a kind of device token is in bytes, and what its topic adds to the bundle id."""

    size: int
    suffix: str


# Lengths: Apple says not to assume any; these were seen (Apple developer forum thread 712499), that of widgets is assumed.
# Suffixes: Apple, "Sending notification requests to APNs", table of push types.
KINDS: Final[dict[Kind, TokenShape]] = {
    "alert": TokenShape(32, ""),
    "voip": TokenShape(32, ".voip"),
    "activity": TokenShape(80, LIVE_ACTIVITY_SUFFIX),
    "push-to-start": TokenShape(80, LIVE_ACTIVITY_SUFFIX),
    "widgets": TokenShape(80, WIDGETS_SUFFIX),
}
# What the push type adds to the bundle id (same table).
SUFFIX_OF: Final = {
    "alert": "",
    "background": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "liveactivity": LIVE_ACTIVITY_SUFFIX,
    "location": ".location-query",
    "pushtotalk": ".voip-ptt",
    "widgets": WIDGETS_SUFFIX,
    "controls": ".push-type.controls",
}
SUFFIXES: Final = tuple(dict.fromkeys(SUFFIX_OF.values()))
_TOKEN: Final = re.compile(r"([0-9a-f]{2}){16,512}")
_ID_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(slots=True)
class App:
    """An app of a team."""

    bundle_id: str
    team_id: str


@dataclass(slots=True)
class SigningKey:
    """A provider's key as Apple knows it. `topics` None = team-scoped; `realm` None = both environments."""

    key_id: str
    team_id: str
    public_key: ec.EllipticCurvePublicKey
    realm: Realm | None = None
    topics: frozenset[str] | None = None
    related_to: str | None = None
    revoked: bool = False


class ProviderKey(NamedTuple):
    """What a provider downloads once: the ids and the private key as PKCS#8 PEM (a .p8 file)."""

    key_id: str
    team_id: str
    private_key: str


@dataclass(slots=True)
class DeviceToken:
    """One token. Times are UNIX seconds or None.

    `unregistered_since`: APNs has confirmed that the app is gone. `expired_since`: its activity ended or has a new
    token. `uninstalled_at`: the app is gone, but APNs confirms that only later.
    """

    token: str
    bundle_id: str
    realm: Realm
    kind: Kind
    topic: str
    expired_since: float | None = None
    unregistered_since: float | None = None
    uninstalled_at: float | None = None
    device: Device | None = None


class Registry:
    """Everything Apple knows. All randomness comes from `random`, so a seed gives the same ids and tokens."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.team_id = self._new_id()
        self.apps: dict[str, App] = {}
        self.keys: dict[str, SigningKey] = {}
        self.topics: dict[str, App] = {}
        self.tokens: dict[Realm, dict[str, DeviceToken]] = {realm: {} for realm in REALMS}

    def add_app(self, bundle_id: str, team_id: str | None = None) -> App:
        """Register an app, with all topics of Apple's table, for a team (default: the sandbox's own)."""
        app = self.apps[bundle_id] = App(bundle_id, team_id or self.team_id)
        self.topics.update({bundle_id + suffix: app for suffix in SUFFIXES})
        return app

    def issue_key(
        self,
        team_id: str | None = None,
        *,
        realm: Realm | None = None,
        topics: frozenset[str] | None = None,
        related_to: str | None = None,
        key_id: str | None = None,
    ) -> ProviderKey:
        """Make a key as the developer portal does: for a team, perhaps for one environment or some topics only."""
        private_key = ec.derive_private_key(self._random.randrange(1, _P256_ORDER), ec.SECP256R1())
        key = SigningKey(
            key_id or self._new_id(),
            team_id or self.team_id,
            private_key.public_key(),
            realm,
            topics,
            related_to,
        )
        self.keys[key.key_id] = key
        pem = private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return ProviderKey(key.key_id, key.team_id, pem.decode("ascii"))

    def add_key(self, key_id: str, team_id: str, private_key: str) -> ProviderKey:
        """A provider's own key, team-scoped and for both environments. BadKey if the PEM is no private key on the curve P-256."""
        try:
            private = serialization.load_pem_private_key(private_key.encode(), None)
        except (ValueError, TypeError) as error:
            raise BadKey(f"the key {key_id} is no private key as PEM (a .p8 file): {error}") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise BadKey(f"the key {key_id} is not one for ES256, which is an elliptic curve key on P-256")
        self.keys[key_id] = SigningKey(key_id, team_id, private.public_key())
        return ProviderKey(key_id, team_id, private_key)

    def add_token(self, token: str, bundle_id: str, realm: Realm, kind: Kind = "alert") -> str:
        """A device token of the provider's own choice; in lower-case hex. UnknownApp as below; BadToken if it is no hex, or taken."""
        if bundle_id not in self.apps:
            raise UnknownApp(bundle_id)
        text = token.lower()
        if _TOKEN.fullmatch(text) is None:
            raise BadToken(
                f"a device token is hex: pairs of 0 to 9 and a to f, 16 bytes or more, not {token[:80]!r}"
            )
        if any(text in tokens for tokens in self.tokens.values()):
            raise BadToken(f"there is a device token ...{text[-8:]} already")
        self.tokens[realm][text] = DeviceToken(text, bundle_id, realm, kind, bundle_id + KINDS[kind].suffix)
        return text

    def mint_token(self, bundle_id: str, realm: Realm, kind: Kind = "alert") -> str:
        """A new device token in lower-case hex. UnknownApp if the app was not added."""
        if bundle_id not in self.apps:
            raise UnknownApp(bundle_id)
        shape = KINDS[kind]
        token = self._random.randbytes(shape.size).hex()
        self.tokens[realm][token] = DeviceToken(token, bundle_id, realm, kind, bundle_id + shape.suffix)
        return token

    def token(self, token: str) -> DeviceToken:
        """The record of a token in either environment. UnknownToken if it was never minted."""
        for tokens in self.tokens.values():
            if token in tokens:
                return tokens[token]
        raise UnknownToken(token[-8:])

    def attach(self, token: str, device: Device | OnDelivery | None) -> None:
        """The device that this token leads to: one of the protocol, or a plain function that takes every push. None: to none."""
        self.token(token).device = None if device is None else as_device(device)

    def expire(self, token: str, since: float) -> None:
        """Its activity ended then, or took a new token: answer 410 ExpiredToken, after the profile's grace."""
        self.token(token).expired_since = since

    def unregister(self, token: str, since: float) -> None:
        """From now on answer 410 Unregistered, with this time."""
        self.token(token).unregistered_since = since

    def uninstall(self, token: str, at: float) -> None:
        """The app was removed then: pushes are accepted and discarded, until APNs confirms it and answers 410."""
        self.token(token).uninstalled_at = at

    def reactivate(self, token: str) -> None:
        """The app registered again and got the same token."""
        record = self.token(token)
        record.expired_since = record.unregistered_since = record.uninstalled_at = None

    def _new_id(self) -> str:
        return "".join(self._random.choices(_ID_LETTERS, k=10))
