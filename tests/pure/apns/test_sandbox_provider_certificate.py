"""Client certificates: what the TLS layer's words mean, and that the ones we issue say them."""

import ssl
from typing import Any

import pytest
import trustme
from cryptography import x509

from simulator.apns.authentication import ProviderCertificate, read_certificate
from simulator.apns.certificates import issue_client_certificate


def peer(*parts: tuple[str, str]) -> dict[str, Any]:
    return {"subject": tuple((part,) for part in parts)}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, None),
        ({}, None),
        (peer(("commonName", "somebody")), None),
        (peer(("userId", "com.example.app")), ProviderCertificate("com.example.app")),
        (
            peer(("userId", "a.b"), ("commonName", "Apple Push Services: a.b")),
            ProviderCertificate("a.b"),
        ),
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
