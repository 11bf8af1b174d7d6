"""What survives a restart: the same tokens, keys and apps in another lab, and files that are no state."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simulator.lab.device import DeviceSpec
from simulator.lab.errors import StateError
from simulator.lab.lab import Lab
from simulator.lab.state import State, StateFile, restore, state_of, write_private
from simulator.phone.activitykit.attributes import ActivityType

from .conftest import TOPIC

EDWARDS = (
    Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
PIZZA = ActivityType("Pizza", {"shop": "string"}, {"eta": "int"})


@pytest.fixture
def full(lab: Lab) -> Lab:
    """A lab with something of each kind."""
    lab.sandbox.add_app("com.other", "OTHERTEAM1")
    first = lab.issue_key()
    lab.issue_key("OTHERTEAM1", realm="sandbox", topics=frozenset({"b", "a"}), related_to=first.key_id)
    lab.revoke_key(first.key_id)
    lab.add_device(DeviceSpec("iPhone", TOPIC))
    lab.add_device(DeviceSpec("iPad", "com.other", "production", "26.0", "strict", (PIZZA,)))
    lab.sandbox.profile.set({"stream_limit": 7, "device_rate": {"burst": 2, "per_second": 3.0}})
    return lab


def _through_json(state: State) -> State:
    return msgspec.json.decode(msgspec.json.encode(state), type=State)


def test_another_lab_becomes_the_same(full: Lab, make_lab: Any) -> None:
    state = state_of(full)
    other = make_lab(2)
    restore(other, _through_json(state))
    assert state_of(other) == state
    assert {device.spec.name: device.tokens for device in other.devices} == {
        device.spec.name: device.tokens for device in full.devices
    }
    assert other.keys == full.keys


def test_the_restored_tokens_work(full: Lab, make_lab: Any) -> None:
    other = make_lab(2)
    restore(other, state_of(full))
    registry = other.sandbox.registry
    for device in other.devices:
        for kind, token in device.tokens.items():
            record, before = registry.token(token), full.sandbox.registry.token(token)
            assert record.device is device.phone
            assert (record.kind, record.topic, record.realm) == (kind, before.topic, before.realm)


def test_an_app_that_was_removed_comes_back_with_new_tokens(lab: Lab, make_lab: Any) -> None:
    device = lab.add_device(DeviceSpec("iPhone", TOPIC))
    lab.change_device("iPhone", {"app_installed": False})
    other = make_lab(2)
    restore(other, state_of(lab))
    assert set(other.device("iPhone").tokens) == set(device.tokens)
    assert not set(other.device("iPhone").tokens.values()) & set(device.tokens.values())


def _broken(change: Any) -> Any:
    def of(state: State) -> State:
        fields: dict[str, Any] = json.loads(msgspec.json.encode(state))
        change(fields)
        return msgspec.convert(fields, State)

    return of


BROKEN = {
    "a device of no app": _broken(lambda state: state["apps"].clear()),
    "a device twice": _broken(lambda state: state["devices"].append(state["devices"][0])),
    "a profile of nothing": _broken(lambda state: state["profile"].update(patience=1)),
    "a key that is none": _broken(lambda state: state["keys"][0].update(private_key="x")),
    "a key of no elliptic curve": _broken(lambda state: state["keys"][0].update(private_key=EDWARDS)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_state_that_contradicts_itself(full: Lab, make_lab: Any, what: str) -> None:
    with pytest.raises(StateError, match="saved state is broken"):
        restore(make_lab(2), BROKEN[what](state_of(full)))


# The file.


def test_what_was_saved_is_loaded_with_the_same_authority(
    full: Lab, authority: trustme.CA, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "state.json"
    assert StateFile(path).save(authority, state_of(full)) is True
    saved = StateFile(path).load()
    assert saved is not None
    assert saved.state == state_of(full)
    assert saved.authority().cert_pem.bytes() == authority.cert_pem.bytes()
    saved.authority().issue_cert("localhost")
    with pytest.raises(StateError, match="authority"):
        msgspec.structs.replace(saved, certificate="x").authority()
    fields = json.loads(path.read_text())
    fields["state"]["version"] = 2
    path.write_text(json.dumps(fields))
    with pytest.raises(StateError, match="version"):
        StateFile(path).load()


def test_only_the_owner_may_read_it_whatever_the_umask_was(
    full: Lab, authority: trustme.CA, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    path.write_text("{}")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        StateFile(path).save(authority, state_of(full))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_nothing_is_written_when_nothing_changed(full: Lab, authority: trustme.CA, tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    assert file.save(authority, state_of(full))
    written = file.path.stat().st_mtime_ns
    assert not file.save(authority, state_of(full))
    again = StateFile(file.path)
    saved = again.load()
    assert saved is not None
    assert not again.save(saved.authority(), saved.state)
    assert file.path.stat().st_mtime_ns == written
    full.add_device(DeviceSpec("Two", TOPIC))
    assert file.save(authority, state_of(full))


def test_the_old_file_keeps_when_the_new_one_cannot_be_written(
    full: Lab, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path / "state.json")
    file.save(authority, state_of(full))
    old = file.path.read_bytes()
    full.add_device(DeviceSpec("Two", TOPIC))

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StateError, match="No space left"):
        file.save(authority, state_of(full))
    assert file.path.read_bytes() == old
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"certificate": 1}', "\udcff"])
def test_a_file_that_is_something_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        StateFile(tmp_path).load()
    path = tmp_path / "state.json"
    assert StateFile(path).load() is None
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StateError, match=r"state\.json is no state"):
        StateFile(path).load()


def test_a_draft_that_a_crash_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "key.p8"
    (tmp_path / f".key.p8.{os.getpid()}").write_text("half")
    write_private(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
