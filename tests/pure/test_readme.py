"""The README says what there is: every setting, route, command and option, and nothing of any workplace."""

import re
import subprocess
from pathlib import Path

import pytest

from relay.__main__ import _parser
from relay.settings import VARIABLES
from simulator.scenario import scenarios

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", VARIABLES)
def test_every_setting_is_in_the_readme_with_its_default(name: str) -> None:
    row = next((line for line in README.splitlines() if line.startswith(f"| `{name}` |")), None)
    assert row, f"{name} is not documented"
    default = VARIABLES[name].default
    assert (default or ("required" if default is None else "system")) in row


@pytest.mark.parametrize("command", ["serve", "bridge", "pair", "migrate"])
def test_every_command_of_the_relay_is_in_the_readme(command: str) -> None:
    assert f"relay {command}" in README


def test_every_option_of_the_bridge_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser({}.get).parse_args(["bridge", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in README} == set()


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
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [
        name
        for name in listed.splitlines()
        if (ROOT / name).is_file() and "recordings/" not in name and name != "tests/pure/test_readme.py"
        if pattern.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []
