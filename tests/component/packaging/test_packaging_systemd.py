"""The systemd units: systemd understands them and finds them tight; what a relay reports to the manager that started it."""

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.bridge.options import add_bridge_arguments
from relay.server.settings import load
from relay.server.systemd import notify, watchdog_seconds
from relay.usage import Parser
from simulator.lab.command import SandboxOptions, running
from simulator.lab.new import KEY_ID, TEAM_ID
from simulator.loopback import free_port
from waiting import PATIENCE

DEPLOY = Path(__file__).parents[3] / "deploy"
RELAY, BRIDGE = "opencode-push-relay.service", "opencode-push-bridge.service"
PROGRAM = Path(sys.executable).parent / "relay"


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT TESTED: systemd-analyze is not installed (Debian: systemd)")
    return found


def _unit(name: str, folder: Path) -> Path:
    """The unit with the program of this environment, since systemd looks whether it is there."""
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", (DEPLOY / name).read_text(), flags=re.MULTILINE)
    (folder / name).write_text(text)
    return folder / name


def _variables(name: str) -> dict[str, str]:
    """What a file of settings says, with what it only suggests."""
    found = re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (DEPLOY / name).read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize(("name", "user"), [(RELAY, []), (BRIDGE, ["--user"])])
def test_systemd_understands_the_unit(analyze: str, name: str, user: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [analyze, *user, "verify", _unit(name, tmp_path)],
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [
        line for line in done.stderr.splitlines() if name in line
    ]  # other units of this machine may be wrong
    assert (done.returncode, said) == (0, [])


def test_the_relays_unit_is_tight(analyze: str, tmp_path: Path) -> None:
    """Exposure at most 1.5 of 10, of which 0.9 are the network and the local sockets that it needs."""
    words = (analyze, "security", "--offline=true", "--threshold=15", _unit(RELAY, tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-400:]
    assert "Overall exposure level" in done.stdout


def test_the_settings_of_the_services_are_settings(private_key: str) -> None:
    settings = load(_variables("relay.env") | {"APNS_PRIVATE_KEY": private_key})
    assert settings.relay_metrics_port == 9187
    parser = Parser("bridge")
    add_bridge_arguments(parser, _variables("bridge.env").get)
    assert parser.parse([]).relay_url == "https://relay.example.com"


def test_no_secret_stands_in_a_unit_or_in_the_arguments_of_a_process() -> None:
    """They come from files that their owner alone reads."""
    for name in (RELAY, BRIDGE):
        text = (DEPLOY / name).read_text()
        assert not re.search(
            r"^(Exec|Environment)\w*=.*(SECRET|TOKEN|PASSWORD|--print-link)", text, re.MULTILINE
        )
        assert re.search(r"^EnvironmentFile=/etc|^EnvironmentFile=%E", text, re.MULTILINE)
        assert re.search(r"^UMask=0077$", text, re.MULTILINE)


# What the manager learns.


def test_a_relay_reports_that_it_is_ready_alive_and_stopping(
    environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    port = free_port()
    address = str(tmp_path / "notify")
    variables = environment(
        PORT=str(port),
        DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3",
        NOTIFY_SOCKET=address,
        WATCHDOG_USEC="100000",
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        process = subprocess.Popen(
            [PROGRAM, "serve"],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert manager.recv(100) == b"READY=1"
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                pass
            assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            process.send_signal(signal.SIGTERM)
            while (state := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert state == b"STOPPING=1"
            out, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
    assert (process.returncode, out) == (0, b"")
    assert b"listening" in log
    assert b"PRIVATE KEY" not in log


def test_an_abstract_address_begins_with_a_zero_byte(tmp_path: Path) -> None:
    name = f"relay-{tmp_path.name}-{free_port()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(PATIENCE)
        notify({"NOTIFY_SOCKET": f"@{name}"}, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "/nowhere/at/all", "@nobody-listens-there"])
def test_without_a_manager_nothing_is_reported(address: str | None) -> None:
    notify({} if address is None else {"NOTIFY_SOCKET": address}, "READY=1")


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("0", None), ("no", None), ("60000000", 30.0)])
def test_it_reports_twice_as_often_as_is_wanted(text: str, seconds: float | None) -> None:
    assert watchdog_seconds({"WATCHDOG_USEC": text}) == seconds


# The ten commands of the README, which are run in an empty machine by hand: that they fit what lies here is seen at each run.

README = (DEPLOY.parent / "README.md").read_text()
DOOR = re.findall(r"^```\n(apt-get install .*?)^```", README, re.MULTILINE | re.DOTALL)[0].splitlines()


def test_ten_commands_lead_to_a_relay_and_the_page_explains_the_same() -> None:
    assert len(DOOR) == 10
    assert "\n".join(DOOR) in (DEPLOY.parent / "docs" / "operate.md").read_text()
    named = re.findall(r"deploy/[\w.-]+", "\n".join(DOOR))
    assert {name for name in named if not (DEPLOY.parent / name).is_file()} == set()
    assert len(named) == 8


def test_the_try_is_of_the_simulators_own_phone_key_and_ports() -> None:
    """The files of the ten commands name what `simulator apns` gives away at every start."""
    settings = _variables("try.env")
    phone, event = (json.loads((DEPLOY / f"try-{name}.json").read_text()) for name in ("phone", "event"))
    options = SandboxOptions(
        port=0, production_port=0, manage_port=0, manage_production_port=0, control_port=0
    )
    defaults = SandboxOptions()
    assert settings["APNS_HOST_SANDBOX"] == f"127.0.0.1:{defaults.port}"
    assert settings["APNS_HOST_PRODUCTION"] == f"127.0.0.1:{defaults.production_port}"
    assert (settings["APNS_TEAM_ID"], settings["APNS_KEY_ID"]) == (TEAM_ID, KEY_ID)
    assert any(f"/srv/apns/AuthKey_{KEY_ID}.p8 " in line for line in DOOR)
    assert phone["secret"] == event["secret"]
    assert phone["deviceToken"] == asyncio.run(_token(options))


async def _token(options: SandboxOptions) -> str:
    """The alert token of the phone of a sandbox that has just been started."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(replace(options, folder=Path(folder))) as sandbox:
            (device,) = sandbox.lab.devices
            return device.tokens["alert"]
