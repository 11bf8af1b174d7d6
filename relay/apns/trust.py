"""Whom the relay believes to be APNs."""

import ssl
from pathlib import Path


def client_tls(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer with ALPN h2, as APNs demands; the server is always verified, against the system's CAs or these."""
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_alpn_protocols(["h2"])
    return tls
