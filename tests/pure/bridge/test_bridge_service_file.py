"""The registration of OpenCode 2's managed service: whom it is believed, and what is said of one that is not."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from relay.bridge.errors import BadServiceFile
from relay.bridge.sources.service_file import (
    Service,
    is_foreign,
    local_url,
    read_service,
    service_path,
    socket_table,
)

PASSWORD = "geheim-nV8"
SERVICE: dict[str, Any] = {
    "id": "b1f0",
    "version": "2.0.22",
    "url": "http://127.0.0.1:49374",
    "pid": 48213,
    "password": PASSWORD,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "service.json"
    path.write_text(json.dumps(SERVICE))
    path.chmod(0o600)
    return path


def refused(path: Path, uid: int | None = None) -> str:
    with pytest.raises(BadServiceFile) as raised:
        read_service(path, uid)
    assert PASSWORD not in str(raised.value)
    assert raised.value.remedy
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"XDG_STATE_HOME": "/state"}, "/state/opencode/service.json"),
        ({}, "~/.local/state/opencode/service.json"),
        ({"XDG_STATE_HOME": ""}, "~/.local/state/opencode/service.json"),
    ],
)
def test_it_lies_where_opencode_puts_it(environment: dict[str, str], where: str) -> None:
    assert service_path(environment) == Path(where).expanduser()


def test_what_opencode_writes_is_read_and_its_password_does_not_show(path: Path) -> None:
    service = read_service(path)
    assert service == Service(url="http://127.0.0.1:49374", pid=48213, version="2.0.22", password=PASSWORD)
    assert PASSWORD not in repr(service)


def test_none_is_none(tmp_path: Path) -> None:
    assert read_service(tmp_path / "service.json") is None
    (tmp_path / "opencode").write_text("")
    assert read_service(tmp_path / "opencode" / "service.json") is None


@pytest.mark.parametrize(("mode", "words"), [(0o644, "others can read it"), (0o620, "others can write it"), (0o602, "others can write it")])  # fmt: skip
def test_one_that_others_can_read_or_write_is_not_believed(path: Path, mode: int, words: str) -> None:
    path.chmod(mode)
    assert refused(path).endswith(f"{words}: chmod 600 {path}")


def test_another_users_is_not_believed(path: Path) -> None:
    assert "belongs to another user: run the bridge as the user who runs OpenCode" in refused(
        path, os.getuid() + 1
    )


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert "is a symbolic link: remove it" in refused(link)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        assert "is no file" in refused(path)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_one_that_cannot_be_read_is_named(path: Path) -> None:
    path.chmod(0)
    assert "cannot be read" in refused(path)


def test_one_that_the_system_does_not_open_is_named(path: Path) -> None:
    assert "cannot be read (File name too long)" in refused(path.with_name("x" * 300))


def test_a_huge_one_is_not_read(path: Path) -> None:
    path.write_text(" " * 70_000 + json.dumps(SERVICE))
    assert "has more than 64 KiB" in refused(path)


@pytest.mark.parametrize("length", [0, 1, 40, len(json.dumps(SERVICE)) - 1])
def test_half_of_one_is_waited_for(path: Path, length: int) -> None:
    path.write_text(json.dumps(SERVICE)[:length])
    assert "is not written to its end: if it stays so" in refused(path)


@pytest.mark.parametrize(
    "text",
    [
        "{nonsense}",
        "[{}]}",
        "{}",
        '{"type": "module"}',
        *(json.dumps({name: value for name, value in SERVICE.items() if name != left_out}) for left_out in ("url", "pid", "version", "password")),
        *(json.dumps(SERVICE | changed) for changed in (
            {"pid": "48213"}, {"url": 7}, {"url": "ftp://127.0.0.1"}, {"url": "http://"}, {"url": "http://[::1"},
            {"url": "http://127.0.0.1:0"}, {"url": "http://127.0.0.1:99999"}, {"url": "http://me:x@127.0.0.1:1"}, {"password": None},
        )),
    ],
)  # fmt: skip
def test_what_is_not_opencodes_is_named(path: Path, text: str) -> None:
    path.write_text(text)
    assert "is not what OpenCode writes (url, pid, version, password): opencode service restart" in refused(
        path
    )


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:49374", "http://127.0.0.1:49374"),
        ("http://127.0.0.1:49374/", "http://127.0.0.1:49374"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("http://127.9.9.9:1", "http://127.9.9.9:1"),
        ("http://0.0.0.0:49374", "http://127.0.0.1:49374"),  # it listens everywhere, here too
        ("http://[::]:49374", "http://[::1]:49374"),
        ("http://192.168.1.5:49374", None),
        ("https://opencode.example", None),
        ("http://localhost.example:1", None),
        ("http://127.0.0.1.example:1", None),
    ],
)
def test_only_this_machine_gets_its_password(path: Path, url: str, here: str | None) -> None:
    service = Service(url=url, pid=1, version="2.1.2", password=PASSWORD)
    if here is None:
        with pytest.raises(BadServiceFile, match=r"beyond this machine's own loopback: .*--opencode-url"):
            local_url(service, path)
    else:
        assert local_url(service, path) == here


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
ME, OTHER = 1000, 1001


def listener(address: str, port: int, uid: int, state: str = "0A") -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  {uid}        0 1 1"


V4, ALL4, V6, ALL6 = "0100007F", "00000000", "00000000000000000000000001000000", "0" * 32


@pytest.mark.skipif(sys.byteorder != "little", reason="the spellings above are those of such a machine")
@pytest.mark.parametrize(
    ("url", "lines", "foreign"),
    [
        ("http://127.0.0.1:49374", [], False),
        ("http://127.0.0.1:49374", [listener(V4, 49374, ME)], False),
        ("http://127.0.0.1:49374", [listener(V4, 49374, OTHER)], True),
        ("http://127.0.0.1:49374", [listener(V4, 49374, 0)], False),  # root reads every file
        ("http://127.0.0.1:49374", [listener(V4, 49374, OTHER, "01")], False),  # a connection, no listener
        ("http://127.0.0.1:49374", [listener(V4, 49375, OTHER)], False),
        ("http://127.0.0.1:49374", [listener("0501A8C0", 49374, OTHER)], False),  # at 192.168.1.5
        ("http://127.0.0.1:49374", [listener(ALL4, 49374, OTHER)], True),
        ("http://127.0.0.1:49374", [listener(ALL6, 49374, OTHER)], True),
        ("http://127.0.0.1:49374", [listener(ALL4, 49374, OTHER), listener(V4, 49374, ME)], False),
        ("http://[::1]:49374", [listener(V6, 49374, OTHER)], True),
        ("http://localhost:49374", [listener(V6, 49374, OTHER)], True),
        ("http://localhost", [listener(V4, 80, OTHER)], True),
    ],
)
def test_another_users_program_on_its_port_is_known(url: str, lines: list[str], foreign: bool) -> None:
    assert is_foreign(url, "\n".join([HEAD, *lines, "nonsense"]), ME) == foreign


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux says it")
def test_ones_own_program_is_not_foreign() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert not is_foreign(url, socket_table(), os.getuid())
        assert is_foreign(url, socket_table().replace(f" {os.getuid()} ", " 4711 "), os.getuid() + 1)
