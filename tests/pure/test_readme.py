"""README and docs say what there is: every setting, route, command and option, and nothing of any workplace."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from relay.__main__ import _parser
from relay.server.metrics import SERIES
from relay.server.settings import VARIABLES
from simulator.apns.faults import load
from simulator.arguments import parser_of_simulator as simulator_parser
from simulator.lab.control.table import ROUTES
from simulator.phone.settings import SETTINGS
from simulator.scenario import in_words, scenarios
from simulator.scenario import load as load_scenario

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SOURCES = {
    path.name: path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}


def _hooks() -> ModuleType:
    """docs/hooks.py, which mkdocs loads by its path."""
    spec = spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = _hooks()
MANUAL = "\n".join(HOOKS.expand(text) for text in SOURCES.values())
"""README and pages with the tables that the build puts into them."""


@pytest.mark.parametrize("name", VARIABLES)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    row = next((line for line in MANUAL.splitlines() if line.startswith(f"| `{name}` |")), None)
    assert row, f"{name} is not documented"
    default = VARIABLES[name].default
    assert (default or ("required" if default is None else "| empty |")) in row


@pytest.mark.parametrize("name", SERIES)
def test_every_series_is_documented_with_its_labels(name: str) -> None:
    row = next((line for line in MANUAL.splitlines() if line.startswith(f"| `{name}` |")), "")
    assert SERIES[name].about in row
    assert f"| {', '.join(SERIES[name].labels)} |" in row


COMMANDS = [("relay", "serve"), ("relay", "bridge"), ("relay", "pair"), ("relay", "doctor"), ("relay", "migrate"), ("relay", "completion"), ("relay", "phones"), ("relay", "forget"), ("relay", "secret"),
            ("simulator", "replay"), ("simulator", "demo"), ("simulator", "apns"), ("simulator", "push"), ("simulator", "opencode"),
            ("simulator", "conform")]  # fmt: skip


@pytest.mark.parametrize(("program", "command"), COMMANDS)
def test_every_command_is_in_the_readme(program: str, command: str) -> None:
    assert f"{program} {command}" in README or f"make {command}" in README or f"{program} {command}" in MANUAL


@pytest.mark.parametrize(
    ("program", "command"),
    [one for one in COMMANDS if one[1] not in ("serve", "migrate", "conform")],
)
def test_every_option_is_documented(program: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = _parser({}.get) if program == "relay" else simulator_parser()
    with pytest.raises(SystemExit):
        parser.parse_args([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in MANUAL} == set()


def test_every_control_route_is_documented_and_every_one_there_exists() -> None:
    documented = set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /control[^`]*)`", MANUAL))
    assert documented == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_of_a_phone_is_documented(key: str) -> None:
    assert f"| `{key}` |" in MANUAL


def test_the_fields_of_a_route_are_the_contracts() -> None:
    [row] = [line for line in MANUAL.splitlines() if line.startswith("| `POST /v1/activity/register` |")]
    assert "`secret`, `sessionID`, `activityToken`" in row
    assert "`deviceToken`?" in row


@pytest.mark.parametrize("word", ["answer", "delay_s", "stall", "reset", "goaway", "close", "share", "times"])
def test_what_a_fault_rule_can_say_is_documented(word: str) -> None:
    assert f'"{word}"' in HOOKS.fault_rules()


def test_every_marker_of_a_table_has_its_table() -> None:
    assert "<!-- generated" not in MANUAL


def test_every_page_is_in_the_navigation_and_every_notebook() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    pages += [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert {page for page in pages if f" {page}\n" not in navigation} == set()


@pytest.mark.parametrize("name", SOURCES)
def test_every_link_to_a_file_leads_to_one(name: str) -> None:
    home = ROOT if name == "README.md" else ROOT / "docs"
    links = [link for link in re.findall(r"\]\(([^)#]+)", SOURCES[name]) if "://" not in link]
    assert {link for link in links if not (home / link).exists()} == set()


def test_the_readme_is_read_at_one_sitting() -> None:
    assert len(README.splitlines()) <= 170


def test_the_demo_in_the_readme_is_80_columns_wide_and_has_the_words_of_its_scenarios() -> None:
    frame = README[README.index("╭") : README.index("Ctrl-C stops")]
    assert {len(line) for line in frame.splitlines() if line[0] in "╭│╰"} == {80}
    played = [in_words(load_scenario(name)) for name in ("a_text", "b_permission_once")]
    assert played[-1].about in frame
    said = str([one.recording for one in played])
    shown = (
        "Ship version 2.4",
        "Version 2.4 is out now.",
        "make build; make test; git",
        "Fix the login",
    )
    assert [words for words in shown if words not in frame or words not in said] == []


def test_the_readme_says_first_that_there_is_no_app_and_where_to_read_how_to_build_one() -> None:
    box = README[README.index("> **Before you start:**") : README.index("## See it run")]
    assert "no app in any store" in box
    assert "(docs/app.md)" in box


@pytest.mark.parametrize(("name", "after"), [("README.md", "## Door 1"), ("opencode.md", "# I use OpenCode")])
def test_the_plain_terminal_ui_is_the_first_line_of_the_users_chapter(name: str, after: str) -> None:
    chapter = SOURCES[name].split(after, 1)[1]
    commands = [
        block.strip().splitlines()
        for block in re.findall(r"^```\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    ]
    assert commands[0][0].startswith("opencode --port 4096")
    assert commands[1][0].startswith(".venv/bin/relay bridge ")


def test_the_faults_in_the_pages_are_rules() -> None:
    rules = [json.loads(text) for text in re.findall(r"^fault '(.*)'$", MANUAL, re.MULTILINE)]
    assert len(load(rules)) == len(rules) > 4


def test_the_scenarios_in_the_pages_exist() -> None:
    assert set(re.findall(r"simulator replay ([a-z][\w/]+)", MANUAL)) <= {*scenarios(1), *scenarios(2)}


def test_the_make_targets_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([\w./-]+)", MANUAL, re.MULTILINE)
    assert set(named) <= targets


def test_the_folders_and_files_in_the_pages_exist() -> None:
    for path in re.findall(r"`((?:relay|simulator|tests|loadtests|notebooks|docs|deploy)/[\w./-]*)`", MANUAL):
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
    roots = [
        ROOT / name
        for name in ("relay", "simulator", "tests", "notebooks", "loadtests", "docs", "deploy", ".ci")
    ]
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    files += [
        path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith((".coverage", ".git"))
    ]
    left_out = {"__pycache__", "recordings"}
    return [path for path in files if not left_out & set(path.parts) and path != Path(__file__)]
