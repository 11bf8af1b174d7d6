"""The sandbox's own certificate authority: providers must trust its CA file instead of Apple's root."""

import ssl
from pathlib import Path
from typing import Final

import trustme

CA_FILE: Final = "apns-sandbox-ca.pem"
NAMES: Final = ("localhost", "127.0.0.1")


def write_ca(authority: trustme.CA, directory: Path) -> Path:
    """Write the CA certificate (no private key) as PEM; its path."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_file = directory / CA_FILE
    authority.cert_pem.write_to_path(str(ca_file))
    return ca_file


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS 1.2 or later and ALPN h2 only, as Apple's hosts (Apple: Sending notification requests to APNs)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    authority.issue_cert(*NAMES).configure_cert(context)
    return context
