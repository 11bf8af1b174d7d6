"""The state of a lab in a file. It holds private keys, so only its owner may read it, and it is whole at any moment."""

import os
from pathlib import Path

import msgspec
import trustme

from simulator.lab.errors import StateError
from simulator.lab.state import State


class Saved(msgspec.Struct, frozen=True):
    """The state, and the authority whose CA file providers trust (PEM)."""

    certificate: str
    private_key: str
    state: State

    def authority(self) -> trustme.CA:
        """The authority again, so that the CA file stays the same. StateError if it is none."""
        try:
            return trustme.CA.from_pem(self.certificate.encode(), self.private_key.encode())
        except ValueError as error:
            raise StateError(f"the certificate authority in the state file is broken: {error}") from None


class StateFile:
    """Written only when something changed, by replacing the old file in one step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = b""

    def load(self) -> Saved | None:
        """What was saved; None if there is no file yet. StateError if it cannot be read or is no such file."""
        try:
            self._written = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            return msgspec.json.decode(self._written, type=Saved)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise StateError(f"{self.path} is no state of an APNs sandbox: {error}") from None

    def save(self, authority: trustme.CA, state: State) -> bool:
        """Write it down, mode 0600; False if nothing had changed. StateError if the file cannot be written."""
        certificate = authority.cert_pem.bytes().decode("ascii")
        private_key = authority.private_key_pem.bytes().decode("ascii")
        octets = msgspec.json.format(msgspec.json.encode(Saved(certificate, private_key, state)), indent=2)
        if octets == self._written:
            return False
        try:
            write_private(self.path, octets)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from None
        self._written = octets
        return True


def write_private(path: Path, octets: bytes) -> None:
    """Put a file where it belongs in one step, readable by its owner only from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
