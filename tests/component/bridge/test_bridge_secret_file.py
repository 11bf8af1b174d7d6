"""The secret on disk, and the addresses of this machine."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from component.bridge.fake_opencode import FakeOpenCode
from relay.bridge.errors import BridgeError, OptionError, SecretFileError
from relay.bridge.pairing.hosts import answering_addresses, own_addresses
from relay.bridge.pairing.secret_file import checked_secret, default_secret_file, load_secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_secret_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "relay-secret"
    secret = load_secret(path)
    assert len(secret) == 24
    assert load_secret(path) == secret
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["relay-secret"]


def test_the_file_is_private_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    link = Path.hardlink_to

    def watched(self: Path, target: Path) -> None:
        seen.append((Path(target).read_text(), mode(Path(target))))
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", watched)
    old = os.umask(0)
    try:
        secret = load_secret(tmp_path / "relay-secret")
    finally:
        os.umask(old)
    assert seen == [(secret + "\n", 0o600)]


def test_two_bridges_that_start_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "relay-secret"
    link = Path.hardlink_to

    def slower(self: Path, target: Path) -> None:
        path.write_text("the-others-secret-1234\n")
        path.chmod(0o600)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", slower)
    assert load_secret(path) == "the-others-secret-1234"
    assert [file.name for file in tmp_path.iterdir()] == ["relay-secret"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    secret = load_secret(tmp_path / "relay-secret")
    assert load_secret(tmp_path / "relay-secret") == secret
    assert mode(tmp_path / "relay-secret") == 0o600
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_others_can_read_is_complained_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "relay-secret"
    path.write_text("  s3cret-s3cret-s3cret \n")
    path.chmod(0o644)
    assert load_secret(path) == "s3cret-s3cret-s3cret"
    assert f'"others can read the secret" path={path} mode=0o644'.replace('"', "") in caplog.text.replace(
        '"', ""
    )
    assert "s3cret-" not in caplog.text


@pytest.mark.parametrize("text", ["", "too short", "x" * 15, "x" * 513])
def test_a_file_without_a_usable_secret(tmp_path: Path, text: str) -> None:
    path = tmp_path / "relay-secret"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(
        OptionError, match=f"the secret in .*relay-secret must have 16 to 512.*has {len(text)}"
    ):
        load_secret(path)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match=r"cannot use the secret file .*: Is a directory"):
        load_secret(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretFileError, match="cannot use the secret file"):
        load_secret(tmp_path / "file" / "relay-secret")
    (tmp_path / "binary").write_bytes(b"\xff" * 20)
    with pytest.raises(SecretFileError, match="is not a text file"):
        load_secret(tmp_path / "binary")


def test_errors_are_one_tree_and_never_repeat_the_secret() -> None:
    with pytest.raises(BridgeError) as caught:
        checked_secret("short-one", "the relay secret")
    assert str(caught.value) == "the relay secret must have 16 to 512 characters, but has 9"


def test_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    inside = "opencode-push-relay/relay-secret"
    assert default_secret_file({}) == Path("/home/me/.local/state") / inside
    assert default_secret_file({"XDG_STATE_HOME": ""}) == Path("/home/me/.local/state") / inside
    assert default_secret_file({"XDG_STATE_HOME": "/state"}) == Path("/state") / inside


async def test_only_addresses_that_take_a_connection_answer(fake_opencode: FakeOpenCode) -> None:
    port = fake_opencode.port
    assert await answering_addresses(["127.0.0.1", "127.0.0.2", "256.0.0.1"], port, 0.5) == ["127.0.0.1"]
    assert await answering_addresses([], port) == []


def test_a_machine_without_a_network_has_no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unconnected(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Unconnected)
    assert own_addresses() == []
