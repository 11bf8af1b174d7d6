"""The README says what there is: every setting, route, command and option, and nothing of any workplace."""

import json
import re
from pathlib import Path

import pytest

from relay.__main__ import _parser
from relay.server.settings import VARIABLES
from simulator.__main__ import _parser as simulator_parser
from simulator.apns.faults import load
from simulator.lab.control.table import ROUTES
from simulator.phone.settings import SETTINGS
from simulator.scenario import scenarios

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", VARIABLES)
def test_every_setting_is_in_the_readme_with_its_default(name: str) -> None:
    row = next((line for line in README.splitlines() if line.startswith(f"| `{name}` |")), None)
    assert row, f"{name} is not documented"
    default = VARIABLES[name].default
    assert (default or ("required" if default is None else "system")) in row


@pytest.mark.parametrize("command", ["serve", "bridge", "pair", "doctor", "migrate"])
def test_every_command_of_the_relay_is_in_the_readme(command: str) -> None:
    assert f"relay {command}" in README


def test_every_option_of_the_bridge_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser({}.get).parse_args(["bridge", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in README} == set()


@pytest.mark.parametrize("command", ["replay", "demo", "apns", "opencode", "conform"])
def test_every_command_of_the_simulator_is_in_the_readme(command: str) -> None:
    assert f"simulator {command}" in README or f"make {command}" in README


def test_every_option_of_the_sandbox_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        simulator_parser().parse_args(["apns", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in README} == set()


def test_every_control_route_is_in_the_readme_and_every_one_there_exists() -> None:
    documented = set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /control[^`]*)`", README))
    assert documented == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_of_a_phone_is_in_the_readme(key: str) -> None:
    [row] = [line for line in README.splitlines() if line.startswith("| `PATCH /control/devices/{name}`")]
    assert f"`{key}`" in row


def test_the_faults_in_the_readme_are_rules() -> None:
    rules = [json.loads(text) for text in re.findall(r"^fault '(.*)'$", README, re.MULTILINE)]
    assert len(load(rules)) == len(rules) > 4


def test_the_scenarios_in_the_readme_exist() -> None:
    assert set(re.findall(r"simulator replay (\w+)", README)) <= set(scenarios())


def test_the_folders_and_files_in_the_readme_exist() -> None:
    for path in re.findall(r"`((?:relay|simulator)/[\w./]+)`", README):
        assert (ROOT / path).exists(), path


def test_nothing_in_the_project_names_a_package_host_or_a_path_of_one_machine() -> None:
    hosts = "|".join(
        ["files.python" + "hosted", "pypi" + r"\.org", "registry" + r"\.npmjs", "deb" + r"\.debian\.org"]
    )
    pattern = re.compile(rf"{hosts}|/work/|/root/")
    found = [str(path) for path in _project_files() if pattern.search(path.read_text(errors="replace"))]
    assert found == []


def _project_files() -> list[Path]:
    """What the project consists of, without recordings (data of others) and this file."""
    roots = [ROOT / name for name in ("relay", "simulator", "tests", "notebooks", "loadtests", ".ci")]
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    files += [
        path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith((".coverage", ".git"))
    ]
    left_out = {"__pycache__", "recordings"}
    return [path for path in files if not left_out & set(path.parts) and path != Path(__file__)]
