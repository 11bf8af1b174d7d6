"""A small APNs on loopback that does what the test says, and the certificate that makes a client trust it."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from misbehaving_apns import MisbehavingApns


@dataclass(frozen=True)
class Certificates:
    """A CA as a file, and a server context with a certificate of it for 127.0.0.1, alias localhost."""

    ca_file: Path
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return Certificates(path, context)


@pytest.fixture
async def apns(certificates: Certificates) -> AsyncIterator[MisbehavingApns]:
    """A running server; it answers every push with 200 until the test says otherwise."""
    async with MisbehavingApns().listening(certificates.server) as running:
        yield running
