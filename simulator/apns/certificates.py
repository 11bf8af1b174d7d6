"""The sandbox's own certificate authority: providers must trust its CA file instead of Apple's root."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.apns.authentication import ProviderCertificate

CA_FILE: Final = "apns-sandbox-ca.pem"
NAMES: Final = (
    "localhost",
    "127.0.0.1",
    # Of Apple, for clients whose hosts are built in and whose connections are led here (Apple: Sending notification
    # requests to APNs, documented; "development" is the older name, observed in use).
    "api.push.apple.com",
    "api.sandbox.push.apple.com",
    "api.development.push.apple.com",
    "api-manage-broadcast.push.apple.com",
    "api-manage-broadcast.sandbox.push.apple.com",
)
LIFETIME: Final = timedelta(days=397)  # about as long as Apple's


class ClientCertificate(NamedTuple):
    """What a provider needs for certificate authentication: both parts as PEM."""

    certificate: str
    private_key: str

    @property
    def pem(self) -> str:
        """Both in one, as `ssl.SSLContext.load_cert_chain` takes them from a file."""
        return self.private_key + self.certificate

    def configure_cert(self, context: ssl.SSLContext) -> None:
        """Let a Python client show it, by way of a temporary file, the only form `ssl` takes."""
        with TemporaryDirectory(prefix="apns-client-") as folder:
            file = Path(folder, "client.pem")
            file.touch(mode=0o600)
            file.write_text(self.pem)
            context.load_cert_chain(file)


def write_ca(authority: trustme.CA, directory: Path) -> Path:
    """Write the CA certificate (no private key) as PEM; its path."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_file = directory / CA_FILE
    authority.cert_pem.write_to_path(str(ca_file))
    return ca_file


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS 1.2 or later and ALPN h2 only, as Apple's hosts (Apple: Sending notification requests to APNs).

    Like them it asks for a client certificate and does without (GitHub firebase/firebase-ios-sdk issue 4042); one that
    is shown must be of this authority. The certificate is good for `names`, too; ValueError if one is neither a host name nor an address.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)
    authority.issue_cert(*dict.fromkeys((*NAMES, *names))).configure_cert(context)
    return context


def issue_client_certificate(authority: trustme.CA, subject: ProviderCertificate) -> ClientCertificate:
    """A client certificate with Apple's naming: the bundle id is the subject's UID."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    issuer_key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # trustme's default kind
    now = datetime.now(UTC)  # TLS libraries check certificates by the machine's clock, not by the sandbox's
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_issued_by(issuer), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ClientCertificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"), private_key.decode("ascii")
    )


def _name(subject: ProviderCertificate) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, subject.bundle_id),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name),
        ]
    )


def _issued_by(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
