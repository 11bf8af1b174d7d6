"""What a connection has shown of its provider: client certificates, and provider tokens one after the other."""

import ssl
from typing import Any

import pytest
import trustme
from cryptography import x509

from simulator.apns.authentication import MAX_TOKENS_KEPT, ProviderCertificate, read_certificate
from simulator.apns.certificates import issue_client_certificate

WINDOW = 1200


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
