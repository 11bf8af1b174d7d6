"""Whom the relay believes to be APNs."""

import ssl
from pathlib import Path


def client_tls(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies the server against the system's CAs, or these."""
    return for_apns(ssl.create_default_context(cafile=str(ca_file) if ca_file else None))


def for_apns(tls: ssl.SSLContext) -> ssl.SSLContext:
    """The same context with what APNs demands: TLS 1.2 or newer, and ALPN h2. ValueError if it does not verify."""
    if tls.verify_mode != ssl.CERT_REQUIRED or not tls.check_hostname:
        raise ValueError("ssl_context: expected one that verifies the server's certificate and host name")
    tls.minimum_version = max(tls.minimum_version, ssl.TLSVersion.TLSv1_2)
    tls.set_alpn_protocols(["h2"])
    return tls
