"""The .p8 file in every form in which it is pasted: taken where it can mean one thing, else a sentence that says what it is."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from relay.server.apns_key import KeyTextError, read_key
from relay.server.settings import SettingsError, load

Environment = Callable[..., dict[str, str]]


def body(pem: str) -> str:
    """The base64 between its lines."""
    return "".join(pem.strip().splitlines()[1:-1])


def sec1(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda pem: pem,
    "without its last newline": str.strip,
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "escaped newlines": lambda pem: pem.replace("\n", "\\n"),
    "escaped CRLF": lambda pem: pem.replace("\n", "\\r\\n"),
    "escaped CR": lambda pem: pem.replace("\n", "\\r"),
    "blanks": lambda pem: pem.replace("\n", " "),
    "nothing between the lines": lambda pem: pem.replace("\n", ""),
    "quotes": lambda pem: f'"{pem.strip()}"',
    "quotes and escaped newlines": lambda pem: "'" + pem.replace("\n", "\\n") + "'",
    "indented": lambda pem: pem.replace("\n", "\n    "),
    "BOM": lambda pem: "\ufeff" + pem,
    "words around it": lambda pem: f"Key of the team\n{pem}\nkeep secret",
    "base64 alone": body,
    "base64 lines": lambda pem: "\n".join(pem.strip().splitlines()[1:-1]),
    "base64 lines, escaped": lambda pem: "\\r\\n".join(pem.strip().splitlines()[1:-1]),
    "base64 without padding": lambda pem: body(pem).rstrip("="),
    "base64 for URLs": lambda pem: body(pem).translate(str.maketrans("+/", "-_")),
    "the file in base64": lambda pem: b64encode(pem.encode()).decode(),
    "the file in base64, wrapped": lambda pem: re.sub("(.{76})", r"\1\n", b64encode(pem.encode()).decode()),
    "the CRLF file in base64 for URLs": lambda pem: urlsafe_b64encode(pem.replace("\n", "\r\n").encode()).decode(),
    "SEC 1": sec1,
    "SEC 1 behind its parameters": lambda pem: "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1(pem),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_is_taken(environment: Environment, private_key: str, form: str) -> None:
    assert load(environment(APNS_PRIVATE_KEY=FORMS[form](private_key))).apns_private_key == private_key


def key_text(kind: str) -> str:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else None
    key = key or ec.generate_private_key(ec.SECP384R1() if kind == "p-384" else ec.SECP256R1())
    if kind == "public":
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    cipher: KeySerializationEncryption = NoEncryption()
    shape = PrivateFormat.PKCS8
    if kind in ("passphrase", "old passphrase", "passphrase in base64"):
        cipher = BestAvailableEncryption(b"hunter2")
        shape = PrivateFormat.TraditionalOpenSSL if kind == "old passphrase" else PrivateFormat.PKCS8
    pem = key.private_bytes(Encoding.PEM, shape, cipher).decode()
    return body(pem) if kind == "passphrase in base64" else pem


REFUSED = {
    "rsa": "must be an EC P-256 key: APNs accepts ES256 only",
    "p-384": "must be an EC P-256 key: APNs accepts ES256 only",
    "passphrase": "it is a private key with a passphrase",
    "old passphrase": "it is a private key with a passphrase",
    "passphrase in base64": "it is a private key with a passphrase",
    "public": "it is a public key",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_key_of_another_kind(kind: str) -> None:
    text = key_text(kind)
    with pytest.raises(KeyTextError, match=REFUSED[kind]) as caught:
        read_key(text)
    assert "".join(text.splitlines()[-3:])[:20] not in str(caught.value)


TEXTS = {
    "-----BEGIN PRIVATE KEY-----": "it is cut off",
    "-----BEGIN PRIVATE KEY-----\nMIGT": "it is cut off",
    "-----BEGIN CERTIFICATE-----\nMIGT\n-----END CERTIFICATE-----": "it is a certificate",
    "-----BEGIN PRIVATE KEY-----\nMIGT\n-----END PRIVATE KEY-----": "must be the text of the .p8 file",
    "-----BEGIN PRIVATE KEY-----\nM!GT\n-----END PRIVATE KEY-----": "must be the text of the .p8 file",
    "hunter2": "must be the text of the .p8 file",
    "päßword": "must be the text of the .p8 file",
    "KEY1234567": "must be the text of the .p8 file",
    "AuthKey_KEY1234567.p8": "it looks like a path: name the file by APNS_PRIVATE_KEY_FILE",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_none(text: str) -> None:
    with pytest.raises(KeyTextError, match=re.escape(TEXTS[text])) as caught:
        read_key(text)
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def key_file(tmp_path: Path, private_key: str) -> Path:
    file = tmp_path / "AuthKey_KEY1234567.p8"
    file.write_text(private_key)
    return file


@pytest.mark.parametrize("prefix", ["", "file://"])
@pytest.mark.parametrize("name", ["APNS_PRIVATE_KEY", "APNS_PRIVATE_KEY_FILE"])
def test_a_path(environment: Environment, key_file: Path, private_key: str, name: str, prefix: str) -> None:
    found = load(environment() | {"APNS_PRIVATE_KEY": ""} | {name: f"{prefix}{key_file}"})
    assert found.apns_private_key == private_key


def test_a_path_at_home(
    environment: Environment, key_file: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    assert load(environment(APNS_PRIVATE_KEY=f"~/{key_file.name}")).apns_private_key == private_key


def test_the_text_and_the_file_are_one_too_many(environment: Environment, key_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"^APNS_PRIVATE_KEY_FILE is set, and so is APNS_PRIVATE_KEY"):
        load(environment(APNS_PRIVATE_KEY_FILE=str(key_file)))


def test_the_name_of_the_file_is_compared_with_the_id(environment: Environment, key_file: Path) -> None:
    given = environment(APNS_KEY_ID="KEY7654321", APNS_PRIVATE_KEY=str(key_file))
    with pytest.raises(SettingsError, match=r"^APNS_KEY_ID is not the id in the file's name"):
        load(given)
    renamed = key_file.rename(key_file.with_name("key.p8"))
    load(given | {"APNS_PRIVATE_KEY": str(renamed)})


@pytest.mark.parametrize("content", [b"", b"hunter2", b"\xff\xfe\x00", b"-----BEGIN PRIVATE KEY-----"])
def test_a_file_that_holds_none(environment: Environment, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hunter2.p8").write_bytes(content)
    with pytest.raises(
        SettingsError, match=r"^APNS_PRIVATE_KEY_FILE (names a file that holds no such key|must)"
    ) as caught:
        load(environment() | {"APNS_PRIVATE_KEY": "", "APNS_PRIVATE_KEY_FILE": f"{tmp_path}/hunter2.p8"})
    assert "hunter2" not in str(caught.value)
