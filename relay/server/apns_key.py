"""The private key of Apple's .p8 file, in the forms in which people and their tools hand it over. Pure.

Taken is what can only mean one thing: the PEM text, on many lines or on one, with newlines, CRLF, a literal \\n or \\r\\n, or
blanks for them; the base64 in it without the lines around it; and the file once more in base64, as CI systems keep secrets.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_OTHER_LABELS: Final = {
    "ENCRYPTED PRIVATE KEY": "a private key with a passphrase: Apple's .p8 file has none",
    "PUBLIC KEY": "a public key, not the private key of the .p8 file",
    "CERTIFICATE": "a certificate, not the private key of the .p8 file",
    "CERTIFICATE REQUEST": "a certificate request, not the private key of the .p8 file",
    "OPENSSH PRIVATE KEY": "a key of SSH, not that of the .p8 file",
}
FORMS: Final = "must be the text of the .p8 file (PEM with real or escaped newlines, or base64)"


class KeyTextError(ValueError):
    """No key of APNs; says what the text looks like, never what it is."""


def read_key(text: str) -> str:
    """The key as PEM. Raises KeyTextError."""
    text = _plain(text)
    if is_path(text):
        raise KeyTextError(f"{FORMS}, it looks like a path: name the file by APNS_PRIVATE_KEY_FILE")
    return _canonical(_from_pem(text) if "-----" in text else _from_base64(text))


def is_path(text: str) -> bool:
    """Base64 of a key begins with M, PEM with hyphens."""
    return text.startswith(("/", "./", "../", "~/", "file:")) or text.endswith((".p8", ".pem"))


def key_id_of(file_name: str) -> str | None:
    """Apple names its files AuthKey_KEYID1234.p8."""
    found = re.match(r"AuthKey_([A-Z0-9]{10})\b", file_name)
    return found[1] if found else None


def _plain(text: str) -> str:
    for escaped in ("\\r\\n", "\\n", "\\r"):
        text = text.replace(escaped, "\n")
    return text.strip("\ufeff\"' \t\r\n")


def _from_pem(text: str) -> bytes:
    blocks = {label: body for label, body in _BLOCK.findall(text) if label != "EC PARAMETERS"}
    if not blocks:
        raise KeyTextError(
            f"{FORMS}, it is cut off: write its newlines as \\n if only the first line arrives"
        )
    label, body = next(iter(blocks.items()))
    if label in _OTHER_LABELS or "ENCRYPTED" in body:
        raise KeyTextError(
            f"{FORMS}, it is {_OTHER_LABELS.get(label, _OTHER_LABELS['ENCRYPTED PRIVATE KEY'])}"
        )
    return _base64(body)


def _from_base64(text: str) -> bytes:
    octets = _base64(text)
    if b"-----BEGIN" not in octets:
        return octets
    return _from_pem(_plain(octets.decode("utf-8", "replace")))


def _base64(text: str) -> bytes:
    """With blanks in it, of either alphabet (RFC 4648 4 and 5), padded or not."""
    digits = "".join(text.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (Base64Error, ValueError):
        raise KeyTextError(FORMS) from None


def _canonical(der: bytes) -> str:
    try:
        key = load_der_private_key(der, password=None)
    except TypeError:
        raise KeyTextError(f"{FORMS}, it is {_OTHER_LABELS['ENCRYPTED PRIVATE KEY']}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyTextError(FORMS) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyTextError("must be an EC P-256 key: APNs accepts ES256 only")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
