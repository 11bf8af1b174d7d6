"""Who is pushing: provider tokens, client certificates, and what a connection has shown of its provider."""

import base64
import json
import ssl
from typing import Any

import jwt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.apns.authentication import (
    MAX_TOKENS_KEPT,
    ProviderCertificate,
    TokenReader,
    bearer,
    read_certificate,
)
from simulator.apns.certificates import issue_client_certificate

WINDOW = 1200


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def handmade(header: object, claims: object, signature: bytes = b"") -> str:
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)])


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
        assert case.reader.read(case.sign(**claims)) is not None


@pytest.mark.parametrize(
    "claims", [{"iss": "ZZZZZZZZZZ"}, {"iss": ""}, {"iat": None}, {"iat": "1795226400"}, {"iat": True}]
)
def test_claims_that_do_not_fit(case, claims: dict[str, object]) -> None:
    assert case.reader.read(case.sign(**claims)) is None


def test_a_key_of_another_team_does_not_sign_for_this_one(case) -> None:
    other = case.registry.issue_key("OTHERTEAM0")
    assert case.reader.read(case.sign(other)) is not None
    assert case.reader.read(case.sign(other, iss=case.key.team_id)) is None


def test_keys_and_algorithms_that_are_refused(case) -> None:
    claims, kid = {"iss": case.key.team_id, "iat": 1}, {"kid": case.key.key_id}
    stranger = case.registry.issue_key()
    texts = [
        *(
            jwt.encode(claims, case.key.private_key, algorithm="ES256", headers=headers)
            for headers in ({}, {"kid": "ZZZZZZZZZZ"}, {"kid": ""})
        ),
        case.sign(case.key._replace(private_key=stranger.private_key)),
        jwt.encode(claims, "s" * 32, algorithm="HS256", headers=kid),
        handmade({"alg": "none", **kid}, claims),
    ]
    assert [case.reader.read(text) for text in texts] == [None] * len(texts)


NO_TOKENS = [
    "", "x", "a.b", "a.b.c", "....", "é.é.é", "\udcff", handmade({"kid": ["x"]}, {}), handmade([], {}), "a" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_TOKENS)
def test_what_is_no_token_at_all(case, text: str) -> None:
    assert case.reader.read(text) is None


def test_claims_must_be_an_object(case) -> None:
    key = load_pem_private_key(case.key.private_key.encode(), None)
    text = jwt.PyJWS().encode(b"[1]", key, algorithm="ES256", headers={"kid": case.key.key_id})
    assert case.reader.read(text) is None


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
        assert reader.read(text) is not None
    assert list(reader._verified) == texts[1:]


# --- client certificates ---


def peer(*parts: tuple[str, str]) -> dict[str, Any]:
    return {"subject": tuple((part,) for part in parts)}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, None),
        ({}, None),
        (peer(("commonName", "somebody")), None),
        (peer(("userId", "com.example.app")), ProviderCertificate("com.example.app")),
        (peer(("userId", "a.b"), ("commonName", "Apple Push Services: a.b")), ProviderCertificate("a.b")),
        (
            peer(("userId", "a.b"), ("commonName", "Apple Development IOS Push Services: a.b")),
            ProviderCertificate("a.b", "sandbox"),
        ),
    ],
)
def test_reading(said: dict[str, Any] | None, meant: ProviderCertificate | None) -> None:
    assert read_certificate(said) == meant


@pytest.mark.parametrize(
    ("realm", "sandbox", "production"),
    [(None, True, True), ("sandbox", True, False), ("production", False, True)],
)
def test_environments(realm: Any, sandbox: bool, production: bool) -> None:
    certificate = ProviderCertificate("a.b", realm)
    assert (certificate.serves("sandbox"), certificate.serves("production")) == (sandbox, production)


@pytest.mark.parametrize("realm", [None, "sandbox", "production"])
def test_what_is_issued_reads_as_it_was_meant(realm: Any) -> None:
    authority, subject = trustme.CA(), ProviderCertificate("com.example.app", realm)
    issued = issue_client_certificate(authority, subject)
    issued.configure_cert(ssl.create_default_context())  # raises unless key and certificate belong together
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.cert_pem.bytes()))
    names = {each.oid._name: str(each.value) for each in certificate.subject}
    assert read_certificate(peer(("userId", names["userID"]), ("commonName", names["commonName"]))) == subject


# --- what a connection has shown ---


def use_token(case, number: int, at: float) -> None:
    case.provider.add_token(case.reader.read(case.sign(iat=int(case.now) - number)), at)


def test_the_first_token_binds_the_connection(case) -> None:
    assert case.provider.team_id is None
    use_token(case, 0, case.now)
    case.provider.add_token(case.reader.read(case.sign(case.registry.issue_key("OTHERTEAM0"))), case.now)
    assert case.provider.team_id == case.key.team_id


def test_after_one_too_many_nothing_goes_until_the_window_has_passed(case) -> None:
    text = case.sign()
    case.provider.add_token(case.reader.read(text), case.now)
    for number in range(1, 3):
        use_token(case, number, case.now + 60 * number)
    case.provider.throttle(case.profile, case.now + 300)
    case.provider.throttle(case.profile, case.now + 400)
    assert case.provider.throttled_until == case.now + WINDOW
    assert case.provider.is_update_too_soon(text, case.profile, case.now + WINDOW - 1)
    assert not case.provider.is_update_too_soon(text, case.profile, case.now + WINDOW)


def test_a_connection_remembers_only_so_many_tokens(case) -> None:
    for number in range(MAX_TOKENS_KEPT + 3):
        use_token(case, number, case.now + number * WINDOW)
    assert len(case.provider._first_seen) == MAX_TOKENS_KEPT
