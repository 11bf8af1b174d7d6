"""What a lab must remember for tokens to survive a restart: keys, apps, devices, profile, CA; as data, and in a file.

The file holds private keys, so only its owner may read it, and it is whole at any moment.
"""

import os
from pathlib import Path
from typing import Any, Literal

import msgspec
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.apns.errors import SandboxError
from simulator.apns.registry import KINDS, DeviceToken, Kind, ProviderKey, Realm, SigningKey
from simulator.lab.device import Device, DeviceSpec
from simulator.lab.errors import LabError, StateError
from simulator.lab.lab import Lab


class SavedKey(msgspec.Struct, frozen=True):
    """A provider key with its private half (PKCS#8 PEM)."""

    key_id: str
    team_id: str
    private_key: str
    realm: Realm | None = None
    topics: tuple[str, ...] | None = None
    related_to: str | None = None
    revoked: bool = False


class SavedApp(msgspec.Struct, frozen=True):
    """An app of a team."""

    bundle_id: str
    team_id: str


class SavedToken(msgspec.Struct, frozen=True):
    """A device token, whole."""

    kind: Kind
    token: str


class SavedDevice(msgspec.Struct, frozen=True):
    """A phone and the tokens its app has from the start; what is on its screen is not kept."""

    spec: DeviceSpec
    tokens: tuple[SavedToken, ...]


class State(msgspec.Struct, frozen=True):
    """All of it. `version` is that of this format."""

    team_id: str
    keys: tuple[SavedKey, ...]
    apps: tuple[SavedApp, ...]
    devices: tuple[SavedDevice, ...]
    profile: dict[str, Any] = {}
    version: Literal[1] = 1


def state_of(lab: Lab) -> State:
    """What is to be remembered of a lab now."""
    registry = lab.sandbox.registry
    return State(
        team_id=registry.team_id,
        keys=tuple(_saved_key(lab.keys[key_id], registry.keys[key_id]) for key_id in lab.keys),
        apps=tuple(SavedApp(app.bundle_id, app.team_id) for app in registry.apps.values()),
        devices=tuple(_saved_device(device) for device in lab.devices),
        profile=lab.sandbox.profile.dump(),
    )


def restore(lab: Lab, state: State) -> None:
    """Make an empty lab what it was. StateError if the state contradicts itself."""
    try:
        _restore(lab, state)
    except (LabError, SandboxError, ValueError, TypeError) as error:
        raise StateError(f"the saved state is broken: {error}") from None


def _restore(lab: Lab, state: State) -> None:
    registry = lab.sandbox.registry
    registry.team_id = state.team_id
    for app in state.apps:
        lab.sandbox.add_app(app.bundle_id, app.team_id)
    for key in state.keys:
        lab.keys[key.key_id] = ProviderKey(key.key_id, key.team_id, key.private_key)
        registry.keys[key.key_id] = _signing_key(key)
    for device in state.devices:
        _restore_device(lab, device)
    lab.sandbox.profile.set(state.profile)


def _saved_key(key: ProviderKey, signing: SigningKey) -> SavedKey:
    topics = None if signing.topics is None else tuple(sorted(signing.topics))
    return SavedKey(*key, signing.realm, topics, signing.related_to, signing.revoked)


def _signing_key(key: SavedKey) -> SigningKey:
    private = load_pem_private_key(key.private_key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise StateError(f"the private key of {key.key_id} is not one of an elliptic curve")
    topics = None if key.topics is None else frozenset(key.topics)
    return SigningKey(
        key.key_id, key.team_id, private.public_key(), key.realm, topics, key.related_to, key.revoked
    )


def _saved_device(device: Device) -> SavedDevice:
    """An app that was removed has no tokens; the next start gives it new ones."""
    tokens = device.tokens.items() if device.phone.device.app_installed else ()
    return SavedDevice(device.spec, tuple(SavedToken(kind, token) for kind, token in tokens))


def _restore_device(lab: Lab, saved: SavedDevice) -> None:
    bundle_id, realm = saved.spec.bundle_id, saved.spec.realm
    tokens = lab.sandbox.registry.tokens[realm]
    for one in saved.tokens:
        topic = bundle_id + KINDS[one.kind].suffix
        tokens[one.token] = DeviceToken(one.token, bundle_id, realm, one.kind, topic)
    lab.add_device(saved.spec, {one.kind: one.token for one in saved.tokens})


# --- the file ---------------------------------------------------------------------------------------------------


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
