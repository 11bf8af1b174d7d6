"""Asking Tailscale: a program that answers, fails, talks nonsense, or hangs; and none at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.bridge.pairing import hosts
from relay.bridge.pairing.hosts import Tailnet, ask_tailscale, read_status

STATUS: dict[str, Any] = {
    "Version": "1.80.0",
    "BackendState": "Running",
    "Self": {"DNSName": "laptop.tail1234.ts.net.", "TailscaleIPs": ["100.101.102.103", "fd7a:115c:a1e0::1"]},
    "CurrentTailnet": {
        "Name": "me@example.org",
        "MagicDNSSuffix": "tail1234.ts.net",
        "MagicDNSEnabled": True,
    },
    "Peer": {"nodekey:1": {"DNSName": "phone.tail1234.ts.net."}},
}
LAPTOP = Tailnet("laptop.tail1234.ts.net", ("100.101.102.103", "fd7a:115c:a1e0::1"))

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a `tailscale` of these shell lines into PATH; there is no other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(hosts, "PROGRAMS", ("tailscale",))

    def write(lines: str) -> None:
        (folder / "tailscale").write_text(f"#!/bin/sh\n{lines}\n")
        (folder / "tailscale").chmod(0o755)

    return write


async def test_name_and_addresses_are_those_of_this_machine(install: Install) -> None:
    said = json.dumps(STATUS)
    install(f"""[ "$*" = "status --json" ] && echo '{said}'""")
    assert await ask_tailscale() == LAPTOP


@pytest.mark.usefixtures("install")
async def test_without_tailscale_there_is_nothing_to_say() -> None:
    assert await ask_tailscale() == Tailnet()


@pytest.mark.parametrize(
    "lines", ["exit 1", "echo stopped; exit 1", "echo '[]'", "echo '{\"Self\": 1}'", "printf '\\377'"]
)
async def test_what_cannot_be_read_is_no_error(install: Install, lines: str) -> None:
    install(lines)
    assert await ask_tailscale() == Tailnet()


async def test_a_program_that_cannot_run_is_no_error(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    install("")
    (tmp_path / "bin" / "tailscale").write_text("#!/nowhere\n")
    assert await ask_tailscale() == Tailnet()
    assert "tailscale not asked" in caplog.text


async def test_one_that_hangs_is_not_waited_for(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    install("exec /bin/sleep 600")
    assert await ask_tailscale(deadline=0.1) == Tailnet()
    assert "tailscale not asked reason=TimeoutError" in caplog.text


@pytest.mark.parametrize(
    ("changes", "tailnet"),
    [
        ({}, LAPTOP),
        ({"BackendState": "Stopped"}, Tailnet()),
        ({"BackendState": "NeedsLogin", "Self": {}}, Tailnet()),
        ({"Self": None}, Tailnet()),
        ({"Self": {"DNSName": "", "TailscaleIPs": None}}, Tailnet()),
        ({"CurrentTailnet": {"MagicDNSEnabled": False}}, Tailnet(None, LAPTOP.addresses)),
        ({"CurrentTailnet": None}, LAPTOP),
    ],
)
def test_a_status_is_read(changes: dict[str, Any], tailnet: Tailnet) -> None:
    assert read_status(json.dumps(STATUS | changes).encode()) == tailnet
