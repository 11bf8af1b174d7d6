"""The files that keep the relay secret and the key for sealed texts, so that the phones stay paired when the bridge starts again."""

import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from relay.bridge.errors import OptionError, SecretFileError
from relay.encryption import PairingKey
from relay.fields import MIN_SECRET_LENGTH
from relay.log import line

log = logging.getLogger("relay.bridge.pairing.secret_file")

MAX_SECRET_LENGTH = 512
"""The contract's limit."""
SECRET_BYTES = 18
"""24 characters of base64, as the first implementation generates."""


def default_secret_file(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/opencode-push-relay/relay-secret`; without that variable below `~/.local/state`."""
    state = environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "opencode-push-relay" / "relay-secret"


def checked_secret(secret: str, where: str) -> str:
    """`secret` if the relay would take it. Raises OptionError, which names `where` it is from and never repeats it."""
    if not MIN_SECRET_LENGTH <= len(secret) <= MAX_SECRET_LENGTH:
        raise OptionError(
            f"{where} must have {MIN_SECRET_LENGTH} to {MAX_SECRET_LENGTH} characters, but has {len(secret)}"
        )
    return secret


def load_secret(path: Path) -> str:
    """The secret in `path`; if there is no such file, one is made with a new secret, readable by its owner only.

    Raises SecretFileError if that is impossible, OptionError if the file holds no usable secret.
    """
    return checked_secret(_load(path, secrets.token_urlsafe(SECRET_BYTES), "secret"), f"the secret in {path}")


def load_key(path: Path) -> PairingKey:
    """The key in `path`; made if there is no such file, like the secret. Raises SecretFileError, OptionError."""
    try:
        return PairingKey.parse(_load(path, PairingKey.new().text, "key"))
    except ValueError as error:
        raise OptionError(
            f"the key file {path} holds no key: {error}. relay pair --rotate-key makes one"
        ) from None


def renew_key(path: Path) -> None:
    """Put a new key into `path`, in one step. Raises SecretFileError."""
    try:
        _write(path, PairingKey.new().text, Path.replace)
    except OSError as error:
        raise SecretFileError(f"cannot write the key file {path}: {error.strerror}") from None


OPEN = {"secret": "others can read the secret", "key": "others can read the key"}


def _load(path: Path, new: str, what: str) -> str:
    try:
        if not path.exists():
            _write(path, new, _publish)
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode & 0o777
    except UnicodeDecodeError:
        raise SecretFileError(f"the {what} file {path} is not a text file") from None
    except OSError as error:
        raise SecretFileError(f"cannot use the {what} file {path}: {error.strerror}") from None
    if mode & 0o077:
        log.warning(line(OPEN[what], path=path, mode=oct(mode), remedy="chmod 600"))
    return text


def renew_secret(path: Path, relay_url: str) -> None:
    """Put a new secret into `path`, in one step. The old one is kept beside it first, until its relay has forgotten it.

    Raises SecretFileError; then the old one is still the secret.
    """
    try:
        if path.exists():
            old = path.read_text(encoding="utf-8", errors="replace").strip()
            if MIN_SECRET_LENGTH <= len(old) <= MAX_SECRET_LENGTH:
                _keep(path, [*replaced_secrets(path), (relay_url, old)])
        _write(path, secrets.token_urlsafe(SECRET_BYTES), Path.replace)
    except OSError as error:
        raise SecretFileError(f"cannot write the secret file {path}: {error.strerror}") from None


def replaced_secrets(path: Path) -> list[tuple[str, str]]:
    """(relay URL, secret) of those that were replaced and that their relay has not forgotten yet. The secret in use is none of them."""
    try:
        lines = _replaced_file(path).read_text(encoding="utf-8").splitlines()
        current = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return []
    entries = (text.split("\t", 1) for text in lines if "\t" in text)
    return [(url, secret) for url, secret in entries if secret != current]


def keep_replaced(path: Path, *, without: tuple[str, str]) -> None:
    """The relay has forgotten this one."""
    _keep(path, [entry for entry in replaced_secrets(path) if entry != without])


def _keep(path: Path, entries: list[tuple[str, str]]) -> None:
    file = _replaced_file(path)
    if entries:
        _write(file, "\n".join("\t".join(entry) for entry in entries), Path.replace)
    else:
        file.unlink(missing_ok=True)


def _replaced_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.replaced")


def _write(path: Path, secret: str, publish: Callable[[Path, Path], object]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600 from the start
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        publish(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def _publish(finished: Path, path: Path) -> None:
    try:
        path.hardlink_to(finished)  # fails if another bridge was faster: then its secret is the one
    except FileExistsError:
        return
    except OSError:
        finished.replace(path)  # a file system without hard links
