"""Fixtures for all tests: a key, an environment, the databases. Component folders add theirs beside."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import settings

from mariadb import MariaDB, MissingError

# `make test` draws the same examples every time, so that it judges the change and not the draw; `make explore` looks for new ones.
settings.register_profile("repeat", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

Environment = Callable[..., dict[str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of few tests first: the long stories are among them, and none may begin when the other workers are done."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


@pytest.fixture(scope="session")
def signing_key() -> ec.EllipticCurvePrivateKey:
    """An EC P-256 key, as Apple gives one in a .p8 file."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def private_key(signing_key: ec.EllipticCurvePrivateKey) -> str:
    """That key as PEM: the value of APNS_PRIVATE_KEY."""
    return signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def public_key(signing_key: ec.EllipticCurvePrivateKey) -> str:
    """Its public half as PEM."""
    return signing_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="session")
def environment(private_key: str) -> Environment:
    """`environment(PORT="1", ...)`: the variables that the relay needs, and those given. Limits are off where a test is not about them."""

    def build(**changes: str) -> dict[str, str]:
        return {
            "APNS_TEAM_ID": "TEAM123456",
            "APNS_KEY_ID": "KEY1234567",
            "APNS_PRIVATE_KEY": private_key,
            "APNS_DEFAULT_BUNDLE_ID": "com.example.app",
            "RELAY_LIMITS": "off",
        } | changes

    return build


@pytest.fixture
def untraced() -> Iterator[None]:
    """Coverage looks away: a test that does the same a hundred thousand times would take four times as long."""
    coverage = Coverage.current()
    if coverage is None:
        yield
        return
    coverage.stop()
    yield
    coverage.start()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The private MariaDB, started when the first test wants it."""
    try:
        server = MariaDB()
    except MissingError as error:
        pytest.skip(str(error))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.kill()


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database; the test runs once on SQLite and once on MariaDB."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path}/relay.sqlite3"
        return
    server: MariaDB = request.getfixturevalue("mariadb")
    url = server.new_database()
    yield url
    server.drop_database(url)
