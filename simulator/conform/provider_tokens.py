"""The teams, apps and keys of every case, and the authorization header of every jwt variant that a case may name."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from simulator.apns.registry import SUFFIXES, ProviderKey
from simulator.apns.sandbox import Sandbox
from simulator.conform.cases import CaseError

Json = dict[str, Any]
RENEWED_AFTER = 3000
"""Seconds after which a valid provider token is minted anew."""


APP, OTHER_APP, FOREIGN_APP = "com.example.app", "com.example.other", "com.other.app"
TEAM_B = "TEAMB00000"


def topics_of(bundle_id: str) -> frozenset[str]:
    """The bundle id and its suffixed topics: all that a key scoped to this app may push to."""
    return frozenset(bundle_id + suffix for suffix in SUFFIXES)


KEYS: dict[str, dict[str, Any]] = {
    "A1": {},
    "A2": {"realm": "production"},
    "A3": {"topics": topics_of(APP)},
    "A4": {"topics": topics_of(APP)},
    "A5": {"topics": topics_of(OTHER_APP)},
    "A6": {},
    "B1": {"team_id": TEAM_B},
}
"""The arguments of `issue_key` for each key of the case format."""
REVOKED = ("A6",)


def register_teams(sandbox: Sandbox) -> dict[str, ProviderKey]:
    """Make the apps of both teams and every key; the keys by the names of the case format."""
    for bundle_id, team_id in ((APP, None), (OTHER_APP, None), (FOREIGN_APP, TEAM_B)):
        sandbox.add_app(bundle_id, team_id)
    issued = {name: sandbox.issue_key(**options) for name, options in KEYS.items()}
    for name in REVOKED:
        sandbox.registry.keys[issued[name].key_id].revoked = True
    return issued


@dataclass(slots=True)
class ProviderTokens:
    """Mints the tokens of one case. `keys` by the names of the case format: A1 to A6 and B1."""

    keys: dict[str, ProviderKey]
    now: Callable[[], float]
    minted: int = 0
    _kept: dict[str, tuple[float, str]] = field(default_factory=dict)

    def authorization(self, variant: str) -> str | None:
        """The header's value, None for no header. Raises CaseError for a variant that nobody knows."""
        if variant not in VARIANTS:
            raise CaseError(f"unknown jwt variant {variant!r}")
        return VARIANTS[variant](self)

    def signed(self, key: str = "A1", *, header: Json | None = None, claims: Json | None = None) -> str:
        """A token of a key; entries of `header` and `claims` replace the usual ones, None removes one."""
        self.minted += 1
        owner = self.keys[key]
        heads = {"alg": "ES256", "kid": owner.key_id} | (header or {})
        body = {"iss": owner.team_id, "iat": int(self.now())} | (claims or {})
        return sign(_present(heads), _present(body), owner.private_key)

    def kept(self, name: str, mint: Callable[[], str], renewed_after: float = RENEWED_AFTER) -> str:
        """The token of this name, minted at first use and again when it is too old."""
        at, token = self._kept.get(name, (float("-inf"), ""))
        if self.now() - at >= renewed_after:
            at, token = self.now(), mint()
            self._kept[name] = (at, token)
        return token

    def fresh(self) -> str:
        """A token unlike all before: `iat` lies as many seconds back as tokens were minted before."""
        return self.signed(claims={"iat": int(self.now()) - self.minted})


def sign(header: Json, claims: Json, private_key: str, *, der: bool = False) -> str:
    """A JWT as it stands here, valid or not: nothing is added, checked or put right."""
    text = f"{_part(header)}.{_part(claims)}"
    key = load_pem_private_key(private_key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
    if not der:
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{text}.{_base64url(signature)}"


def _part(value: Json) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _present(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _kept(name: str, mint: Callable[[ProviderTokens], str]) -> Callable[[ProviderTokens], str]:
    return lambda tokens: f"bearer {tokens.kept(name, lambda: mint(tokens))}"


def _bearer(name: str, **options: Any) -> Callable[[ProviderTokens], str]:
    return _kept(name, lambda tokens: tokens.signed(**options))


def _aged(name: str, seconds: int) -> Callable[[ProviderTokens], str]:
    return _kept(name, lambda tokens: tokens.signed(claims={"iat": int(tokens.now()) + seconds}))


def _unsigned(tokens: ProviderTokens) -> str:
    owner = tokens.keys["A1"]
    header, claims = {"alg": "none", "kid": owner.key_id}, {"iss": owner.team_id, "iat": int(tokens.now())}
    return f"{_part(header)}.{_part(claims)}."


def _hs256(tokens: ProviderTokens) -> str:
    owner = tokens.keys["A1"]
    header, claims = {"alg": "HS256", "kid": owner.key_id}, {"iss": owner.team_id, "iat": int(tokens.now())}
    text = f"{_part(header)}.{_part(claims)}"
    return f"{text}.{_base64url(hmac.digest(b'secret', text.encode(), 'sha256'))}"


def _stranger(tokens: ProviderTokens) -> str:
    owner = tokens.keys["A1"]
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    claims = {"iss": owner.team_id, "iat": int(tokens.now())}
    return sign({"alg": "ES256", "kid": owner.key_id}, claims, pem)


def _der(tokens: ProviderTokens) -> str:
    owner = tokens.keys["A1"]
    claims = {"iss": owner.team_id, "iat": int(tokens.now())}
    return sign({"alg": "ES256", "kid": owner.key_id}, claims, owner.private_key, der=True)


def _with_extra_claims(tokens: ProviderTokens) -> str:
    return tokens.signed(header={"typ": "JWT"}, claims={"exp": int(tokens.now()) + 3600})


def _capital(tokens: ProviderTokens) -> str:
    return f"Bearer {tokens.kept('valid', tokens.signed)}"


def _reused(tokens: ProviderTokens) -> str:
    return f"bearer {tokens.kept('valid_reused', tokens.signed, float('inf'))}"


VARIANTS: dict[str, Callable[[ProviderTokens], str | None]] = {
    "valid": _bearer("valid"),
    "valid_reused": _reused,
    "fresh": lambda tokens: f"bearer {tokens.fresh()}",
    "valid_capital_bearer": _capital,
    "extra_claims": _kept("extra_claims", _with_extra_claims),
    "iat_minus_3540": _aged("iat_minus_3540", -3540),
    "iat_minus_3660": _aged("iat_minus_3660", -3660),
    "iat_plus_60": _aged("iat_plus_60", 60),
    "iat_plus_7200": _aged("iat_plus_7200", 7200),
    "none": lambda _: None,
    "none_client_certificate": lambda _: None,
    "empty_bearer": lambda _: "bearer ",
    "basic_scheme": lambda _: "Basic dXNlcjpwYXNz",
    "malformed": lambda _: "bearer not-a-jwt",
    "alg_none": _kept("alg_none", _unsigned),
    "alg_hs256": _kept("alg_hs256", _hs256),
    "unknown_kid": _bearer("unknown_kid", header={"kid": "ZZZZZZZZZZ"}),
    "missing_kid": _bearer("missing_kid", header={"kid": None}),
    "bad_signature": _kept("bad_signature", _stranger),
    "sig_der": _kept("sig_der", _der),
    "iat_text": _kept("iat_text", lambda tokens: tokens.signed(claims={"iat": str(int(tokens.now()))})),
    "iat_word": _bearer("iat_word", claims={"iat": "now"}),
    "iat_nan": _bearer("iat_nan", claims={"iat": float("nan")}),
    "iat_infinity": _bearer("iat_infinity", claims={"iat": float("inf")}),
    "wrong_iss": _bearer("wrong_iss", claims={"iss": "ZZZZZZZZZZ"}),
    "missing_iat": _bearer("missing_iat", claims={"iat": None}),
    "other_team": _bearer("other_team", key="B1"),
    "topic_scoped_key": _bearer("topic_scoped_key", key="A3"),
    "unrelated_key": _bearer("unrelated_key", key="A4"),
    "other_topic_key": _bearer("other_topic_key", key="A5"),
    "production_only_key": _bearer("production_only_key", key="A2"),
    "revoked_key": _bearer("revoked_key", key="A6"),
}  # fmt: skip
"""Every variant of the case format. What stands here is wrong on purpose where its name says so."""
