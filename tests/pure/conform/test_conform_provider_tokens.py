"""Every jwt variant is wrong in exactly the way its name says."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from simulator.apns.registry import ProviderKey
from simulator.conform.cases import CaseError
from simulator.conform.provider_tokens import VARIANTS, ProviderTokens

NOW = 1_795_226_400


def _key(key_id: str, team_id: str) -> tuple[ProviderKey, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return ProviderKey(key_id, team_id, pem), public


PAIRS = {
    name: _key(f"KEY00000{name}", f"TEAM00000{name[0]}")
    for name in ("A1", "A2", "A3", "A4", "A5", "A6", "B1")
}
KEYS = {name: key for name, (key, _) in PAIRS.items()}


class _Time:
    """A time that can be turned."""

    now = float(NOW)


@pytest.fixture
def time() -> _Time:
    return _Time()


@pytest.fixture
def tokens(time: _Time) -> ProviderTokens:
    return ProviderTokens(KEYS, lambda: time.now)


def _parts(authorization: str | None) -> tuple[str, dict[str, object], dict[str, object], bytes]:
    assert authorization is not None
    scheme, _, token = authorization.partition(" ")
    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return scheme, json.loads(header), json.loads(claims), signature


def _verify(authorization: str | None, key: str) -> None:
    assert authorization is not None
    options = {"verify_exp": False, "verify_iat": False}
    jwt.decode(authorization.partition(" ")[2], PAIRS[key][1], algorithms=["ES256"], options=options)


def test_valid(tokens: ProviderTokens) -> None:
    scheme, header, claims, signature = _parts(tokens.authorization("valid"))
    assert (scheme, header) == ("bearer", {"alg": "ES256", "kid": "KEY00000A1"})
    assert claims == {"iss": "TEAM00000A", "iat": NOW}
    assert len(signature) == 64
    valid, capital = tokens.authorization("valid"), tokens.authorization("valid_capital_bearer")
    assert valid
    assert capital == "Bearer " + valid.removeprefix("bearer ")
    _verify(tokens.authorization("valid"), "A1")


def test_valid_is_one_token_for_50_minutes(tokens: ProviderTokens, time: _Time) -> None:
    first = tokens.authorization("valid")
    time.now += 2999
    assert tokens.authorization("valid") == first
    time.now += 1
    assert tokens.authorization("valid") != first


def test_valid_reused_is_never_minted_anew(tokens: ProviderTokens, time: _Time) -> None:
    first = tokens.authorization("valid_reused")
    time.now += 100_000
    assert tokens.authorization("valid_reused") == first


def test_fresh_is_never_the_same_and_ever_older(tokens: ProviderTokens) -> None:
    claims = [_parts(tokens.authorization("fresh"))[2] for _ in range(3)]
    assert [claim["iat"] for claim in claims] == [NOW, NOW - 1, NOW - 2]


@pytest.mark.parametrize(
    ("variant", "part", "name", "value"),
    [
        ("unknown_kid", 1, "kid", "ZZZZZZZZZZ"), ("missing_kid", 1, "kid", None), ("alg_none", 1, "alg", "none"),
        ("wrong_iss", 2, "iss", "ZZZZZZZZZZ"), ("missing_iat", 2, "iat", None), ("alg_hs256", 1, "alg", "HS256"),
        ("iat_minus_3540", 2, "iat", NOW - 3540), ("iat_minus_3660", 2, "iat", NOW - 3660),
        ("iat_plus_60", 2, "iat", NOW + 60), ("iat_plus_7200", 2, "iat", NOW + 7200),
        ("iat_text", 2, "iat", str(NOW)), ("iat_word", 2, "iat", "now"), ("iat_infinity", 2, "iat", float("inf")),
        ("extra_claims", 2, "exp", NOW + 3600), ("extra_claims", 1, "typ", "JWT"),
    ],
)  # fmt: skip
def test_one_thing_is_not_as_usual(
    tokens: ProviderTokens, variant: str, part: int, name: str, value: object
) -> None:
    assert _parts(tokens.authorization(variant))[part].get(name) == value
    if variant.startswith(("iat_minus", "iat_plus", "extra_")):
        _verify(tokens.authorization(variant), "A1")


def test_nan_is_written_as_python_does(tokens: ProviderTokens) -> None:
    """Which is no JSON (RFC 8259 section 6): a provider that does so does it by its library's leave."""
    iat = _parts(tokens.authorization("iat_nan"))[2]["iat"]
    assert iat != iat


def test_wrong_signatures(tokens: ProviderTokens) -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        _verify(tokens.authorization("bad_signature"), "A1")
    signature = _parts(tokens.authorization("sig_der"))[3]
    assert signature[0] == 0x30
    assert len(signature) > 64


@pytest.mark.parametrize(
    ("variant", "value"),
    [
        ("none", None), ("none_client_certificate", None), ("empty_bearer", "bearer "),
        ("basic_scheme", "Basic dXNlcjpwYXNz"), ("malformed", "bearer not-a-jwt"),
    ],
)  # fmt: skip
def test_no_token_at_all(tokens: ProviderTokens, variant: str, value: str | None) -> None:
    assert tokens.authorization(variant) == value


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"fresh"}))
def test_every_other_variant_is_one_string_for_the_whole_case(
    tokens: ProviderTokens, time: _Time, variant: str
) -> None:
    first = tokens.authorization(variant)
    time.now += 60
    assert tokens.authorization(variant) == first


@pytest.mark.parametrize(
    ("variant", "key"),
    [
        ("other_team", "B1"), ("topic_scoped_key", "A3"), ("unrelated_key", "A4"), ("other_topic_key", "A5"),
        ("production_only_key", "A2"), ("revoked_key", "A6"),
    ],
)  # fmt: skip
def test_other_keys(tokens: ProviderTokens, variant: str, key: str) -> None:
    _, header, claims, _ = _parts(tokens.authorization(variant))
    assert (header["kid"], claims["iss"]) == (KEYS[key].key_id, KEYS[key].team_id)
    _verify(tokens.authorization(variant), key)


def test_an_unknown_variant_fails_the_case(tokens: ProviderTokens) -> None:
    with pytest.raises(CaseError, match="unknown jwt variant 'nope'"):
        tokens.authorization("nope")
