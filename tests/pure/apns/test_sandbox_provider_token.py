"""Provider tokens: what is read and verified, both forms of a signature, and in words what is wrong with the others."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.authentication import ProviderState
from simulator.apns.profile import Profile
from simulator.apns.provider_token import Flaw, ProviderToken, TokenReader, bearer


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def part(value: object) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def handmade(header: object, claims: object, signature: bytes = b"s") -> str:
    return ".".join([part(header), part(claims), b64(signature)])


def der(case, text: str, key=None) -> bytes:
    private = load_pem_private_key((key or case.key).private_key.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private.sign(text.encode(), ec.ECDSA(hashes.SHA256()))


def raw(signature: bytes) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))


def signed(case, header: object = None, claims: object = None, *, form=lambda signature: signature) -> str:
    """A token of the case's key whose signature is what `form` makes of one in DER."""
    header = {"alg": "ES256", "kid": case.key.key_id} if header is None else header
    claims = {"iss": case.key.team_id, "iat": int(case.now)} if claims is None else claims
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{b64(form(der(case, text)))}"


def good(case, text: str) -> ProviderToken:
    token = case.reader.read(text)
    assert isinstance(token, ProviderToken), token
    return token


def flaw(case, text: str) -> str:
    token = case.reader.read(text)
    assert isinstance(token, Flaw), token
    return token.why


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("bearer abc", "abc"), ("Bearer abc", "abc"), ("BEARER  abc ", "abc"), ("bearer ", None), ("bearer", None),
        ("bearerabc", None), ("Basic abc", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_bearer(authorization: str | None, token: str | None) -> None:
    assert bearer(authorization) == token


def test_extra_claims_and_times_are_for_the_checks(case) -> None:
    for claims in (
        {"exp": 1},
        {"nbf": 9e12},
        {"iat": 9e12},
        {"aud": "x"},
        {"sub": 5},
        {"jti": 5},
        {"iat": 1.5},
    ):
        assert good(case, case.sign(**claims))


# --- the form of the signature ---


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_both_forms_of_a_signature_verify_whatever_their_length(data: st.DataObject) -> None:
    """A number of r||s that begins with zeros, or with a high bit, is shorter or longer in DER."""
    case = _case()
    claims = {"iss": case.key.team_id, "iat": data.draw(st.integers(0, 2**40))}
    text = f"{part({'alg': 'ES256', 'kid': case.key.key_id})}.{part(claims)}"
    signature = der(case, text)
    assert good(case, f"{text}.{b64(signature)}").form == "DER"
    assert good(case, f"{text}.{b64(raw(signature))}").form == "r||s"


def _case():
    from .conftest import PushCase

    return PushCase()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_openssl_signs_by_apples_own_recipe_is_taken(case, tmp_path: Path) -> None:
    """Apple, "Sending push notifications using command-line tools": openssl dgst -binary -sha256 -sign."""
    key = tmp_path / "AuthKey.p8"
    key.write_text(case.key.private_key)
    text = f"{part({'alg': 'ES256', 'kid': case.key.key_id})}.{part({'iss': case.key.team_id, 'iat': int(case.now)})}"
    command = ["openssl", "dgst", "-binary", "-sha256", "-sign", str(key)]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    case.authorization = f"bearer {text}.{b64(signature)}"
    assert case.reason() is None


FORMS = {
    "r||s": (raw, None, None),
    "DER": (lambda signature: signature, None, "InvalidProviderToken"),
    "cut": (lambda signature: signature[:-1], "InvalidProviderToken", "InvalidProviderToken"),
    "DER and more": (lambda signature: signature + b"x", "InvalidProviderToken", "InvalidProviderToken"),
    "r||s and more": (
        lambda signature: raw(signature) + b"x",
        "InvalidProviderToken",
        "InvalidProviderToken",
    ),
    "one bit off": (
        lambda signature: raw(signature)[:-1] + bytes([raw(signature)[-1] ^ 1]),
        "InvalidProviderToken",
        "InvalidProviderToken",
    ),
    "64 zeros": (lambda _: bytes(64), "InvalidProviderToken", "InvalidProviderToken"),
    "DER of zeros": (
        lambda _: bytes.fromhex("3006020100020100"),
        "InvalidProviderToken",
        "InvalidProviderToken",
    ),
    "DER as BER": (
        lambda signature: b"\x30\x81" + signature[1:],
        "InvalidProviderToken",
        "InvalidProviderToken",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_a_signature_by_profile(case, name: str) -> None:
    form, observed, strict = FORMS[name]
    case.authorization = f"bearer {signed(case, form=form)}"
    for profile, reason in (("observed", observed), ("documented", observed), ("strict", strict)):
        case.profile, case.provider = Profile.named(profile), ProviderState()
        assert case.reason() == reason, profile


# --- iat ---

IATS: dict[str, tuple[str, str | None, str | None]] = {
    # JSON text of iat: reason in the profiles observed and strict
    "number": ("NOW", None, None),
    "fraction": ("NOW.5", None, None),
    "digits": ('"NOW"', None, "InvalidProviderToken"),
    "old digits": ('"1"', "ExpiredProviderToken", "InvalidProviderToken"),
    "future digits": ('"9999999999"', "InvalidProviderToken", "InvalidProviderToken"),
    "milliseconds": ("NOW000", "InvalidProviderToken", "InvalidProviderToken"),
    "old": ("1", "ExpiredProviderToken", "ExpiredProviderToken"),
    "empty": ('""', "InvalidProviderToken", "InvalidProviderToken"),
    "blanks": ('" NOW"', "InvalidProviderToken", "InvalidProviderToken"),
    "sign": ('"+NOW"', "InvalidProviderToken", "InvalidProviderToken"),
    "fraction in a string": ('"NOW.5"', "InvalidProviderToken", "InvalidProviderToken"),
    "other digits": ('"\\u0661\\u0662"', "InvalidProviderToken", "InvalidProviderToken"),
    "word": ('"now"', "InvalidProviderToken", "InvalidProviderToken"),
    "NaN": ("NaN", "InvalidProviderToken", "InvalidProviderToken"),
    "NaN in a string": ('"NaN"', "InvalidProviderToken", "InvalidProviderToken"),
    "Infinity": ("Infinity", "InvalidProviderToken", "InvalidProviderToken"),
    "-Infinity": ("-Infinity", "InvalidProviderToken", "InvalidProviderToken"),
    "beyond a double": ("1e999", "InvalidProviderToken", "InvalidProviderToken"),
    "beyond a double, whole": ("1" + "0" * 400, "InvalidProviderToken", "InvalidProviderToken"),
    "true": ("true", "InvalidProviderToken", "InvalidProviderToken"),
    "null": ("null", "InvalidProviderToken", "InvalidProviderToken"),
    "array": ("[NOW]", "InvalidProviderToken", "InvalidProviderToken"),
    "object": ('{"a":NOW}', "InvalidProviderToken", "InvalidProviderToken"),
}


@pytest.mark.parametrize("name", IATS)
def test_iat_by_profile(case, name: str) -> None:
    """Digits in a string: GitHub swift-server-community/APNSwift PR 246; a number: RFC 7519 section 4.1.6; NaN: RFC 8259."""
    text, observed, strict = IATS[name]
    claims = f'{{"iss":"{case.key.team_id}","iat":{text.replace("NOW", str(int(case.now)))}}}'.encode()
    case.authorization = f"bearer {signed(case, claims=claims, form=raw)}"
    for profile, reason in (("observed", observed), ("strict", strict)):
        case.profile, case.provider = Profile.named(profile), ProviderState()
        case.profile.set({"clock_skew": 1.0})
        assert case.reason() == reason, profile


# --- in words what is wrong ---


def test_a_flaw_is_named(case) -> None:
    kid, claims = {"alg": "ES256", "kid": case.key.key_id}, {"iss": case.key.team_id, "iat": 1}
    stranger = case.registry.issue_key()
    flaws = {
        "no-jwt": "no JWT",
        "a.b": "no JWT",
        "a.b.c.d": "no JWT",
        handmade(kid, claims).replace(".", "+.", 1): "no JWT",
        handmade([], claims): "header is no JSON object",
        handmade(kid, [1]): "claims are no JSON object",
        handmade(kid, b'{"iat":NaN}'): "claims are no JSON object: NaN is not a number",
        handmade(kid, b"\xef\xbb\xbf{}"): "claims are no JSON object",
        handmade({"alg": "none", "kid": case.key.key_id}, claims): "alg is 'none'",
        handmade({"kid": case.key.key_id}, claims): "alg is missing",
        jwt.encode(claims, "s" * 32, algorithm="HS256", headers={"kid": case.key.key_id}): "alg is 'HS256'",
        handmade({"alg": "ES256"}, claims): "unknown kid: missing",
        handmade({"alg": "ES256", "kid": ""}, claims): "unknown kid: ''",
        handmade({"alg": "ES256", "kid": "ZZZZZZZZZZ"}, claims): "unknown kid: 'ZZZZZZZZZZ'",
        handmade({"alg": "ES256", "kid": ["x"]}, claims): "unknown kid: of another kind (list)",
        handmade(kid, claims): "the signature does not verify",
        case.sign(case.key._replace(private_key=stranger.private_key)): "the signature does not verify",
        case.sign(iss="ZZZZZZZZZZ"): "iss is not the key's team: it is 'ZZZZZZZZZZ'",
        case.sign(iss=""): "iss is not the key's team: it is ''",
        signed(case, claims={"iat": 1}): "iss is not the key's team: it is missing",
        case.sign(iat="soon"): "iat is not a number: it is 'soon'",
        case.sign(iat=True): "iat is not a number: it is True",
        signed(case, claims={"iss": case.key.team_id}): "iat is not a number: it is missing",
        signed(case, claims=b'{"iss":"%s","iat":1e999}' % case.key.team_id.encode()): "iat is not a number: it is inf",
    }  # fmt: skip
    for text, words in flaws.items():
        assert words in flaw(case, text)


def test_no_more_of_a_claim_is_repeated_than_a_short_word(case) -> None:
    """A kid may be anything that somebody put there by mistake, a private key among them."""
    secret = case.key.private_key
    for text in (
        handmade({"alg": "ES256", "kid": secret}, {}),
        case.sign(iss=secret),
        case.sign(iat=secret),
        handmade({"alg": secret}, {}),
    ):
        assert not re.search("BEGIN|PRIVATE", flaw(case, text))
        assert len(flaw(case, text)) < 200


def test_a_key_of_another_team_does_not_sign_for_this_one(case) -> None:
    other = case.registry.issue_key("OTHERTEAM0")
    assert good(case, case.sign(other))
    assert "iss is not the key's team" in flaw(case, case.sign(other, iss=case.key.team_id))


NO_TOKENS = [
    "", "x", "a.b", "a.b.c", "....", "é.é.é", "\udcff", handmade({"kid": ["x"]}, {}), handmade([], {}), "a" * 9000,
    "aaaaa.e30.e30", "e30=.e30=.e30=", "e30.e30.e30\n",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_TOKENS)
def test_what_is_no_token_at_all(case, text: str) -> None:
    assert flaw(case, text)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.text(max_size=60), st.lists(st.binary(max_size=40), min_size=3, max_size=3)))
def test_nothing_that_a_provider_may_send_raises(sent: str | list[bytes]) -> None:
    text = sent if isinstance(sent, str) else ".".join(map(b64, sent))
    assert isinstance(TokenReader({}).read(text), Flaw)


def test_padding_is_taken(case) -> None:
    """RFC 7515 section 2 leaves it out; readers of base64url take it (assumed for APNs)."""
    header, claims, signature = signed(case).split(".")
    text = f"{header}{'=' * (-len(header) % 4)}.{claims}"
    assert good(case, f"{text}.{b64(der(case, text))}")
    assert signature


# --- remembered ---


def test_a_verified_token_is_remembered_and_a_refused_one_is_not(case, monkeypatch) -> None:
    text = case.sign()
    token = case.reader.read(text)
    verified = []
    monkeypatch.setattr(case.reader, "_verify", verified.append)
    assert case.reader.read(text) is token
    assert verified == []
    case.reader.read("a.b.c")
    case.reader.read("a.b.c")
    assert verified == ["a.b.c", "a.b.c"]


def test_only_so_many_tokens_are_remembered(case) -> None:
    reader = TokenReader(case.registry.keys, cache_size=2)
    texts = [case.sign(iat=number) for number in range(3)]
    for text in texts:
        assert isinstance(reader.read(text), ProviderToken)
    assert list(reader._verified) == texts[1:]
